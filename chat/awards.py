"""Awards achievements, and tells what a viewer has and what comes next.

What was earned stays, also where what it rests on is corrected later: nobody is told that they no longer have it. Only
a rule that is changed is taken back and awarded anew. Nothing is awarded to bots, nor to who wants nothing more to be
kept of them.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import Exists
from django.utils import timezone

from chat.achievements import ACHIEVEMENTS, BY_KEY, Achievement
from chat.folds import hold
from chat.measures import SCAN_OF, SCANS, Measure, Scan
from streams.models import Channel
from viewers.models import Award, AwardRule, Profile, Viewer

ENOUGH_S = 200.0
"""How long one run applies new rules to everybody before it leaves the rest for the next."""
PARTS = 64
"""Viewers are asked for in parts, by a hash of their ids."""
AT_ONCE = 20_000
"""Viewers in one transaction; as long, nobody is erased from the channel."""
MANY = 50_000
"""Where more viewers changed, all rules are applied to everybody, for that can be done in several runs."""
COUNTED_EVERY = timedelta(hours=1)
NEXT = 6

# Whom to award: nobody without an account here, for what became anonymous is nobody's.
_MAY_BE_AWARDED = "NOT viewer.is_bot AND viewer.stopped_at IS NULL"
CHANGED = f"""
SELECT DISTINCT viewer_id FROM viewers_viewerday JOIN viewers_viewer viewer ON twitch_id = viewer_id
WHERE channel_id = %s AND day = ANY(%s) AND {_MAY_BE_AWARDED} LIMIT {MANY + 1}
"""
CHOOSE = f"""
CREATE TEMP TABLE chosen ON COMMIT DROP AS
SELECT twitch_id AS viewer_id FROM viewers_viewer viewer WHERE twitch_id = ANY(%(viewers)s) AND {_MAY_BE_AWARDED}
"""
CHOOSE_PARTS = f"""
CREATE TEMP TABLE chosen ON COMMIT DROP AS
SELECT viewer_id FROM viewers_viewertotal total JOIN viewers_viewer viewer ON twitch_id = viewer_id
WHERE channel_id = %(channel)s AND {_MAY_BE_AWARDED}
    AND hashtext(viewer_id) & {PARTS - 1} >= %(first)s AND hashtext(viewer_id) & {PARTS - 1} < %(past)s
"""

# What they have already.
HOLD_AGAINST = """
CREATE TEMP TABLE held ON COMMIT DROP AS
SELECT viewer_id, achievement, level FROM chosen JOIN viewers_award USING (viewer_id) WHERE channel_id = %(channel)s
"""

# {facts}: viewer_id, stream_id, times, and each measure with what it was before the fact. {told}: one row for each
# achievement. A level is earned with the first fact that takes the measure there.
AWARD = """
INSERT INTO viewers_award (channel_id, viewer_id, achievement, level, earned_at, value, stream_id)
SELECT %(channel)s, viewer_id, achievement, level,
    CASE WHEN since IS NULL THEN told.at ELSE since + make_interval(secs => wanted) END,
    CASE WHEN is_jump THEN reached ELSE wanted END, stream_id
