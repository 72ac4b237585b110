"""Places: folds what days and streams add up to into the tables that boards and pages of emotes are read from.

Whoever changes days of viewers raises the day's number of changes; here the days are folded whose number is another
than at their last fold. The number is read before the days are, so that who changes something meanwhile leaves the day
to be folded again. Nobody waits for a fold: it reads beside the writers of the channel, and only folds take turns.
Years are summed from months and all time from years, so that one day costs each viewer a few rows however long ago
their first was. See docs/decisions/places.md.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from itertools import groupby
from typing import Any

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import F, Max, Min, Q

from chat import awards, streaks
from chat.folds import hold
from streams.locks import lock_channels
from streams.models import Channel, ChannelDay
from streamstats.lib import periods
from viewers.models import Standing

ENOUGH_S = 200.0
"""How long one run folds before it leaves the rest for the next."""
MANY_DAYS = 31
"""With more days than these to be folded, totals of emotes are added up from all days at once."""

# Who did anything on these days, or on a day of a stream that began on one of them. Nobody who has no account here:
# what became anonymous has no place.
WHO = """
CREATE TEMP TABLE folded ON COMMIT DROP AS
SELECT DISTINCT viewer_id FROM viewers_viewerday JOIN viewers_viewer ON twitch_id = viewer_id
WHERE channel_id = %(channel)s AND day = ANY(%(days)s::date[] || ARRAY(
    SELECT generate_series(
        (started_at AT TIME ZONE 'UTC')::date, (coalesce(ended_at, now()) AT TIME ZONE 'UTC')::date, interval '1 day'
    )::date
    FROM streams_stream
    WHERE channel_id = %(channel)s AND (started_at AT TIME ZONE 'UTC')::date = ANY(%(days)s::date[])
))
"""

MEASURES = Standing.MEASURES
_ALL = ", ".join(MEASURES)
_SUMS = ", ".join(f"sum({name})::bigint AS {name}" for name in MEASURES if name != "streak")
_SUMS += ", max(streak) AS streak"
_KNOWN, _TOLD = (", ".join(f"{which}.{name}" for name in MEASURES) for which in ("known", "told"))
_TELL = ", ".join(f"{name} = excluded.{name}" for name in MEASURES)

# What a fold finds, {told}: period, viewer -> measures, of the viewers `folded` and of the periods %(keys)s, without
# those who have nothing: their rows go. What says the same as before is not written. It is a table of its own, whose
# size Postgres is told: it would take so many rows for few, and compare each with each.
STAGE_TOLD = "CREATE TEMP TABLE told ON COMMIT DROP AS {told}"
FOLD = (
    "ANALYZE told",
    f"""
    INSERT INTO viewers_standing (channel_id, period, viewer_id, {_ALL})
    SELECT %(channel)s, told.period, told.viewer_id, {_TOLD} FROM told
    LEFT JOIN viewers_standing known ON known.channel_id = %(channel)s
        AND known.viewer_id = told.viewer_id AND known.period = told.period
    WHERE known.id IS NULL OR ({_KNOWN}) <> ({_TOLD})
    ORDER BY told.viewer_id, told.period
    ON CONFLICT (channel_id, viewer_id, period) DO UPDATE SET {_TELL}
    """,
    """
    DELETE FROM viewers_standing known USING folded
    WHERE known.channel_id = %(channel)s AND known.viewer_id = folded.viewer_id AND known.period = ANY(%(keys)s)
        AND NOT EXISTS (SELECT FROM told WHERE told.viewer_id = known.viewer_id AND told.period = known.period)
    """,
    "DROP TABLE told",
)

# Months and weeks, from days and from streams that began in them.
STAGE_SPANS = STAGE_TOLD.format(
    told="""
    WITH span AS (
        SELECT * FROM unnest(%(keys)s::text[], %(firsts)s::date[], %(ends)s::date[]) AS span (period, first, past)
    )
    SELECT period, viewer_id, coalesce(sum(watch_seconds), 0)::bigint AS watch_seconds,
        coalesce(sum(messages), 0)::bigint AS messages, coalesce(sum(emotes), 0)::bigint AS emotes,
        coalesce(max(streak), 0) AS streak, coalesce(sum(points), 0)::bigint AS points
    FROM (
        SELECT span.period, folded.viewer_id, watch_seconds, messages, emotes, NULL::int AS streak, points
        FROM folded JOIN viewers_viewerday day ON day.channel_id = %(channel)s AND day.viewer_id = folded.viewer_id
            AND day.day >= %(from)s AND day.day < %(until)s
        JOIN span ON day.day >= span.first AND day.day < span.past
        UNION ALL
        SELECT span.period, folded.viewer_id, NULL, NULL, NULL, visit.streak, NULL
        FROM span
        JOIN streams_stream stream ON stream.channel_id = %(channel)s
            AND stream.started_at >= span.first::timestamp AT TIME ZONE 'UTC'
            AND stream.started_at < span.past::timestamp AT TIME ZONE 'UTC'
        JOIN viewers_viewerstream visit ON visit.stream_id = stream.id AND visit.streak > 0
        JOIN folded ON folded.viewer_id = visit.viewer_id
    ) parts GROUP BY 1, 2
    HAVING greatest(sum(watch_seconds), sum(messages), sum(emotes), max(streak), sum(points)) > 0
    """
)

# A longer period, from the rows of the shorter ones %(parts)s in it.
STAGE_PARTS = STAGE_TOLD.format(
    told=f"""
    SELECT %(whole)s::text AS period, viewer_id, {_SUMS}
    FROM folded JOIN viewers_standing part USING (viewer_id)
    WHERE part.channel_id = %(channel)s AND part.period = ANY(%(parts)s) GROUP BY 2
    """
)

# Uses of all time, or of a year, of what is {used}: channel and {who}. What was used before a day that is settled is
# not added up again, unless %(first)s, the first day that may have changed, is before it.
_FOLD_USES = """
WITH told AS MATERIALIZED (
    SELECT used.*, %(first)s::date AS settled_before,
        coalesce(known.settled_uses, 0) + coalesce(before, 0) AS settled_uses,
        coalesce(known.settled_uses, 0) + coalesce(before, 0) + coalesce(since, 0) AS uses,
        least(known.first_day, counted.first_day) AS first_day, greatest(known.last_day, counted.last_day) AS last_day,
        (known.settled_before, known.uses, known.first_day, known.last_day) AS known
    FROM ({used}) used
    LEFT JOIN {totals} known ON {{is_same}} AND known.settled_before <= %(first)s
    CROSS JOIN LATERAL (
        SELECT sum(uses) FILTER (WHERE day < %(first)s) AS before, sum(uses) FILTER (WHERE day >= %(first)s) AS since,
            min(day) AS first_day, max(day) AS last_day
        FROM {days} known
        WHERE {{is_same}} AND uses > 0 AND day >= coalesce(settled_before, '-infinity')
    ) counted
),
gone AS (DELETE FROM {totals} known USING told used WHERE {{is_same}} AND used.uses = 0)
INSERT INTO {totals} (channel_id, {who}, uses, first_day, last_day, settled_before, settled_uses)
SELECT channel_id, {who}, uses, first_day, last_day, settled_before, settled_uses FROM told
WHERE uses > 0 AND known IS DISTINCT FROM (settled_before, uses, first_day, last_day) ORDER BY {who}
ON CONFLICT (channel_id, {who}) DO UPDATE SET uses = excluded.uses, first_day = excluded.first_day,
    last_day = excluded.last_day, settled_before = excluded.settled_before, settled_uses = excluded.settled_uses
