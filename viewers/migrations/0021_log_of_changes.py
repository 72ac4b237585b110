"""What is shown of viewers is written into the log of changes: see streams/sync.py."""

from streams.changelog import LOG, follow, follow_updates, statement_triggers
from streams.patience import PatientMigration

COUNTED = ("channel_id", "viewer_id", "period", "messages", "emotes", "watch_seconds", "points", "streak")
SESSION = ("id", "channel_id", "viewer_id", "stream_id", "started_at", "ended_at", "source", "ended_by")
AWARD = ("channel_id", "viewer_id", "achievement", "level", "earned_at", "value", "stream_id")
PAGE = ("channel_id", "viewer_id", "current_id", "locked_at")
SHOWN = ("channel_id", "viewer_id", "visibility", "is_bot")

# A choice for everywhere stands for every row of the viewer; names and pictures are told where they are listed.
NAMED = f"""
{LOG} SELECT channel.id, 'viewers', NEW.twitch_id FROM streams_channel channel WHERE EXISTS (
    SELECT FROM viewers_standing known
    WHERE known.channel_id = channel.id AND known.viewer_id = NEW.twitch_id AND known.period = 'all'
);
"""
CHOSEN = f"{LOG} VALUES (NULL, 'visibility', NEW.twitch_id);"
POLICY = f"{LOG} VALUES (NEW.channel_id, 'anew', 'profiles');"

IS_DECIDED = "WHERE decided.visibility <> '' OR decided.is_bot"
_DECIDED = f"{LOG} SELECT decided.channel_id, 'visibility', decided.viewer_id FROM {{rows}} decided"
_COLUMNS = ", ".join(SHOWN)
_OTHERWISE = f"(SELECT {_COLUMNS} FROM new_rows EXCEPT SELECT {_COLUMNS} FROM old_rows)"

# A summary stands on the page of a viewer, a recap on that of a stream.
_SUMMARY = f"""
{LOG} SELECT DISTINCT summary.channel_id, CASE WHEN summary.viewer_id IS NULL THEN 'streams' ELSE 'profiles' END,
    coalesce(summary.viewer_id, summary.stream_id)
FROM {{rows}} summary {{where}};
"""
_SUMMARY_COLUMNS = "id, channel_id, viewer_id, stream_id, number, state, made_at, made_by"
_OF_CLAIMS = """(
    SELECT summary.* FROM {rows} claim JOIN viewers_summary summary ON summary.id = claim.summary_id
    WHERE summary.state = 'shown'
)"""
_CLAIM_COLUMNS = "id, summary_id, position, part, text, at"
_CHANGED_CLAIMS = f"(SELECT {_CLAIM_COLUMNS} FROM new_rows EXCEPT SELECT {_CLAIM_COLUMNS} FROM old_rows)"
ALL = ("INSERT", "UPDATE", "DELETE")


class Migration(PatientMigration):
    dependencies = [("viewers", "0020_casefiles"), ("streams", "0014_log_of_changes")]
    operations = [
        follow("viewers_standing", "viewers", "changed.viewer_id", COUNTED),
        follow_updates(
            "viewers_viewer", "log_names", ["login", "display_name", "color", "avatar_url", "account_created_at"], NAMED
        ),
        follow_updates("viewers_viewer", "log_choices", ["is_bot", "hidden_at", "stopped_at"], CHOSEN),
        follow("viewers_viewsession", "sessions", "changed.id", SESSION),
        follow(
            "viewers_award", "awards", "changed.viewer_id || ':' || changed.achievement || ':' || changed.level", AWARD
        ),
        follow("viewers_profile", "profiles", "changed.viewer_id", PAGE),
        statement_triggers(
            "viewers_profile", "log_who_is_shown", ALL,
            inserted=f"{_DECIDED.format(rows='new_rows')} {IS_DECIDED};",
            deleted=f"{_DECIDED.format(rows='old_rows')} {IS_DECIDED};",
            updated=f"{_DECIDED.format(rows=_OTHERWISE)};",
        ),  # fmt: skip
        # Versions are not shown by themselves, but the one on the page may lose its words.
        follow(
            "viewers_wikirevision", "profiles", "profile.viewer_id", ("profile_id", "number", "text", "withdrawn_at"),
            channel="profile.channel_id", join="JOIN viewers_profile profile ON profile.id = changed.profile_id",
            on=("UPDATE",),
        ),  # fmt: skip
        statement_triggers(
            "viewers_summary", "log_summaries", ALL,
            inserted=_SUMMARY.format(rows="new_rows", where="WHERE summary.state = 'shown'"),
            deleted=_SUMMARY.format(rows="old_rows", where="WHERE summary.state = 'shown'"),
            updated=_SUMMARY.format(
                rows=f"(SELECT {_SUMMARY_COLUMNS} FROM new_rows EXCEPT SELECT {_SUMMARY_COLUMNS} FROM old_rows)",
                where="",
            ),
        ),  # fmt: skip
        statement_triggers(
            "viewers_claim", "log_claims", ALL,
            inserted=_SUMMARY.format(rows=_OF_CLAIMS.format(rows="new_rows"), where=""),
            deleted=_SUMMARY.format(rows=_OF_CLAIMS.format(rows="old_rows"), where=""),
            updated=_SUMMARY.format(rows=_OF_CLAIMS.format(rows=_CHANGED_CLAIMS), where=""),
        ),  # fmt: skip
        follow_updates(
            "viewers_summarypolicy", "log_summary_policy", ["is_on", "needs_review", "blocked_words"], POLICY
        ),
    ]
