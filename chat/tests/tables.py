"""What the tables of the ingest say, without the keys that differ from run to run; and a count of our own."""

from collections import Counter
from typing import Any

from django.db import connection

from chat.models import ChatEvent, Emote, Message, Redemption
from streams.models import Channel

Row = tuple[Any, ...]

NOBODY = ""
"""Who wrote what is anonymous: it counts, but for no viewer."""

CHANNEL = "(SELECT twitch_id FROM streams_channel WHERE id = channel_id)"
EMOTE = "(SELECT provider || ':' || provider_id FROM chat_emote WHERE id = emote_id)"
COUNTS = "messages, emotes, bits, subs, gifts"

COUNTERS = {
    "viewer days": f"SELECT {CHANNEL}, viewer_id, day, {COUNTS}, watch_seconds, points FROM viewers_viewerday",
    "viewer totals": f"""
        SELECT {CHANNEL}, viewer_id, first_seen_at, last_seen_at, {COUNTS}, watch_seconds, points
        FROM viewers_viewertotal
    """,
    "emote uses": f"SELECT {CHANNEL}, viewer_id, {EMOTE}, day, uses FROM chat_emoteusage",
    "emote days": f"SELECT {CHANNEL}, {EMOTE}, day, uses FROM chat_emoteday",
    "minutes": f"SELECT {CHANNEL}, minute, messages, chatters FROM chat_chatminute",
    "channel days": f"SELECT {CHANNEL}, day, chatters, {COUNTS} FROM streams_channelday",
    "channel totals": f"SELECT {CHANNEL}, chatters, last_message_at, {COUNTS} FROM streams_channeltotal",
}

ROWS = {
    "channels": "SELECT twitch_id, login, display_name, is_followed FROM streams_channel",
    "viewers": "SELECT twitch_id, login, display_name, color FROM viewers_viewer",
    "names": "SELECT viewer_id, login, display_name, first_seen_at FROM viewers_viewername",
    "messages": f"""
        SELECT {CHANNEL}, id, viewer_id, sent_at, text, is_action, is_first, is_returning, bits, badges, badge_info,
            notice, reward_id, reply_to_id, reply_to_viewer_id, thread_id, source_id, source_channel_id, removed_at,
            ARRAY(SELECT {EMOTE} FROM unnest(emotes) WITH ORDINALITY AS used (emote_id, place) ORDER BY place)
        FROM chat_message
    """,
    "events": f"""
        SELECT {CHANNEL}, id, viewer_id, kind, occurred_at, text, system_text, amount, recipient_id, bomb_id, params,
            source_channel_id, told_by, same_as
        FROM chat_chatevent
    """,
    "deeds": f"""
        SELECT {CHANNEL}, kind, occurred_at, target_id, target_login, message_id, duration_seconds, moderator_id,
            reason, told_by, (
                SELECT (same.occurred_at, same.told_by) FROM chat_moderationevent same WHERE same.id = deed.same_as_id
            )
        FROM chat_moderationevent deed
    """,
    "rewards": f"SELECT {CHANNEL}, twitch_id, title, cost, prompt, is_automatic, told_at FROM chat_reward",
    "redemptions": f"""
        SELECT {CHANNEL}, id, viewer_id, (SELECT twitch_id FROM chat_reward WHERE id = reward_id), cost, status, text,
            redeemed_at
        FROM chat_redemption
    """,
    "gaps": f"SELECT {CHANNEL}, started_at, ended_at, reason FROM streams_gap",
    "dead letters": "SELECT raw, error FROM chat_deadletter",
}


def counters() -> dict[str, list[Row]]:
    """Every row of every counter."""
    return {name: _rows(query) for name, query in COUNTERS.items()}


def everything() -> dict[str, list[Row]]:
    """Every row that the ingest has written."""
    return {name: _rows(query) for name, query in (ROWS | COUNTERS).items()}


def _rows(query: str) -> list[Row]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return sorted(
            (tuple(bytes(v) if isinstance(v, memoryview) else v for v in row) for row in cursor.fetchall()), key=repr
        )


def channel(login: str = "example") -> Channel:
    return Channel.objects.get(login=login)


def counted_again() -> dict[str, list[Row]]:
    """Every row that counters should have, counted in Python from the stored messages and events."""
    return _Count().rows()


