"""One batch inside one database transaction: rows, then what they remove, then what they count for."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from operator import itemgetter
from typing import Any, NamedTuple

from django.db.backends.utils import CursorWrapper

from chat import moderators
from chat.anonymous import anonymous_id
from chat.ingest import statements
from chat.ingest.batch import Batch, Dead
from chat.ingest.deeds import Deeds
from chat.ingest.events import ChatMessage, MessageDeleted
from chat.ingest.eventsub_events import Told
from chat.ingest.facts import Facts
from chat.ingest.rooms import Rooms
from chat.ingest.rows import columns
from chat.ingest.unkept import answered, buried, nameless, people_of, untied, without
from chat.models.emote import label, picture
from streams.locks import lock_channels
from streams.models import Channel
from viewers.unkept import Unkept

Rows = list[tuple[Any, ...]]

TOP = 10


@dataclass(frozen=True, slots=True)
class Counted:
    """A row of a channel's counters."""

    messages: int
    chatters: int = 0
    emotes: int = 0


class EmoteUse(NamedTuple):
    id: int
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
        uses: Counter[tuple[int, str, str, str]] = Counter()
        for emote in (*before.emotes, *self.emotes):
            uses[emote[:4]] += emote.uses
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
        self,
        cursor: CursorWrapper,
        rooms: Rooms,
        batch: Batch,
        emotes: dict[tuple[str, str], list[int]],
        unkept: Unkept,
    ) -> None:
        self.cursor = cursor
        self.rooms = rooms
        self.batch = batch
        self.emotes = emotes
        self.unkept = unkept
        self.dead = list(batch.dead)
        self.by_login: dict[str, int] = {}

    def run(self) -> Stored:
        batch, stored = self.batch, Stored()
        roles = moderators.told_in(batch, datetime.now(UTC)) if batch.told else []  # of everybody, kept or not
        self.by_login = self._channels_by_login()
        self._lock_channels()
        self.unkept.read(self.cursor)
        if batch.messages or batch.notices or batch.told:
            stored.expired = self._leave_out_expired()
        if self.unkept:
            self._leave_out_unkept()
        batch = self.batch
        is_late = has_cheers = False
        facts = Facts(self.cursor, self.rooms, batch)
        has_news = bool(batch.messages or batch.notices or batch.told)
        if has_news:
            self.cursor.execute(statements.STAGE)
            self._stage()
            self._name_viewers()
        if batch.messages:
            stored.messages = self._insert_messages()
            is_late, has_cheers = self._what_else()
            self.cursor.execute(statements.TALLY_MESSAGES)
        if has_news:
            facts.store(has_cheers=has_cheers)
        if batch.moderation or batch.told:
            self._store_deeds()
        if roles:
            keyed = [(self.rooms.key(change.room_id), change) for change in roles]
            moderators.store(self.cursor, keyed, self.unkept)
        if is_late:
            self.cursor.execute(statements.REMOVE_LATE)
        if has_news:
            self._raise_counters(stored)
            facts.lower()
            facts.tell_streams()
        if batch.gaps:
            self._insert_gaps()
        insert_dead(self.cursor, self.dead, self.unkept)
        stored.dead = len(self.dead)
        return stored

    def _lock_channels(self) -> None:
        channels = {self.rooms.key(room) for room in self.batch.rooms} | set(self.by_login.values())
        if channels:
            lock_channels(self.cursor, channels)

    def _leave_out_expired(self) -> int:
        """Take out what is older than what its channel has kept; return how much it was."""
        channels = {self.rooms.key(room): room for room in self.batch.rooms}
        self.cursor.execute(statements.KEPT_FROM, [list(channels)])
        kept_from = {channels[key]: ms for key, ms in self.cursor.fetchall()}
        before = self.batch
        if kept_from:
            self.batch = replace(
                before,
                messages={id_: m for id_, m in before.messages.items() if m.sent_ms >= kept_from.get(m.room_id, 0)},
                notices={id_: n for id_, n in before.notices.items() if n.sent_ms >= kept_from.get(n.room_id, 0)},
                told=[
                    told
                    for told in before.told
                    if not isinstance(told.fact, Told) or told.fact.at_ms >= kept_from.get(told.room_id, 0)
                ],
            )
        return _size(before) - _size(self.batch)

    def _leave_out_unkept(self) -> None:
        """Take out what is not kept of people, and of their messages those that are stored in the other form."""
        people = people_of(self.batch)
        gone = self.unkept.among(people)
        kept_again = self.unkept.kept_again_among(people) - gone
        chose = gone | kept_again
        others = {
            key: anonymous_id(message.id) if message.user_id in kept_again else message.id
            for key, message in (self.batch.messages.items() if chose else ())
            if message.user_id in chose
        }
        self.batch = without(self.batch, gone)
        if others:
            self._leave_out_stored(others)
        self._untie_answers()

    def _untie_answers(self) -> None:
        """Keep no id of a message that is here under another one, or not at all: at Twitch it says whose it is."""
        asked = answered(self.batch)
        if asked:
            self.cursor.execute(statements.STORED_IDS, [list(asked)])
            self.batch = untied(self.batch, asked.difference(id_ for (id_,) in self.cursor.fetchall()))

    def _leave_out_stored(self, other_ids: dict[tuple[str, str], str]) -> None:
        """Take out messages, by key, that are stored under another id: they were told before somebody chose."""
        messages = self.batch.messages
        rows = [(other, self.rooms.key(key[1]), messages[key].sent_ms) for key, other in other_ids.items()]
        self.cursor.execute(statements.FIND_STORED, columns(rows))
        stored = set(self.cursor.fetchall())
        known = {key for key, row in zip(other_ids, rows, strict=True) if row[:2] in stored}
        if known:
            kept = {key: message for key, message in messages.items() if key not in known}
            self.batch = replace(self.batch, messages=kept)

    # Viewers

    def _name_viewers(self) -> None:
        """Write down who is called what, where a batch tells something new."""
        announced: list[tuple[object, ...]] = [
            (notice.user_id, notice.login, notice.display_name, notice.color, notice.sent_ms)
            for notice in self.batch.notices.values()
        ]
        announced += [(*person, None, told.sent_ms) for told in self.batch.told for person in told.people]
        for statement in statements.NAME_VIEWERS:
            self.cursor.execute(statement, columns(announced, width=5))

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

    # Deeds of moderators

    def _what_else(self) -> tuple[bool, bool]:
        """Whether a deed that is already stored could reach a message that arrives only now; whether any has bits."""
        oldest: dict[int, int] = {}
        for message in self.batch.messages.values():
            channel = self.rooms.key(message.room_id)
            oldest[channel] = min(oldest.get(channel, message.sent_ms), message.sent_ms)
        self.cursor.execute(statements.WHAT_ELSE, columns(oldest.items()))
        is_late, has_cheers = self.cursor.fetchone()
        return is_late, has_cheers

    def _store_deeds(self) -> None:
        if self.unkept:
            self._forget_unknown_authors()
        deeds = Deeds(self.cursor, self.rooms, self.batch, self.by_login)
        deeds.store()
        self.dead += deeds.dead

    def _forget_unknown_authors(self) -> None:
        ids = [deed.message_id for _, deed in self.batch.moderation if isinstance(deed, MessageDeleted)]
        self.cursor.execute(statements.AUTHORS, [ids])
        self.batch = nameless(self.batch, dict(self.cursor.fetchall()), self.unkept)

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
        execute(statements.ADD_CHANNEL_DAYS, columns(of_day, width=3))
        days = fetch()
        execute(statements.ADD_CHANNEL_TOTALS, columns(of_all, width=2))
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
        for channel, emote, name, provider, provider_id, told, uses in self.cursor.fetchall():
            shown, url = label(provider, provider_id, name), picture(provider, provider_id, told)
            stored.channels[channel].emotes.append(EmoteUse(emote, shown, provider, url, uses))


def insert_dead(cursor: CursorWrapper, dead: Sequence[Dead], unkept: Unkept) -> None:
    """Keep lines that nobody could use, as they came."""
    if dead:
        if unkept:
            dead = [buried(each, unkept) for each in dead]
        rows = [
            (each.line.source, each.line.raw, each.reason.replace("\x00", "?"), each.line.received_ms) for each in dead
        ]
        cursor.execute(statements.INSERT_DEAD, columns(rows))


def _size(batch: Batch) -> int:
    return len(batch.messages) + len(batch.notices) + len(batch.told)
