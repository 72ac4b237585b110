"""How names are learnt, whoever tells them: the newest stands with the viewer, all of them are in the history."""

# Only what is new or newer is written; mostly nothing new is told about most viewers. When the present names
# were last told stands with the names, for what is told late may have been changed back since.
_VIEWERS = """
INSERT INTO viewers_viewer (twitch_id, login, display_name, color, named_at, is_bot)
SELECT told.viewer_id, told.login, told.display_name, coalesce(told.color, known.color, ''), told.named_at, false
FROM (
    SELECT DISTINCT ON (viewer_id) viewer_id, login, display_name, color, {time_of_latest} AS named_at
    FROM {told} WHERE viewer_id <> '' AND login <> '' ORDER BY viewer_id, {moment} DESC, login
) told
LEFT JOIN viewers_viewer known ON known.twitch_id = told.viewer_id
WHERE known.twitch_id IS NULL OR (
    known.named_at < told.named_at
    AND (known.login, known.display_name, known.color)
        IS DISTINCT FROM (told.login, told.display_name, coalesce(told.color, known.color))
    AND NOT EXISTS (
        SELECT FROM viewers_viewername name WHERE name.viewer_id = told.viewer_id AND name.last_seen_at > told.named_at
    )
)
ORDER BY told.viewer_id
ON CONFLICT (twitch_id) DO UPDATE SET
    login = excluded.login, display_name = excluded.display_name, color = excluded.color, named_at = excluded.named_at
WHERE viewers_viewer.named_at < excluded.named_at
"""

# The last time is only moved on after ten minutes: a write per message would tell nobody more.
_NAMES = """
INSERT INTO viewers_viewername (viewer_id, login, display_name, first_seen_at, last_seen_at)
SELECT told.*
FROM (
    SELECT viewer_id, login, max(display_name) AS display_name, {first} AS first_at, {last} AS last_at
    FROM {told} WHERE viewer_id <> '' AND login <> '' GROUP BY 1, 2
) told
LEFT JOIN viewers_viewername known ON known.viewer_id = told.viewer_id AND known.login = told.login
WHERE known.id IS NULL
    OR told.first_at < known.first_seen_at
    OR told.last_at > known.last_seen_at + interval '10 minutes'
ORDER BY told.viewer_id, told.login
ON CONFLICT (viewer_id, login) DO UPDATE SET
    display_name = excluded.display_name,
    first_seen_at = least(viewers_viewername.first_seen_at, excluded.first_seen_at),
    last_seen_at = greatest(viewers_viewername.last_seen_at, excluded.last_seen_at)
"""


def learn(told: str, *, moment: str = "at", time: str = "{}") -> tuple[str, str]:
    """The two statements that learn what a relation tells: viewer_id, login, display_name, color, and when.

    Colour is NULL where it is not told. `moment` is the column that says when, in whatever unit, and `time` what makes
    a timestamp of it.
    """
    latest, first, last = (time.format(value) for value in (moment, f"min({moment})", f"max({moment})"))
    return (
        _VIEWERS.format(told=told, moment=moment, time_of_latest=latest),
        _NAMES.format(told=told, first=first, last=last),
    )


# The same for the many who are in a chat at one moment (`present`, see viewers/statements.py), in one statement: most
# are there already, and of those only a new name is written. Until when they were there is what sessions say.
LEARN_PRESENT = """
WITH renamed AS (
    INSERT INTO viewers_viewer (twitch_id, login, display_name, color, named_at, is_bot)
    SELECT told.viewer_id, told.login, told.display_name, '', %(at)s, false
    FROM present told LEFT JOIN viewers_viewer known ON known.twitch_id = told.viewer_id
    WHERE known.twitch_id IS NULL OR (
        known.named_at < %(at)s AND (known.login, known.display_name) IS DISTINCT FROM (told.login, told.display_name)
        AND NOT EXISTS (
            SELECT FROM viewers_viewername name WHERE name.viewer_id = told.viewer_id AND name.last_seen_at > %(at)s
        )
    )
    ORDER BY 1
    ON CONFLICT (twitch_id) DO UPDATE SET
        login = excluded.login, display_name = excluded.display_name, named_at = excluded.named_at
    WHERE viewers_viewer.named_at < excluded.named_at
    RETURNING twitch_id
),
open AS (SELECT viewer_id FROM viewers_viewsession WHERE stream_id = %(stream)s AND ended_at IS NULL)
INSERT INTO viewers_viewername (viewer_id, login, display_name, first_seen_at, last_seen_at)
SELECT told.viewer_id, told.login, told.display_name, %(at)s, %(at)s
FROM present told LEFT JOIN viewers_viewername known ON known.viewer_id = told.viewer_id AND known.login = told.login
WHERE (told.viewer_id IN (SELECT twitch_id FROM renamed) OR told.viewer_id NOT IN (SELECT viewer_id FROM open))
    AND (
        known.id IS NULL OR %(at)s < known.first_seen_at OR %(at)s > known.last_seen_at + interval '1 hour'
    )
ORDER BY 1, 2
ON CONFLICT (viewer_id, login) DO UPDATE SET
    display_name = excluded.display_name,
    first_seen_at = least(viewers_viewername.first_seen_at, excluded.first_seen_at),
    last_seen_at = greatest(viewers_viewername.last_seen_at, excluded.last_seen_at)
"""
