"""What happened beside messages, stored inside a batch's transaction: announcements, points, and times on air.

What chat and EventSub both tell is counted once: rows go in as they were told, then what stands for a fact is decided
from all that was told around it, and the counters follow the difference.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import NamedTuple

from django.db.backends.utils import CursorWrapper

from chat.ingest import factstatements, notices
from chat.ingest.batch import Batch
from chat.ingest.events import UserNotice
from chat.ingest.eventsub_events import ChannelChanged, Notification, Redeemed, StreamOffline, StreamOnline, Told
from chat.ingest.notices import BOMB, MEMBER
from chat.ingest.onefact import (
    ANONYMOUS_CHEERER,
    BITS_KINDS,
    BITS_WITHIN_MS,
    KINDS,
    REACH_MS,
    WITHIN_MS,
    Cheer,
    Count,
    Telling,
    counts,
    decide,
)
from chat.ingest.rooms import Rooms
from chat.ingest.rows import columns, moment, ms_of
from streams import broadcasts
from streams.models import Channel
from viewers import presence

Signed = tuple[int, Count]


class Seed(NamedTuple):
    """Something new, around which it has to be decided again what is the same."""

    channel: int
    viewer: str
    recipient: str
    ms: int


Whose = tuple[str, int, str]
"""Whose tellings can be the same: "viewer", "nobody" or "recipient"; of which channel; and who."""
Spans = Mapping[Whose, Sequence[tuple[int, int]]]
"""When something new was told: from, to, in milliseconds."""


class Facts:
    """What one batch tells beside messages and deeds."""

    def __init__(self, cursor: CursorWrapper, rooms: Rooms, batch: Batch) -> None:
        self.cursor = cursor
        self.rooms = rooms
        self.batch = batch
        self._lowered: list[tuple[object, ...]] = []

    def store(self, *, has_cheers: bool) -> None:
        """Write down what was told, and stage what it counts for; `has_cheers` if messages of the batch carry bits."""
        seen: list[Count] = []
        changes = [*self._announce(seen, has_cheers=has_cheers), *self._redeem(seen)]
        raised = [_row(count, ms_of(count.at)) for count in seen]
        for day, count in _net(changes):
            numbers = count[3:]
            if any(number > 0 for number in numbers):
                raised.append((*count[:2], ms_of(count.at), *(max(number, 0) for number in numbers)))
            if any(number < 0 for number in numbers):
                self._lowered.append((*count[:2], day, *(max(-number, 0) for number in numbers)))
        if raised:
            self.cursor.execute(factstatements.TALLY_FACTS, columns(raised))

    def lower(self) -> None:
        """Take back what was counted and is not any more: after everything else was added."""
        if self._lowered:
            self.cursor.execute(factstatements.LOWER_COUNTERS, columns(self._lowered))

    # Announcements

    def _announce(self, seen: list[Count], *, has_cheers: bool) -> list[Signed]:
        """Store announcements; return what they change, and add who was seen."""
        rows = [self._notice_row(notice) for notice in self.batch.notices.values()]
        rows += [self._told_row(told, told.fact) for told in self.batch.told if isinstance(told.fact, Told)]
        fresh: set[str] = set()
        if rows:
            self.cursor.execute(factstatements.INSERT_EVENTS, columns(rows))
            fresh = {event_id for (event_id,) in self.cursor.fetchall()}
        spans = _spans(self._seeds(fresh) | (self._cheered() if has_cheers else set()))
        related = self._related(spans)
        if not any(telling.told_by or telling.id in fresh for telling in related):
            return []
        decided = decide(related, self._cheers(related), lambda telling: _is_near(telling, spans))
        if changed := [new for new, old in zip(decided, related, strict=True) if new != old]:
            marks = [
                (telling.id, telling.same_as, telling.bomb, telling.text, telling.amount, telling.borrowed)
                for telling in changed
            ]
            self.cursor.execute(factstatements.MARK_EVENTS, columns(marks))
        new = [telling for telling in decided if telling.id in fresh]
        # What only says the same once more, and a part of a gift, show their viewer all the same.
        seen += [Count(told.channel, told.viewer, told.at) for told in new if told.viewer and _is_counted(told)]
        before = counts(telling for telling in related if telling.id not in fresh)
        return [(-1, count) for count in before] + [(1, count) for count in counts(decided)]

    def _notice_row(self, notice: UserNotice) -> tuple[object, ...]:
        return (
            notice.id,
            self.rooms.key(notice.room_id),
            notices.viewer_of(notice),
            notice.kind,
            notice.sent_ms,
            notice.text,
            notice.system_text,
            notices.amount_of(notice),
            notice.params.get("recipient-id", ""),
            notices.bomb_of(notice),
            json.dumps(dict(notice.params)),
            notice.source_room_id,
            "",
        )

    def _told_row(self, told: Notification, fact: Told) -> tuple[object, ...]:
        return (
            fact.id,
            self.rooms.key(told.room_id),
            fact.viewer_id,
            fact.kind,
            fact.at_ms,
            fact.text,
            "",
            fact.amount,
            fact.recipient_id,
            fact.id if fact.kind == BOMB else "",
            json.dumps(dict(fact.params)),
            "",
            told.type,
        )

    def _seeds(self, fresh: set[str]) -> set[Seed]:
        seeds = {
            Seed(
                self.rooms.key(notice.room_id),
                notices.viewer_of(notice),
                notice.params.get("recipient-id", ""),
                notice.sent_ms,
            )
            for notice in self.batch.notices.values()
            if notice.id in fresh and notice.kind in KINDS and not notice.source_room_id
        }
        for told in self.batch.told:
            fact = told.fact
            if isinstance(fact, Told) and fact.id in fresh and fact.kind in KINDS:
                seeds.add(Seed(self.rooms.key(told.room_id), fact.viewer_id, fact.recipient_id, fact.at_ms))
        return seeds

    def _cheered(self) -> set[Seed]:
        self.cursor.execute(factstatements.CHEERS)
        return {
            Seed(channel, "" if viewer == ANONYMOUS_CHEERER else viewer, "", sent_ms)
            for channel, viewer, sent_ms in self.cursor.fetchall()
        }

    def _related(self, spans: Spans) -> list[Telling]:
        """Everything that can have a say in what was told then."""
        if not spans:
            return []
        whose, channels, who, from_ms, to_ms = columns((*of, *span) for of, found in spans.items() for span in found)
        self.cursor.execute(
            factstatements.RELATED_EVENTS,
            {
                "whose": whose,
                "channels": channels,
                "who": who,
                "from_ms": from_ms,
                "to_ms": to_ms,
                "within": WITHIN_MS / 1000,
                "reach": REACH_MS,
                "kinds": sorted(KINDS),
            },
        )
        return [Telling(*row) for row in self.cursor.fetchall()]

    def _cheers(self, related: Iterable[Telling]) -> list[Cheer]:
        """The messages that these tellings of bits could be about."""
        spans = [
            (told.channel, told.viewer or ANONYMOUS_CHEERER, told.ms - BITS_WITHIN_MS, told.ms + BITS_WITHIN_MS)
            for told in related
            if told.told_by and told.kind in BITS_KINDS
        ]
        if not spans:
            return []
        self.cursor.execute(factstatements.RELATED_CHEERS, columns(spans))
        return [Cheer(*row) for row in self.cursor.fetchall()]

    # Points

    def _redeem(self, seen: list[Count]) -> list[Signed]:
        """Store what points were spent on; return what it changes, and add who was seen."""
        redeemed = [(told, told.fact) for told in self.batch.told if isinstance(told.fact, Redeemed)]
        if not redeemed:
            return []
        rewards: dict[tuple[int, str], tuple[object, ...]] = {}
        redemptions: dict[str, tuple[int, tuple[object, ...]]] = {}
        for told, fact in sorted(redeemed, key=lambda each: (each[0].sent_ms, each[1])):
            channel, is_settled = self.rooms.key(told.room_id), factstatements.STATUSES.index(fact.status)
            rewards[channel, fact.reward_id] = (fact.title, fact.cost, fact.prompt, fact.is_automatic, told.sent_ms)
            known = redemptions.get(fact.id)
            if known is None or is_settled > known[0]:
                redemptions[fact.id] = (is_settled, _redemption_row(channel, fact))
        self.cursor.execute(factstatements.UPSERT_REWARDS, columns((*key, *told) for key, told in rewards.items()))
        self.cursor.execute(factstatements.UPSERT_REDEMPTIONS, columns(row for _, row in redemptions.values()))
        changes: list[Signed] = []
        for channel, viewer, at, before, after in self.cursor.fetchall():
            seen.append(Count(channel, viewer, at))
            changes += [
                (-1, Count(channel, viewer, at, points=before)),
                (1, Count(channel, viewer, at, points=after)),
            ]
        return changes

    # Streams

    def tell_streams(self) -> None:
        """Pass on what was told of when channels were on air, and end the view sessions that this ends."""
        told = [(self.rooms.key(each.room_id), each) for each in self.batch.told if _is_of_stream(each)]
        if not told:
            return
        channels = Channel.objects.in_bulk({key for key, _ in told})
        in_order = sorted(told, key=lambda each: each[1].sent_ms)
        for key, notification in in_order:
            _tell_stream(channels[key], notification)
        on_air = [each for each in in_order if isinstance(each[1].fact, StreamOnline | StreamOffline)]
        if on_air:  # a title, which may be changed all day, ends nobody's session
            presence.settle({key for key, _ in on_air}, moment(on_air[0][1].sent_ms))


def _spans(seeds: Iterable[Seed]) -> Spans:
    """Put together what lies near each other anyway: a gift may have a thousand parts."""
    moments: dict[Whose, set[int]] = defaultdict(set)
    for seed in seeds:
        moments["viewer" if seed.viewer else "nobody", seed.channel, seed.viewer].add(seed.ms)
        if seed.recipient:
            moments["recipient", seed.channel, seed.recipient].add(seed.ms)
    spans: dict[Whose, list[tuple[int, int]]] = defaultdict(list)
    for of, found in moments.items():
        for ms in sorted(found):
            if spans[of] and ms - spans[of][-1][1] <= WITHIN_MS:
                spans[of][-1] = (spans[of][-1][0], ms)
            else:
                spans[of].append((ms, ms))
    return spans


def _is_near(telling: Telling, spans: Spans) -> bool:
    """Whether everything that could be the same is within reach too."""
    if telling.kind == MEMBER:
        of = "recipient", telling.channel, telling.recipient
    else:
        of = "viewer" if telling.viewer else "nobody", telling.channel, telling.viewer
    margin = REACH_MS - WITHIN_MS
    return any(first - margin <= telling.ms <= last + margin for first, last in spans.get(of, ()))


def _row(count: Count, ms: int) -> tuple[object, ...]:
    return (*count[:2], ms, *count[3:])


def _net(changes: Sequence[Signed]) -> list[tuple[date, Count]]:
    """What changes for each viewer and day, without what does not."""
    sums: dict[tuple[int, str, date], Count] = {}
    for sign, count in changes:
        key = count.channel, count.viewer, count.day
        known = sums.get(key, Count(count.channel, count.viewer, count.at))
        numbers = [before + sign * number for before, number in zip(known[3:], count[3:], strict=True)]
        sums[key] = Count(count.channel, count.viewer, min(known.at, count.at), *numbers)
    return [(day, count) for (_, _, day), count in sums.items() if any(count[3:])]


def _is_counted(telling: Telling) -> bool:
    return telling.kind in notices.COUNTED or (bool(telling.told_by) and telling.kind in BITS_KINDS)


def _redemption_row(channel: int, fact: Redeemed) -> tuple[object, ...]:
    return (
        fact.id,
        channel,
        fact.viewer_id,
        fact.reward_id,
        fact.cost,
        fact.status,
        fact.text,
        fact.redeemed_ms,
    )


def _is_of_stream(told: Notification) -> bool:
    return isinstance(told.fact, StreamOnline | StreamOffline | ChannelChanged)


def _tell_stream(channel: Channel, told: Notification) -> None:
    at = moment(told.sent_ms)
    match told.fact:
        case StreamOnline(stream_id=stream_id, started_ms=started_ms):
            broadcasts.went_online(channel, stream_id, moment(started_ms), at)
        case StreamOffline():
            broadcasts.went_offline(channel, at)
        case ChannelChanged(title=title, category_id=category_id, category=category):
            broadcasts.changed(channel, at, title, category_id, category)
