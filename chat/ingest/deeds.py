"""Deeds of moderators, stored inside a batch's transaction, and the messages they remove.

Chat says what was done, EventSub by whom and why: told twice, it is one deed (see `onefact.decide_deeds`).
"""

from django.db.backends.utils import CursorWrapper

from chat.ingest import factstatements, statements
from chat.ingest.batch import Batch, Dead, Moderation
from chat.ingest.events import ChatCleared, MessageDeleted, ViewerCleared
from chat.ingest.eventsub_events import Deed
from chat.ingest.onefact import DEED_WITHIN_MS, DeedTelling, decide_deeds
from chat.ingest.rooms import Rooms
from chat.ingest.rows import columns


class Deeds:
    """The deeds of one batch."""

    def __init__(self, cursor: CursorWrapper, rooms: Rooms, batch: Batch, by_login: dict[str, int]) -> None:
        self.cursor = cursor
        self.rooms = rooms
        self.batch = batch
        self.by_login = by_login
        self.dead: list[Dead] = []

    def store(self) -> None:
        """Write down what was done, and mark the messages that it removed."""
        rows = [*self._of_chat(), *self._told()]
        if not rows:
            return
        self.cursor.execute(factstatements.INSERT_DEEDS, columns(rows))
        fresh = {key for (key,) in self.cursor.fetchall()}
        if not fresh:
            return
        known = self._related(fresh)
        decided = decide_deeds(known)
        if changed := [new for new, old in zip(decided, known, strict=True) if new != old]:
            marks = [(deed.id, deed.same_as, deed.moderator, deed.reason, deed.borrowed) for deed in changed]
            self.cursor.execute(factstatements.MARK_DEEDS, columns(marks))
        pairs = [(new, old) for new, old in zip(decided, known, strict=True) if new.same_as != old.same_as]
        gone = [old.id for new, old in pairs if old.same_as is None and old.id not in fresh]
        stands = [new.id for new in decided if new.same_as is None and new.id in fresh]
        stands += [new.id for new, old in pairs if new.same_as is None and old.id not in fresh]
        if stands:
            self.cursor.execute(statements.REMOVE_REACHED, {"deeds": stands})
        if gone:
            self.cursor.execute(factstatements.REMOVE_AGAIN, {"gone": gone})

    def _of_chat(self) -> list[tuple[object, ...]]:
        rows = []
        for line, deed in self.batch.moderation:
            channel = self.rooms.key(deed.room_id) if deed.room_id else self.by_login.get(deed.channel)
            if channel is None:
                self.dead.append(Dead(line, f"no channel {deed.channel!r} is known"))
            else:
                rows.append((*_deed_row(channel, deed), "", "", ""))
        return rows

    def _told(self) -> list[tuple[object, ...]]:
        return [
            (
                self.rooms.key(told.room_id),
                told.fact.kind,
                told.fact.at_ms,
                told.fact.target_id,
                told.fact.target_login,
                told.fact.message_id,
                told.fact.duration_seconds,
                told.fact.moderator_id,
                told.fact.reason,
                told.type,
            )
            for told in self.batch.told
            if isinstance(told.fact, Deed)
        ]

    def _related(self, fresh: set[int]) -> list[DeedTelling]:
        self.cursor.execute(factstatements.RELATED_DEEDS, {"new": list(fresh), "within": DEED_WITHIN_MS / 1000})
        return [DeedTelling(*row) for row in self.cursor.fetchall()]


def _deed_row(channel: int, deed: Moderation) -> tuple[object, ...]:
    match deed:
        case ViewerCleared(user_id=viewer, login=login, sent_ms=sent_ms, duration_seconds=seconds):
            return (channel, "ban" if seconds is None else "timeout", sent_ms, viewer, login, "", seconds)
        case MessageDeleted(login=login, message_id=message_id, sent_ms=sent_ms):
            return (channel, "delete", sent_ms, "", login, message_id, None)
        case ChatCleared(sent_ms=sent_ms):
            return (channel, "clear", sent_ms, "", "", "", None)