class _Count:
    def __init__(self) -> None:
        self.rooms = dict(Channel.objects.values_list("pk", "twitch_id"))
        self.emotes = {emote.pk: f"{emote.provider}:{emote.provider_id}" for emote in Emote.objects.all()}
        self.of_day: dict[Row, Counter[str]] = {}
        self.seen: dict[Row, list[Any]] = {}
        self.uses: Counter[Row] = Counter()
        self.minute_messages: Counter[Row] = Counter()
        self.minute_chatters: dict[Row, set[str]] = {}
        for message in Message.objects.filter(source_channel_id=""):
            self._add_message(message)
        self._add_events(list(ChatEvent.objects.filter(source_channel_id="").exclude(viewer=None)))
        for spent in Redemption.objects.all():
            points = 0 if spent.status == Redemption.Status.CANCELED else spent.cost
            self._add(self.rooms[spent.channel_id], spent.viewer_id, spent.redeemed_at, points=points)

    def _add(self, room: str | None, viewer: str | None, at: Any, **counts: int) -> None:
        self.of_day.setdefault((room, viewer, at.date()), Counter()).update(counts)
        self.seen.setdefault((room, viewer), []).append(at)

    def _add_message(self, message: Message) -> None:
        room, at = self.rooms[message.channel_id], message.sent_at
        self._add(room, message.viewer_id, at, messages=1, emotes=len(message.emotes), bits=message.bits)
        minute = (room, at.replace(second=0, microsecond=0))
        self.minute_messages[minute] += 1
        self.minute_chatters.setdefault(minute, set()).update({message.viewer_id} - {NOBODY})
        for emote in message.emotes:
            self.uses[room, message.viewer_id, self.emotes[emote], at.date()] += 1

    def _add_events(self, events: list[ChatEvent]) -> None:
        bombs: dict[str, list[ChatEvent]] = {}
        for event in events:
            room, viewer = self.rooms[event.channel_id], event.viewer_id
            if event.kind in ("sub", "resub"):
                self._add(room, viewer, event.occurred_at, subs=int(not event.same_as))
            if event.told_by in ("channel.cheer", "channel.bits.use"):
                self._add(room, viewer, event.occurred_at, bits=0 if event.same_as else event.amount)
            if event.kind in ("subgift", "submysterygift"):
                self._add(room, viewer, event.occurred_at)
                bombs.setdefault(event.bomb_id, []).append(event)
        for parts in bombs.values():
            first = min(parts, key=lambda part: part.occurred_at)
            told = [part.amount for part in parts if part.kind == "submysterygift"]
            number = max(told) if told else len(parts)
            self._add(self.rooms[first.channel_id], first.viewer_id, first.occurred_at, gifts=number)

    def rows(self) -> dict[str, list[Row]]:
        viewer_totals = self._summed(lambda key: key[:2])
        found = {
            "viewer days": [
                (*key, *_five(counts), 0, counts["points"]) for key, counts in self.of_day.items() if key[1] != NOBODY
            ],
            "viewer totals": [
                (*key, min(self.seen[key]), max(self.seen[key]), *_five(counts), 0, counts["points"])
                for key, counts in viewer_totals.items()
                if key[1] != NOBODY
            ],
            "emote uses": [(*key, uses) for key, uses in self.uses.items() if key[1] != NOBODY],
            "emote days": [(*key, uses) for key, uses in self._emote_days().items()],
            "minutes": [(*key, number, len(self.minute_chatters[key])) for key, number in self.minute_messages.items()],
            "channel days": [
                (*key, self._chatters(self.of_day, key, 0, 2), *_five(counts))
                for key, counts in self._summed(lambda key: (key[0], key[2])).items()
            ],
            "channel totals": [
                (*key, self._chatters(viewer_totals, key, 0), self._last_of(key[0]), *_five(counts))
                for key, counts in self._summed(lambda key: key[:1]).items()
            ],
        }
        return {name: sorted(rows, key=repr) for name, rows in found.items()}

    def _summed(self, group: Any) -> dict[Row, Counter[str]]:
        summed: dict[Row, Counter[str]] = {}
        for key, counts in self.of_day.items():
            summed.setdefault(group(key), Counter()).update(counts)
        return summed

    def _emote_days(self) -> Counter[Row]:
        days: Counter[Row] = Counter()
        for (room, _, emote, day), uses in self.uses.items():
            days[room, emote, day] += uses
        return days

    def _chatters(self, counted: dict[Row, Counter[str]], group: Row, *places: int) -> int:
        return sum(
            counts["messages"] > 0
            for key, counts in counted.items()
            if tuple(key[place] for place in places) == group and key[1] != NOBODY
        )

    def _last_of(self, room: str) -> Any:
        return max(max(times) for (seen_in, _), times in self.seen.items() if seen_in == room)


def _five(counts: Counter[str]) -> Row:
    return tuple(counts[name] for name in ("messages", "emotes", "bits", "subs", "gifts"))
