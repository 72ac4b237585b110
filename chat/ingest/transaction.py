"""One batch inside one database transaction: rows, then what they remove, then what they count for."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from operator import itemgetter
from typing import Any, NamedTuple

from django.db.backends.utils import CursorWrapper

from chat.ingest import notices, statements
from chat.ingest.batch import Batch, Dead, Moderation
from chat.ingest.events import ChatCleared, ChatMessage, MessageDeleted, UserNotice, ViewerCleared
from chat.ingest.notices import Gift, Giver, gifts_of
from chat.ingest.rooms import Rooms
from chat.models import ChatEvent
from chat.models.emote import picture
from streams.locks import lock_channels
from streams.models import Channel

Rows = list[tuple[Any, ...]]

TOP = 10


@dataclass(frozen=True, slots=True)
class Counted:
    """A row of a channel's counters."""

    messages: int
    chatters: int = 0
    emotes: int = 0


class EmoteUse(NamedTuple):
    name: str
    provider: str
    url: str
    uses: int


@dataclass(slots=True)
class ChannelNow:
    """How a channel stands after a batch: all time, its latest day and minute, and what the batch added."""

    total: Counted
    day: tuple[date, Counted] | None = None
    minute: tuple[datetime, Counted] | None = None
    new: Counted = Counted(0)
    emotes: list[EmoteUse] = field(default_factory=list)

    def after(self, before: "ChannelNow") -> "ChannelNow":
        """The same, with what an earlier part of the batch added."""
        uses: Counter[tuple[str, str, str]] = Counter()
        for emote in (*before.emotes, *self.emotes):
            uses[emote[:3]] += emote.uses
        return ChannelNow(
            total=self.total,
            day=max(filter(None, (before.day, self.day)), key=itemgetter(0), default=None),
            minute=max(filter(None, (before.minute, self.minute)), key=itemgetter(0), default=None),
            new=Counted(before.new.messages + self.new.messages, emotes=before.new.emotes + self.new.emotes),
            emotes=[EmoteUse(*emote, number) for emote, number in uses.most_common(TOP)],
        )


@dataclass(slots=True)
class Stored:
    """What a batch changed, for the live feed and the log."""

    lines: int = 0
    messages: int = 0
    dead: int = 0
    expired: int = 0
    channels: dict[int, ChannelNow] = field(default_factory=dict)

    def add(self, later: "Stored") -> None:
        """Take in what the following lines of the same batch changed."""
        self.lines += later.lines
        self.messages += later.messages
        self.dead += later.dead
        self.expired += later.expired
        for channel, now in later.channels.items():
            before = self.channels.get(channel)
            self.channels[channel] = now.after(before) if before else now