"""

# The same of everything that was ever used in a channel: one look at each day, where a look at each total would see
# most of them many times.
_FOLD_ALL_USES = """
INSERT INTO {totals} (channel_id, {who}, uses, first_day, last_day, settled_before, settled_uses)
SELECT channel_id, {who}, told.uses, told.first_day, told.last_day, NULL, 0
FROM (
    SELECT channel_id, {who}, sum(uses) AS uses, min(day) AS first_day, max(day) AS last_day FROM {days} day
    WHERE channel_id = %(channel)s AND uses > 0 AND {whose} GROUP BY channel_id, {who}
) told LEFT JOIN {totals} known USING (channel_id, {who})
WHERE known.id IS NULL OR known.settled_before IS NOT NULL
    OR (known.uses, known.first_day, known.last_day) <> (told.uses, told.first_day, told.last_day)
ORDER BY {who}
ON CONFLICT (channel_id, {who}) DO UPDATE SET uses = excluded.uses, first_day = excluded.first_day,
    last_day = excluded.last_day, settled_before = NULL, settled_uses = 0
"""

_USED_THEN = "SELECT DISTINCT channel_id, {who} FROM {days} day WHERE channel_id = %(channel)s AND day = ANY(%(days)s)"
_USED_LOST = "SELECT DISTINCT %(channel)s::bigint AS channel_id, {who} FROM {lost}"
_IS_KNOWN = "EXISTS (SELECT FROM viewers_viewer WHERE twitch_id = day.viewer_id)"
_USES = (
    {"totals": "chat_emotetotal", "days": "chat_emoteday", "who": "emote_id", "whose": "true", "lost": "lost"},
    {
        "totals": "chat_emoteyear",
        "days": "(SELECT *, extract(year FROM day)::smallint AS year FROM chat_emoteday)",
        "who": "emote_id, year",
        "whose": "true",
        "lost": "lost JOIN chat_emoteyear USING (emote_id) WHERE channel_id = %(channel)s",
    },
    {
        "totals": "chat_vieweremote",
        "days": "chat_emoteusage",
        "who": "viewer_id, emote_id",
        "whose": _IS_KNOWN,
        "lost": "lost",
    },
)


def _fold_uses(tables: Mapping[str, str], used: str) -> str:
    names = ["channel_id", *tables["who"].split(", ")]
    is_same = " AND ".join(f"known.{name} = used.{name}" for name in names)
    return _FOLD_USES.format(**tables, used=used.format(**tables)).format(is_same=is_same)


FOLD_USES = [_fold_uses(tables, _USED_THEN + " AND {whose}") for tables in _USES]
# Of what is in the table `lost`.
FOLD_LOST_USES = [_fold_uses(tables, _USED_LOST) for tables in _USES]
FOLD_ALL_USES = [_FOLD_ALL_USES.format(**tables) for tables in _USES]

# What no day stands behind any more. Only rows taken away by hand can leave it.
SWEEP = (
    """
    DELETE FROM viewers_standing known WHERE channel_id = %(channel)s AND NOT EXISTS (
        SELECT FROM viewers_viewerday day JOIN viewers_viewer ON twitch_id = viewer_id
        WHERE day.channel_id = known.channel_id AND day.viewer_id = known.viewer_id
    )
    """,
    """
    DELETE FROM chat_emotetotal known WHERE channel_id = %(channel)s AND NOT EXISTS (
        SELECT FROM chat_emoteday day WHERE (day.channel_id, day.emote_id) = (known.channel_id, known.emote_id)
    )
    """,
    """
    DELETE FROM chat_emoteyear known WHERE channel_id = %(channel)s AND NOT EXISTS (
        SELECT FROM chat_emoteday day WHERE (day.channel_id, day.emote_id) = (known.channel_id, known.emote_id)
            AND extract(year FROM day.day) = known.year
    )
    """,
    """
    DELETE FROM chat_vieweremote known WHERE channel_id = %(channel)s AND NOT EXISTS (
        SELECT FROM chat_emoteusage day JOIN viewers_viewer ON twitch_id = viewer_id
        WHERE (day.channel_id, day.viewer_id, day.emote_id) = (known.channel_id, known.viewer_id, known.emote_id)
    )
    """,
    "UPDATE chat_emotetotal SET settled_before = NULL WHERE channel_id = %(channel)s AND settled_before IS NOT NULL",
    "UPDATE chat_emoteyear SET settled_before = NULL WHERE channel_id = %(channel)s AND settled_before IS NOT NULL",
    "UPDATE chat_vieweremote SET settled_before = NULL WHERE channel_id = %(channel)s AND settled_before IS NOT NULL",
)

RANKED = """
UPDATE streams_channelday known SET ranked = told.changes
FROM unnest(%(days)s::date[], %(changes)s::bigint[]) AS told (day, changes)
WHERE known.channel_id = %(channel)s AND known.day = told.day
"""

Marks = Mapping[date, int]
"""Days, and their numbers of changes."""


def rank(
    channel: Channel | None = None, *, enough_s: float = ENOUGH_S, show: Callable[[int, int], None] | None = None
) -> str:
    """Fold what has changed, in one channel or in all; return what was done, in a sentence.

    After `enough_s` seconds the rest is left for the next time: the newest days come first. `show` hears how many
    days are folded, and how many there are to fold.
    """
    work = _Work(enough_s, show or (lambda done, days: None))
    channels = [channel] if channel else sorted(_due(), key=lambda each: len(_marks(each)))
    for each in channels:  # who has most to do waits, so that nobody else does
        work.rank(each)
    return str(work)


def again(channel: Channel) -> None:
    """Have everything of a channel folded again, and take away what nothing stands behind."""
    with transaction.atomic(), connection.cursor() as cursor:
        lock_channels(cursor, [channel.pk])
        hold(cursor, [channel.pk])
        for statement in SWEEP:
            cursor.execute(statement, {"channel": channel.pk})
        streaks.forget(channel)
        ChannelDay.objects.filter(channel=channel).update(ranked=0)


def fold_lost_uses(cursor: CursorWrapper, channel: int) -> None:
    """Fold the uses named in the table `lost` (viewer_id, emote_id): of them no day may tell any more.

    The channel is held: see `hold`.
    """
    for statement in FOLD_LOST_USES:
        cursor.execute(statement, {"channel": channel, "first": date.min})


class _Work:
    """What one run has done."""

    def __init__(self, enough_s: float, show: Callable[[int, int], None]) -> None:
        self.began, self.enough_s, self.show = time.monotonic(), enough_s, show
        self.did: Counter[str] = Counter()

    def is_enough(self) -> bool:
        return self.left(self.enough_s) < 0

    def left_to_award(self) -> float:
        """Seconds for asking everybody: as long as for folding, and after it."""
        return self.left(2 * self.enough_s)

    def left(self, of_s: float) -> float:
        return of_s - (time.monotonic() - self.began)

    def rank(self, channel: Channel) -> None:
        walked = streaks.count(channel, self.is_enough)
        self.did["streams"] += walked.counted
        self.did["streams left"] += not walked.is_done
        marks = _marks(channel)
        if marks:
            self.did["channels"] += 1
            self._fold_days(channel, marks)
        self._award(channel, set())  # what rules that are new, or many days, left to do

    def _fold_days(self, channel: Channel, marks: Marks) -> None:
        """Fold days, and award who was here on them, before it is noted: whatever ends this, neither is missed.

        After many days, everybody is asked once.
        """
        are_many = len(marks) > MANY_DAYS
        if are_many and not self.is_enough():
            _fold_all_uses(channel)
            awards.again(channel)
        folded = 0
        for days in _months(marks):
            if self.is_enough():
                break
            _fold(channel, days, with_uses=not are_many)
            if not are_many:
                self._award(channel, set(days))
            _note(channel, {day: marks[day] for day in days})
            folded += len(days)
            self.show(folded, len(marks))
        self.did["days"] += folded
        self.did["left"] += len(marks) - folded

    def _award(self, channel: Channel, days: set[date]) -> None:
        self.did["awarded"] += awards.award(channel, days, enough_s=self.left_to_award())

    def __str__(self) -> str:
        did = self.did
        parts = [
            f"{did['days']:,} days of {did['channels']:,} channels folded",
            f"streaks of {did['streams']:,} streams",
        ]
        if did["awarded"]:
            parts.append(f"{did['awarded']:,} levels awarded")
        if did["left"]:
            parts.append(f"{did['left']:,} days left for the next time")
        if did["streams left"]:
            parts.append(f"streaks of {did['streams left']:,} channels not finished yet")
        return "; ".join(parts)


def _due() -> list[Channel]:
    """Channels of which something has changed, or in which a rule of achievements has."""
    days = ChannelDay.objects.exclude(changes=F("ranked")).order_by().values("channel")
    changed = Q(pk__in=days.union(streaks.due().values("channel")))
    return list(Channel.objects.filter(changed | Q(pk__in=awards.due())))


def _marks(channel: Channel) -> Marks:
    """The days that are to be folded, the newest first."""
    days = ChannelDay.objects.filter(channel=channel).exclude(changes=F("ranked"))
    return dict(days.order_by("-day").values_list("day", "changes"))


def _months(days: Iterable[date]) -> Iterator[list[date]]:
    for _, month in groupby(days, key=lambda day: (day.year, day.month)):
        yield list(month)


def _fold(channel: Channel, days: list[date], *, with_uses: bool) -> None:
    """Fold some days of one month."""
    spans = {periods.of(kind, day) for kind in ("month", "week") for day in days}
    year = periods.of("year", days[0]).key
    months = [f"{year}-{month:02}" for month in range(1, 13)]
    values: dict[str, Any] = {"channel": channel.pk, "days": days, "first": min(days)}
    with transaction.atomic(), connection.cursor() as cursor:
        hold(cursor, [channel.pk])
        cursor.execute(WHO, values)
        cursor.execute("ANALYZE folded")  # nobody else does, and Postgres would take it for small
        keys, firsts, ends = zip(*((span.key, span.first, span.end) for span in sorted(spans)), strict=True)
        within = {"from": min(firsts), "until": max(ends)}
        lists = {"keys": list(keys), "firsts": list(firsts), "ends": list(ends)}
        _fold_told(cursor, STAGE_SPANS, {**values, **lists, **within})
        for whole, parts in ((year, months), (periods.ALL, _years(channel, days))):
            _fold_told(cursor, STAGE_PARTS, {**values, "whole": whole, "keys": [whole], "parts": parts})
        for statement in FOLD_USES if with_uses else ():
            cursor.execute(statement, values)
        cursor.execute("DROP TABLE folded")


def _fold_told(cursor: CursorWrapper, stage: str, values: dict[str, Any]) -> None:
    for statement in (stage, *FOLD):
        cursor.execute(statement, values)


def _years(channel: Channel, days: list[date]) -> list[str]:
    """The years of which there is anything."""
    ends = ChannelDay.objects.filter(channel=channel).aggregate(first=Min("day"), last=Max("day"))
    known = [day.year for day in (*ends.values(), *days) if day]
    return [str(year) for year in range(min(known), max(known) + 1)]


def _fold_all_uses(channel: Channel) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        hold(cursor, [channel.pk])
        for statement in FOLD_ALL_USES:
            cursor.execute(statement, {"channel": channel.pk})


def _note(channel: Channel, marks: Marks) -> None:
    """Write down up to which change days are folded. Apart from the fold: writers of the channel wait meanwhile."""
    with transaction.atomic(), connection.cursor() as cursor:
        lock_channels(cursor, [channel.pk])
        cursor.execute(RANKED, {"channel": channel.pk, "days": list(marks), "changes": list(marks.values())})