FROM ({facts}) facts
JOIN LATERAL (VALUES {told}) AS told (achievement, reached, before, levels, at, since, is_jump) ON {is_of_use}
CROSS JOIN LATERAL unnest(levels) WITH ORDINALITY AS level (wanted, level)
WHERE reached > before AND reached >= levels[1] AND wanted > before AND wanted <= reached AND NOT EXISTS (
    SELECT FROM held WHERE held.viewer_id = facts.viewer_id AND held.achievement = told.achievement
        AND held.level = level.level
)
ORDER BY viewer_id, achievement, level, told.at
ON CONFLICT (channel_id, viewer_id, achievement, level) DO NOTHING
"""
FACTS = """
SELECT viewer_id, stream_id, {columns} FROM ({rows}) counted WINDOW past AS (PARTITION BY viewer_id ORDER BY at, tie)
"""

# The highest levels one viewer has, and where they stand in every measure, in one question.
HIGHEST = """
(SELECT DISTINCT ON (achievement) achievement, level, earned_at, value, stream.id, stream.title
FROM viewers_award award JOIN chosen USING (viewer_id) LEFT JOIN streams_stream stream ON stream.id = award.stream_id
WHERE award.channel_id = %(channel)s {when} ORDER BY achievement, level DESC)
"""
THEN = "AND earned_at >= %(start)s AND earned_at < %(end)s"
PRESENT = """
SELECT measure, NULL, NULL, coalesce(reached, 0), NULL, NULL FROM (SELECT {highest} FROM ({rows}) counted) facts
CROSS JOIN LATERAL (VALUES {told}) AS told (measure, reached)
"""
ONE_VIEWER = 'WITH chosen AS (SELECT %(viewer)s::varchar COLLATE "C" AS viewer_id) '

HOLDERS = """
SELECT achievement, level, count(*) FROM viewers_award JOIN viewers_viewer ON twitch_id = viewer_id
WHERE channel_id = %s AND NOT is_bot AND NOT EXISTS (
    SELECT FROM viewers_profile page
    WHERE page.channel_id = viewers_award.channel_id AND page.viewer_id = twitch_id AND page.is_bot
) GROUP BY 1, 2
"""


# Awarding


def award(channel: Channel, days: set[date] | None, *, enough_s: float = ENOUGH_S) -> int:
    """Award what was earned by whoever was here on these days, or by everybody; return how many levels that were.

    Rules that are new or changed are applied to everybody: after `enough_s` seconds the rest is left for the next run.
    Running it twice does no harm.
    """
    run = _Run(channel)
    changed = run.changed(days) if days else []
    run.look_at_rules(for_everybody=days is None or len(changed) > MANY)
    if len(changed) <= MANY:
        run.award_to(changed)
    run.apply_rules(enough_s)
    run.count_holders()
    return run.awarded


def again(channel: Channel) -> None:
    """Have all rules applied to everybody again, by the runs that follow."""
    AwardRule.objects.filter(channel=channel).update(applied_at=None, parts_done=0)


def due() -> list[int]:
    """Channels in which some rule was not applied to everybody yet, as it is now."""
    applied: dict[int, set[tuple[str, str]]] = {
        channel: set() for channel in Channel.objects.values_list("pk", flat=True)
    }
    rules = AwardRule.objects.filter(applied_at__isnull=False).values_list("channel", "achievement", "version")
    for channel, achievement, version in rules:
        applied[channel].add((achievement, version))
    wanted = {(each.key, each.version) for each in ACHIEVEMENTS}
    return [channel for channel, known in applied.items() if known != wanted]


class _Run:
    """One run in one channel."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.began = time.monotonic()
        self.awarded = 0

    def changed(self, days: set[date]) -> list[str]:
        """Who was here on these days; more than MANY where it is more than are asked for one by one."""
        with connection.cursor() as cursor:
            cursor.execute(CHANGED, [self.channel.pk, sorted(days)])
            return sorted(viewer for (viewer,) in cursor.fetchall())

    def look_at_rules(self, *, for_everybody: bool) -> None:
        """Note which rules are to be applied to everybody, and take back what others said before."""
        with self._held():
            known = {rule.achievement: rule for rule in AwardRule.objects.filter(channel=self.channel)}
            versions = {each.key: each.version for each in ACHIEVEMENTS}
            changed = [key for key, rule in known.items() if rule.version != versions.get(key)]
            Award.objects.filter(channel=self.channel, achievement__in=changed, viewer__stopped_at=None).delete()
            AwardRule.objects.filter(channel=self.channel, achievement__in=changed).delete()
            new = [key for key in versions if key not in known or key in changed]
            AwardRule.objects.bulk_create(
                AwardRule(channel=self.channel, achievement=key, version=versions[key]) for key in new
            )
            if for_everybody:
                again(self.channel)

    def award_to(self, viewers: list[str]) -> None:
        for first in range(0, len(viewers), AT_ONCE):
            some = viewers[first : first + AT_ONCE]
            with self._held() as cursor:
                self._award(cursor, CHOOSE, {"viewers": some}, ACHIEVEMENTS)

    def apply_rules(self, enough_s: float) -> None:
        """Apply to everybody what has not been yet, some parts of the viewers after the other."""
        step = 0
        while rules := self._unfinished():
            if time.monotonic() - self.began > enough_s:
                return
            step = step or self._parts_at_once()
            first = min(rule.parts_done for rule in rules)
            past = min(first + step, PARTS)
            with self._held() as cursor:
                due = [BY_KEY[rule.achievement] for rule in rules]
                self._award(cursor, CHOOSE_PARTS, {"first": first, "past": past}, due)
                done = {"applied_at": timezone.now(), "parts_done": 0} if past == PARTS else {"parts_done": past}
                AwardRule.objects.filter(pk__in=[rule.pk for rule in rules]).update(**done, counted_at=None)

    def count_holders(self) -> None:
        """Write down how many have each level, unless that was done lately."""
        rules = list(AwardRule.objects.filter(channel=self.channel))
        now = timezone.now()
        if all(rule.counted_at and rule.counted_at > now - COUNTED_EVERY for rule in rules):
            return
        holders: dict[str, dict[str, int]] = {rule.achievement: {} for rule in rules}
        with connection.cursor() as cursor:
            cursor.execute(HOLDERS, [self.channel.pk])
            for achievement, level, number in cursor.fetchall():
                holders.get(achievement, {})[str(level)] = number
        for rule in rules:
            rule.holders, rule.counted_at = holders[rule.achievement], now
        AwardRule.objects.bulk_update(rules, ["holders", "counted_at"])

    def _award(
        self, cursor: CursorWrapper, choose: str, whom: dict[str, Any], achievements: Iterable[Achievement]
    ) -> None:
        values = {"channel": self.channel.pk, **whom}
        cursor.execute(choose, values)
        cursor.execute(HOLD_AGAINST, values)
        cursor.execute("ANALYZE chosen, held")  # nobody else does, and Postgres would take them for small
        for scan in SCANS:
            of_scan = tuple(each for each in achievements if SCAN_OF[each.measure] is scan)
            if of_scan:
                cursor.execute(_awarding(scan, of_scan), values)
                self.awarded += cursor.rowcount
        cursor.execute("DROP TABLE chosen, held")

    def _parts_at_once(self) -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM viewers_viewertotal WHERE channel_id = %s", [self.channel.pk])
            viewers: int = cursor.fetchone()[0]
        return max(1, min(PARTS, AT_ONCE * PARTS // max(viewers, 1)))

    def _unfinished(self) -> list[AwardRule]:
        return list(AwardRule.objects.filter(channel=self.channel, applied_at=None))

    @contextmanager
    def _held(self) -> Iterator[CursorWrapper]:
        """A transaction in which nobody is erased from the channel: what goes cannot come back."""
        with transaction.atomic(), connection.cursor() as cursor:
            hold(cursor, [self.channel.pk])
            yield cursor


@cache
def _awarding(scan: Scan, achievements: tuple[Achievement, ...]) -> str:
    """The statement that awards these achievements, whose measures the scan has."""
    measures = {each.measure: scan.measures[each.measure] for each in achievements}
    times = sorted({time for measure in measures.values() for time in (measure.at, measure.since) if time})
    columns = [*times, *(_so_far(name, measure) for name, measure in measures.items())]
    told = ", ".join(_told(each, measures[each.measure]) for each in achievements)
    facts = FACTS.format(columns=", ".join(columns), rows=scan.rows)
    return AWARD.format(facts=facts, told=told, is_of_use=" OR ".join(map(_reaches_one, achievements)))


def _reaches_one(achievement: Achievement) -> str:
    """Whether a fact reaches a level: most reach none of any achievement, and need not be looked at further."""
    name, levels = achievement.measure, ", ".join(map(str, achievement.levels))
    reached, before = (f"width_bucket({name}_{which}, ARRAY[{levels}]::bigint[])" for which in ("reached", "before"))
    return f"({name}_reached > {name}_before AND {reached} > {before})"


def _so_far(name: str, measure: Measure) -> str:
    """Two columns: where a measure is after a fact, and where it was before."""
    if measure.is_peak:
        after = f"max({name}) OVER (past ROWS UNBOUNDED PRECEDING)"
        before = f"max({name}) OVER (past ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)"
    else:
        after = f"sum({name}) OVER (past ROWS UNBOUNDED PRECEDING)"
        before = f"{after} - {name}"
    return f"{after}::bigint AS {name}_reached, coalesce({before}, 0)::bigint AS {name}_before"


def _told(achievement: Achievement, measure: Measure) -> str:
    name, levels = achievement.measure, ", ".join(map(str, achievement.levels))
    since = measure.since or "NULL::timestamptz"
    return (
        f"('{achievement.key}', {name}_reached, {name}_before, ARRAY[{levels}]::bigint[],"
        f" {measure.at}, {since}, {measure.is_jump})"
    )


# Telling


class Where(NamedTuple):
    """The stream in which something was earned."""

    pk: str
    title: str


class Earned(NamedTuple):
    """The highest level somebody has of an achievement; `value` is what was reached."""

    achievement: Achievement
    level: int
    earned_at: datetime
    value: int
    stream: Where | None

    @property
    def why(self) -> str:
        return self.achievement.told(self.level)

    @property
    def is_highest(self) -> bool:
        return self.level >= len(self.achievement.levels)

    @property
    def amount(self) -> str:
        """What was reached, where that is more than the level asks for."""
        levels = self.achievement.levels
        wanted = levels[min(self.level, len(levels)) - 1]
        return self.achievement.amount(self.value) if self.value > wanted else ""

    @property
    def is_of_a_day(self) -> bool:
        """Whether no more is known of the moment than its UTC day."""
        return self.achievement.is_of_a_day


class Coming(NamedTuple):
    """A level somebody is on the way to."""

    achievement: Achievement
    level: int
    value: int

    @property
    def threshold(self) -> int:
        return self.achievement.levels[self.level - 1]

    @property
    def share(self) -> int:
        """Percent of the way."""
        return min(100, 100 * self.value // self.threshold)

    @property
    def why(self) -> str:
        return self.achievement.told(self.level)

    @property
    def reached(self) -> str:
        return self.achievement.amount(min(self.value, self.threshold))


class Cabinet(NamedTuple):
    """What somebody has, the latest first, and what is nearest, the nearest first."""

    earned: list[Earned]
    coming: list[Coming]


NONE = Cabinet([], [])


def levels_of(channel: Channel, viewer: Viewer) -> dict[str, int]:
    """The highest level a viewer has, by achievement; nothing for bots."""
    if viewer.is_bot:
        return {}
    here = Profile.objects.filter(channel=channel, viewer=viewer, is_bot=True)
    rows = Award.objects.filter(~Exists(here), channel=channel, viewer=viewer, achievement__in=BY_KEY).order_by("level")
    return dict(rows.values_list("achievement", "level"))


def of_viewer(channel: Channel, viewer: Viewer) -> Cabinet:
    """What a viewer earned in a channel, and what comes next, in one query; nothing at all for bots."""
    if viewer.is_bot:
        return NONE
    rows = _asked(_of_one(), {"channel": channel.pk, "viewer": viewer.pk})
    earned = _earned(row for row in rows if row[1] is not None)
    standing = {key: value for key, level, _, value, *_ in rows if level is None}
    return Cabinet(earned, _coming({each.achievement.key: each.level for each in earned}, standing))


def earned_in(channel: Channel, viewer: Viewer, start: datetime, end: datetime) -> Cabinet:
    """What a viewer earned in [start, end), of each achievement the highest level; nothing for bots."""
    if viewer.is_bot:
        return NONE
    values = {"channel": channel.pk, "viewer": viewer.pk, "start": start, "end": end}
    return Cabinet(_earned(_asked(ONE_VIEWER + HIGHEST.format(when=THEN), values)), [])


def _asked(question: str, values: dict[str, Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(question, values)
        return list(cursor.fetchall())


def _earned(rows: Iterable[Any]) -> list[Earned]:
    """The latest first. What rules are no longer there gave is left out."""
    earned = [
        Earned(BY_KEY[key], level, earned_at, value, Where(stream_id, title) if stream_id else None)
        for key, level, earned_at, value, stream_id, title in rows
        if key in BY_KEY
    ]
    return sorted(earned, key=lambda each: (each.earned_at, each.achievement.key), reverse=True)


def _coming(levels: dict[str, int], standing: dict[str, int]) -> list[Coming]:
    """The next level of what somebody has begun."""
    begun = [
        Coming(each, levels.get(each.key, 0) + 1, standing[each.measure])
        for each in ACHIEVEMENTS
        if levels.get(each.key, 0) < len(each.levels) and standing[each.measure] > 0
    ]
    return sorted(begun, key=lambda each: -each.share)[:NEXT]


@cache
def _of_one() -> str:
    arms = [HIGHEST.format(when="")]
    for scan in SCANS:
        of = {name: "max" if measure.is_peak else "sum" for name, measure in scan.measures.items()}
        highest = ", ".join(f"{function}({name})::bigint AS {name}" for name, function in of.items())
        told = ", ".join(f"('{name}', {name})" for name in of)
        arms.append(PRESENT.format(highest=highest, rows=scan.present or scan.rows, told=told))
    return ONE_VIEWER + " UNION ALL ".join(arms)