class Transaction:
    """Writes one batch. The steps of `run` stand in its order; none of them looks at a single row."""

    def __init__(
        self, cursor: CursorWrapper, rooms: Rooms, batch: Batch, emotes: dict[tuple[str, str], list[int]]
    ) -> None:
        self.cursor = cursor
        self.rooms = rooms
        self.batch = batch
        self.emotes = emotes
        self.dead = list(batch.dead)
        self.by_login: dict[str, int] = {}

    def run(self) -> Stored:
        batch, stored = self.batch, Stored()
        self.by_login = self._channels_by_login()
        self._lock_channels()
        if batch.messages or batch.notices:
            batch, stored.expired = self._leave_out_expired()
        is_late = False
        if batch.messages or batch.notices:
            self.cursor.execute(statements.STAGE)
            self._stage()
            self._name_viewers()
        if batch.messages:
            stored.messages = self._insert_messages()
            is_late = self._any_later_deed()
            self.cursor.execute(statements.TALLY_MESSAGES)
        if batch.notices:
            self._insert_notices()
        if batch.moderation and (deeds := self._insert_deeds()):
            self.cursor.execute(statements.REMOVE_REACHED, {"deeds": deeds})
        if is_late:
            self.cursor.execute(statements.REMOVE_LATE)
        if batch.messages or batch.notices:
            self._raise_counters(stored)
        if batch.gaps:
            self._insert_gaps()
        insert_dead(self.cursor, self.dead)
        stored.dead = len(self.dead)
        return stored

    def _lock_channels(self) -> None:
        channels = {self.rooms.key(room) for room in self.batch.rooms} | set(self.by_login.values())
        if channels:
            lock_channels(self.cursor, channels)

    def _leave_out_expired(self) -> tuple[Batch, int]:
        """Take out what is older than what its channel has kept; return the rest, and how much it was."""
        channels = {self.rooms.key(room): room for room in self.batch.rooms}
        self.cursor.execute(statements.KEPT_FROM, [list(channels)])
        kept_from = {channels[key]: ms for key, ms in self.cursor.fetchall()}
        lines = len(self.batch.messages) + len(self.batch.notices)
        if kept_from:
            self.batch = replace(
                self.batch,
                messages={id_: m for id_, m in self.batch.messages.items() if m.sent_ms >= kept_from.get(m.room_id, 0)},
                notices={id_: n for id_, n in self.batch.notices.items() if n.sent_ms >= kept_from.get(n.room_id, 0)},
            )
        return self.batch, lines - len(self.batch.messages) - len(self.batch.notices)

    # Viewers

    def _name_viewers(self) -> None:
        """Write down who is called what, where a batch tells something new."""
        announced = [
            (notice.user_id, notice.login, notice.display_name, notice.color, notice.sent_ms)
            for notice in self.batch.notices.values()
        ]
        for statement in statements.NAME_VIEWERS:
            self.cursor.execute(statement, columns(announced) or [[], [], [], [], []])

    # Messages

    def _stage(self) -> None:
        # Django passes COPY on as it is: without this a lost connection would be an error of psycopg's.
        with self.cursor.db.wrap_database_errors, self.cursor.cursor.copy(statements.COPY) as copy:
            copy.set_types(statements.STAGED_TYPES)
            for key, message in self.batch.messages.items():
                copy.write_row(self._staged(message, self.emotes.get(key)))

    def _staged(self, message: ChatMessage, emotes: Sequence[int] | None) -> tuple[object, ...]:
        return (
            message.id,
            self.rooms.key(message.room_id),
            message.user_id,
            message.login,
            message.display_name,
            message.color,
            message.sent_ms,
            message.text,
            message.is_action,
            message.is_first,
            message.is_returning,
            message.bits,
            message.badges,
            message.badge_info,
            message.notice,
            message.reward_id,
            message.reply_to_id,
            message.reply_to_user_id,
            message.thread_id,
            message.source_id,
            message.source_room_id,
            "{" + ",".join(map(str, emotes)) + "}" if emotes else "{}",
        )

    def _insert_messages(self) -> int:
        """Put the staged messages in; return how many of them were new and count."""
        self.cursor.execute(statements.FIND_NEW_SPEAKERS)
        self.cursor.execute(statements.INSERT_MESSAGES)
        return int(self.cursor.rowcount)

    # Announcements

    def _insert_notices(self) -> None:
        rows = [self._event_row(notice) for notice in self.batch.notices.values()]
        self.cursor.execute(statements.INSERT_EVENTS, columns(rows))
        fresh = {event_id for (event_id,) in self.cursor.fetchall()}
        counted = [n for n in self.batch.notices.values() if n.id in fresh and not n.source_room_id]
        # A part of a gift shows its giver even where it is another part that counts.
        tallies = [
            (self.rooms.key(notice.room_id), viewer, notice.sent_ms, int(notice.kind in notices.SUBSCRIPTIONS), 0)
            for notice in counted
            if notice.kind in notices.COUNTED and (viewer := notices.viewer_of(notice))
        ]
        tallies += self._gifts(counted, fresh)
        if tallies:
            self.cursor.execute(statements.TALLY_NOTICES, columns(tallies))

    def _event_row(self, notice: UserNotice) -> tuple[object, ...]:
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
        )

    def _gifts(self, counted: Iterable[UserNotice], fresh: set[str]) -> list[tuple[int, str, int, int, int]]:
        """The difference that new events make to the gifts of their bombs, whose parts come in any order."""
        touched = {(self.rooms.key(n.room_id), bomb) for n in counted if (bomb := notices.bomb_of(n))}
        if not touched:
            return []
        rows = ChatEvent.objects.filter(
            channel_id__in={channel for channel, _ in touched},
            bomb_id__in={bomb for _, bomb in touched},
            source_channel_id="",
        ).values_list("id", "channel_id", "bomb_id", "kind", "amount", "viewer_id", "occurred_at")
        bombs: dict[tuple[int, str], list[Gift]] = defaultdict(list)
        for event_id, channel, bomb, kind, amount, viewer, at in rows:
            bombs[channel, bomb].append(Gift(event_id, channel, bomb, kind, amount, viewer or "", at))
        differences = []
        for gifts in bombs.values():
            before = gifts_of(gift for gift in gifts if gift.id not in fresh)
            differences += [_gift_row(before, -1), _gift_row(gifts_of(gifts), 1)]
        return [row for row in differences if row is not None]

    # Deeds of moderators

    def _any_later_deed(self) -> bool:
        """Whether a deed that is already stored could reach a message that arrives only now."""
        oldest: dict[int, int] = {}
        for message in self.batch.messages.values():
            channel = self.rooms.key(message.room_id)
            oldest[channel] = min(oldest.get(channel, message.sent_ms), message.sent_ms)
        self.cursor.execute(statements.ANY_LATER_DEED, columns(oldest.items()))
        return bool(self.cursor.fetchone()[0])

    def _insert_deeds(self) -> list[int]:
        """Write down bans, timeouts and deletions; return the keys of the new ones."""
        rows = []
        for line, deed in self.batch.moderation:
            channel = self.rooms.key(deed.room_id) if deed.room_id else self.by_login.get(deed.channel)
            if channel is None:
                self.dead.append(Dead(line, f"no channel {deed.channel!r} is known"))
            else:
                rows.append(_deed_row(channel, deed))
        if not rows:
            return []
        self.cursor.execute(statements.INSERT_MODERATION, columns(rows))
        return [key for (key,) in self.cursor.fetchall()]

    def _insert_gaps(self) -> None:
        rows = []
        for line, gap in self.batch.gaps:
            if gap.channel in self.by_login:
                rows.append((self.by_login[gap.channel], gap.from_ms, gap.to_ms, gap.reason))
            else:
                self.dead.append(Dead(line, f"no channel {gap.channel!r} is known"))
        if rows:
            self.cursor.execute(statements.INSERT_GAPS, columns(rows))

    def _channels_by_login(self) -> dict[str, int]:
        """Channels of gaps, and of deletions that came without a room id."""
        logins = {deed.channel for _, deed in self.batch.moderation if not deed.room_id}
        logins |= {gap.channel for _, gap in self.batch.gaps}
        if not logins:
            return {}
        return {str(login): key for login, key in Channel.objects.filter(login__in=logins).values_list("login", "pk")}

    # Counters

    def _raise_counters(self, stored: Stored) -> None:
        execute, fetch = self.cursor.execute, self.cursor.fetchall
        execute(statements.ADD_VIEWER_DAYS)
        of_day = fetch()
        execute(statements.ADD_VIEWER_TOTALS)
        of_all = fetch()
        execute(statements.TALLY_EMOTES)
        if self.cursor.rowcount:
            execute(statements.ADD_EMOTE_USAGE)
            execute(statements.ADD_EMOTE_DAYS)
        execute(statements.ADD_MINUTES)
        minutes = fetch()
        execute(statements.ADD_CHANNEL_DAYS, columns(of_day) or [[], [], []])
        days = fetch()
        execute(statements.ADD_CHANNEL_TOTALS, columns(of_all) or [[], []])
        self._summarise(stored, minutes, days, fetch())

    def _summarise(self, stored: Stored, minutes: Rows, days: Rows, totals: Rows) -> None:
        """Keep the newest of everything that changed, for the live feed."""
        for channel, messages, chatters in totals:
            stored.channels[channel] = ChannelNow(total=Counted(messages, chatters))
        for channel, day, messages, chatters, emotes in sorted(days):
            stored.channels[channel].day = (day, Counted(messages, chatters, emotes))
        for channel, minute, messages, chatters in sorted(minutes):
            stored.channels[channel].minute = (minute, Counted(messages, chatters))
        self.cursor.execute(statements.ADDED_TO_CHANNELS)
        for channel, messages, emotes in self.cursor.fetchall():
            stored.channels[channel].new = Counted(messages, emotes=emotes)
        self.cursor.execute(statements.TOP_EMOTES, [TOP])
        for channel, name, provider, provider_id, told, uses in self.cursor.fetchall():
            url = picture(provider, provider_id, told)
            stored.channels[channel].emotes.append(EmoteUse(name, provider, url, uses))


