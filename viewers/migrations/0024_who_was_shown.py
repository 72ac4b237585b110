"""The log of changes says that somebody is shown, or no more, only where that is another than before.

What somebody who is hidden chooses beside that is nobody's to see. It says whose a session is, too: of who is not shown,
nothing is told.
"""

from django.db import migrations

from streams.changelog import LOG, replaced_by, tell_whose
from streams.patience import PatientMigration

SESSION = ("id", "channel_id", "viewer_id", "stream_id", "started_at", "ended_at", "source", "ended_by")

# Nothing that is decided about a page lets it be shown where pages are opt-in, but that its viewer asked for one.
_DECIDED = f"""{LOG} SELECT DISTINCT decided.channel_id, 'visibility', decided.viewer_id
FROM {{rows}} decided JOIN streams_channel channel ON channel.id = decided.channel_id
WHERE {{where}};"""
_IS_DECIDED = (
    "decided.visibility = 'shown' OR (channel.page_policy = 'open' AND (decided.visibility <> '' OR decided.is_bot))"
)
_COLUMNS = "channel_id, viewer_id, visibility, is_bot"
_OTHERWISE = f"""(
    (SELECT {_COLUMNS} FROM new_rows EXCEPT SELECT {_COLUMNS} FROM old_rows) UNION ALL
    (SELECT {_COLUMNS} FROM old_rows EXCEPT SELECT {_COLUMNS} FROM new_rows)
)"""
_SHOWS = "decided.visibility = 'shown' OR (channel.page_policy = 'open' AND decided.visibility = '')"

CHOSEN = f"""
CREATE OR REPLACE FUNCTION log_choices() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.hidden_at IS NULL) <> (NEW.hidden_at IS NULL) OR (OLD.is_bot <> NEW.is_bot AND NEW.hidden_at IS NULL) THEN
        {LOG} VALUES (NULL, 'visibility', NEW.twitch_id);
    END IF;
    RETURN NULL;
END $$;
"""
WAS_CHOSEN = f"""
CREATE OR REPLACE FUNCTION log_choices() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    {LOG} VALUES (NULL, 'visibility', NEW.twitch_id);
    RETURN NULL;
END $$;
"""
_WAS = f"{LOG} SELECT decided.channel_id, 'visibility', decided.viewer_id FROM {{rows}} decided"
_WAS_OTHERWISE = f"(SELECT {_COLUMNS} FROM new_rows EXCEPT SELECT {_COLUMNS} FROM old_rows)"
_WAS_DECIDED = "WHERE decided.visibility <> '' OR decided.is_bot"


class Migration(PatientMigration):
    dependencies = [("viewers", "0023_claims_called_wrong"), ("streams", "0017_whose_row_was_deleted")]
    operations = [
        migrations.RunSQL(CHOSEN, WAS_CHOSEN),
        replaced_by(
            "log_who_is_shown",
            {
                "inserted": _DECIDED.format(rows="new_rows", where=_IS_DECIDED),
                "deleted": _DECIDED.format(rows="old_rows", where=_IS_DECIDED),
                "updated": _DECIDED.format(rows=_OTHERWISE, where=_SHOWS),
            },
            {
                "inserted": f"{_WAS.format(rows='new_rows')} {_WAS_DECIDED};",
                "deleted": f"{_WAS.format(rows='old_rows')} {_WAS_DECIDED};",
                "updated": f"{_WAS.format(rows=_WAS_OTHERWISE)};",
            },
        ),
        tell_whose("viewers_viewsession", "sessions", SESSION),
    ]