def insert_dead(cursor: CursorWrapper, dead: Sequence[Dead]) -> None:
    """Keep lines that nobody could use, as they came."""
    if dead:
        rows = [
            (each.line.source, each.line.raw, each.reason.replace("\x00", "?"), each.line.received_ms) for each in dead
        ]
        cursor.execute(statements.INSERT_DEAD, columns(rows))


def columns(rows: Iterable[Sequence[object]]) -> list[list[object]]:
    """Turn rows into one list per column, as unnest wants them."""
    return [list(column) for column in zip(*rows, strict=True)]


def _gift_row(given: tuple[Giver, int] | None, sign: int) -> tuple[int, str, int, int, int] | None:
    if given is None or not given[0].viewer:
        return None
    giver, number = given
    return giver.channel, giver.viewer, ms_of(giver.at), 0, sign * number


def _deed_row(channel: int, deed: Moderation) -> tuple[object, ...]:
    match deed:
        case ViewerCleared(user_id=viewer, login=login, sent_ms=sent_ms, duration_seconds=seconds):
            return (channel, "ban" if seconds is None else "timeout", sent_ms, viewer, login, "", seconds)
        case MessageDeleted(login=login, message_id=message_id, sent_ms=sent_ms):
            return (channel, "delete", sent_ms, "", login, message_id, None)
        case ChatCleared(sent_ms=sent_ms):
            return (channel, "clear", sent_ms, "", "", "", None)


def moment(ms: int) -> datetime:
    """Aware UTC time of milliseconds since the epoch, exactly."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)


def ms_of(at: datetime) -> int:
    """Milliseconds since the epoch."""
    return round(at.timestamp() * 1000)
