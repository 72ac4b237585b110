"""The steps of an erasure: see chat/erasure.py, which says when they are taken."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import Any, NamedTuple

import redis
import structlog
from django.conf import settings
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from chat import copied, export, listfiles, packedfiles, personal
from chat import erasestatements as statements
from chat.cleaning import Person, Work, clean_messages, clean_table, delete_dead
from chat.ingest.queue import STREAM
from chat.leaving import MENTION, Leaver, names_of
from chat.loginerasure import end_grant, leave_login
from chat.mentions import Mentions
from streams import audit, pages
from streams.locks import lock_channels
from streams.models import Channel, TwitchGrant
from streams.quickredis import quick_redis
from viewers import summaries, verdicts
from viewers.models import Erasure, Export, ListFile, Progress, Tag, Viewer, ViewerName

log = structlog.get_logger(__name__)

KEPT = "kept "
"""Before the name of a table in `Erasure.removed`: what is not touched."""

WORDS = {
    "login": "your login",
    "told": "telling programs of others that you are gone",
    "writers": "waiting for what was being written",
    "exports": "your exports",
    "messages": "your messages",
    "events": "your subscriptions and gifts",
    "gifts": "gifts to you",
    "deeds": "deeds of moderators",
    "streams": "streams you came to",
    "days": "your days and totals",
    "summaries": "summaries of you, and what recaps say of you",
    "rows": "everything else of yours",
    "queue": "waiting for lines that were still on their way",
    "words": "your name in messages of others",
    "texts": "your name in other texts",
    "dead": "lines that could not be used",
    "copies": "exports of others, which may name you",
    "last": "your account",
}
"""The steps in their order, as the receipt calls them."""


class StillOnItsWay(Exception):
    """The ingest holds lines from before it was asked to erase."""


Show = Callable[[int, int, str], None]
"""Told before each step: how many are done, of how many, and what comes now."""


class Step(NamedTuple):
    """A part of the work, in one channel or one table, or in all."""

    name: str
    where: int = 0

    @property
    def key(self) -> str:
        return f"{self.name} {self.where}"

    @property
    def place(self) -> tuple[int, int]:
        return _place(self.name, self.where)


Deeds = list[tuple[Step, Callable[[], None]]]


class Eraser(Leaver):
    """The steps of one erasure, and what each does: what is theirs, the texts of others, and the account itself.

    Texts are read once for many who are erased: see `clean_texts`.
    """

    def __init__(self, erasure: Erasure, show: Show, channels: Sequence[Channel]) -> None:
        self.erasure = erasure
        self.show = show
        self.channels = channels
        self._reached = _place(*erasure.step.split()) if erasure.step else (0, 0)
        self.viewer_id = erasure.viewer_id
        self.mentions = Mentions(self.viewer_id, names_of(self.viewer_id))

    def leave(self) -> None:
        """Take out what is theirs. Raises StillOnItsWay."""
        if not self.erasure.step:  # the first time: who waits for the ingest is tried again every few minutes
            self._forget_pages()
        for step, deed in self._first:
            if self.enters(step):
                deed()

    def finish(self) -> None:
        if self.enters(LAST):
            self._finish()

    def enters(self, step: Step) -> bool:
        """Whether this step is still to be done; it is noted that it is being done."""
        if step.place < self._reached:
            return False
        self._reached = step.place
        number, steps = self._numbers[step.key], len(self._numbers)
        self._note(step=step.key, steps_done=number, steps=steps)
        self.show(number, steps, WORDS[step.name])
        return True

    def person(self, label: str) -> Person:
        """Them, to be cleaned out of a table with texts of others."""
        return Person(self.mentions, partial(self._cleaned, label))

    @cached_property
    def _numbers(self) -> dict[str, int]:
        shared = (step for step, _ in steps_of_texts(self.channels))
        steps = [*(step for step, _ in self._first), *shared, LAST]
        return {step.key: number for number, step in enumerate(steps)}

    @cached_property
    def _first(self) -> Deeds:
        return [
            (Step("login"), self._leave_login),
            *((Step("told", channel.pk), partial(self._have_it_told, channel)) for channel in self.channels),
            *self._in_each_channel("writers", self._wait_for_writers),
            (Step("exports"), self._delete_exports),
            *self._own_steps,
            (Step("queue"), self._wait_for_queue),
        ]

    @cached_property
    def _own_steps(self) -> Deeds:
        """What takes out their own rows, channel by channel. In this order: what is counted from what is counted."""
        return [
            *self._in_each_channel("messages", self._leave_messages),
            *self._in_each_channel("events", self._leave_events),
            *self._in_each_channel("gifts", self._give_to_nobody),
            *self._in_each_channel("deeds", self._delete_deeds),
            *self._in_each_channel("streams", self._leave_streams),
            *self._in_each_channel("days", self._leave_days),
            (Step("summaries"), self._delete_summaries),
            *self._in_each_channel("rows", self._delete_rows),
        ]

    def _in_each_channel(self, name: str, deed: Callable[[int], None]) -> Iterator[tuple[Step, Callable[[], None]]]:
        return ((Step(name, channel.pk), partial(deed, channel.pk)) for channel in self.channels)

    # One batch

    @contextmanager
    def _batch(self, channels: Sequence[int] = ()) -> Iterator[tuple[CursorWrapper, Counter[str]]]:
        """A transaction that holds the locks of channels, and notes what was removed in it.

        Whoever copied any of it is told so; who it was nobody can read there.
        """
        removed: Counter[str] = Counter()
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(audit.ERASING)
            if channels:
                lock_channels(cursor, channels)
            yield cursor, removed
            if "chat.Message" in removed or +removed:  # of a line that was stored twice, one goes without being counted
                copied.seal_written(cursor)
            if removed := +removed:
                known = Erasure.objects.select_for_update().values_list("removed", flat=True).get(pk=self.erasure.pk)
                self._note(removed=dict(sorted((Counter(known) + removed).items())))

    def _note(self, **changes: Any) -> None:
        for name, value in changes.items():
            setattr(self.erasure, name, value)
        self.erasure.save(update_fields=changes.keys())

    def _leave_login(self) -> None:
        """First, so that nobody goes on writing as them."""
        leave_login(self.viewer_id, self.mentions, self._batch)
        end_grant(self.viewer_id, self._batch)

    def _have_it_told(self, channel: Channel) -> None:
        """Before anything goes: afterwards nobody could say where they were shown."""
        with self._batch([channel.pk]) as (cursor, _):
            copied.seal_departures(cursor, channel, [self.viewer_id])
            copied.hold_webhooks(cursor, channel.pk)

    def _delete_rows(self, channel: int) -> None:
        """Tags that name them go whole: cleaned, two of them could become the same."""
        super()._delete_rows(channel)
        with self._batch([channel]) as (_, removed):
            named = Tag.objects.filter(channel=channel, name__iregex=self.mentions.anywhere)
            removed.update(named.delete()[1])

    def _delete_exports(self) -> None:
        """With their files. One that is being written ends itself when it finds its row gone."""
        with self._batch() as (_, removed):
            removed["viewers.Export"] += packedfiles.discard(Export.objects.filter(viewer=self.viewer_id))

    # Writers and lines that are on their way

    def _wait_for_writers(self, channel: int) -> None:
        """Who held the lock when it was asked may not have known of it. Whoever takes it from now on does."""
        with self._batch([channel]):
            pass

    def _wait_for_queue(self) -> None:
        """Lines from before are the last that can tell of them as of everybody: what others said of them, too."""
        with redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=2, socket_timeout=5) as client:
            before = int(self.erasure.asked_at.timestamp() * 1000)
            if client.xrange(STREAM, "-", before, count=1):
                raise StillOnItsWay

    # Their own rows

    def _delete_summaries(self) -> None:
        with self._batch() as (_, removed):
            removed.update(summaries.erase(self.viewer_id))

    # What others wrote, and asked for

    def discard_files(self) -> None:
        """Files of lists that moderators had made of what they searched for them."""
        with self._batch() as (_, removed):
            removed["viewers.ListFile"] += listfiles.discard_about(self.mentions)

    def _cleaned(self, label: str, channels: Sequence[int], work: Work) -> None:
        with self._batch(channels) as (cursor, removed):
            removed[label if label == DEAD else f"{MENTION}{label}"] += work(cursor)

    # The end

    def _finish(self) -> None:
        """Look once more for what jobs that ran beside may have written, then let go of the account itself."""
        self._leave_login()
        for _, deed in self._own_steps:
            deed()
        self._delete_exports()
        self._forget_pages()
        _throw_pages_away()
        named = copied.find_named([self.viewer_id])
        told = copied.find_deliveries(self.viewer_id, self.mentions)
        with self._batch() as (cursor, removed):
            list(Viewer.objects.select_for_update().filter(pk=self.viewer_id))  # nobody can refer to it any more
            verdicts.keep(cursor, self.viewer_id)
            for label in ("viewers.Consent", "viewers.Export", "viewers.Profile"):
                removed.update(personal.rows_of(label, self.viewer_id).delete()[1])
            removed["viewers.ViewerName"] += ViewerName.objects.filter(viewer=self.viewer_id).delete()[0]
            # Not by the ORM, which would look for rows to go with it in every table, without an index.
            cursor.execute(statements.DELETE_VIEWER, self._values(0))
            removed["viewers.Viewer"] += cursor.rowcount
            copied.forget_named(cursor, [self.viewer_id], named)
            copied.hold_webhooks(cursor)
            removed["streams.Delivery"] += copied.forget_deliveries(cursor, self.viewer_id, self.mentions, told)
            removed.update(self._kept)
            done = {"steps_done": self.erasure.steps, "state": Progress.DONE, "finished_at": datetime.now(UTC)}
            self._note(viewer_id="", step="", **done)
        self._forget_pages()
        log.info("erasure.done", erasure=self.erasure.pk)

    @cached_property
    def _kept(self) -> dict[str, int]:
        """What is theirs as the owner of a channel, and stays."""
        return {
            f"{KEPT}streams.Channel": Channel.objects.filter(twitch_id=self.viewer_id).count(),
            f"{KEPT}streams.TwitchGrant": TwitchGrant.objects.filter(twitch_id=self.viewer_id).count(),
        }

    def _forget_pages(self) -> None:
        pages.forget(channel.login for channel in self.channels if channel.login)


def clean_texts(erasers: Sequence[Eraser], channels: Sequence[Channel]) -> None:
    """Clean all of them out of what others wrote: every text is read once, however many they are."""
    for step, clean in steps_of_texts(channels):
        if entering := [eraser for eraser in erasers if eraser.enters(step)]:
            clean(entering)


def steps_of_texts(channels: Sequence[Channel]) -> list[tuple[Step, Callable[[list[Eraser]], None]]]:
    return [
        *((Step("words", channel.pk), partial(_clean_messages, channel.pk)) for channel in channels),
        *((Step("texts", number), partial(_clean, label)) for number, label in enumerate(tables_of_others())),
        (Step("dead"), _delete_dead),
        (Step("copies"), _withdraw_exports),
    ]


def _clean_messages(channel: int, erasers: Sequence[Eraser]) -> None:
    clean_messages(channel, [eraser.person("chat.Message") for eraser in erasers])


def _clean(label: str, erasers: Sequence[Eraser]) -> None:
    clean_table(label, [eraser.person(label) for eraser in erasers])


def _delete_dead(erasers: Sequence[Eraser]) -> None:
    delete_dead([eraser.person(DEAD) for eraser in erasers])


def _withdraw_exports(erasers: Sequence[Eraser]) -> None:
    """After the texts: what is written into an export or a file of a list from now on names none of them."""
    export.withdraw_all(datetime.now(UTC))
    for eraser in erasers:
        eraser.discard_files()
    listfiles.withdraw(ListFile.objects.all(), datetime.now(UTC))


LAST = Step("last")
DEAD = "chat.DeadLetter"


def _place(name: str, where: str | int) -> tuple[int, int]:
    return list(WORDS).index(name), int(where)


def tables_of_others() -> list[str]:
    """Tables in which others may have written of them, the messages aside."""
    kinds = (personal.MENTION, personal.ADDRESSED, personal.BLANK)
    return [
        label
        for label, entry in personal.TABLES.items()
        if label != "chat.Message" and any(entry.fields(kind) for kind in kinds)
    ]


def _throw_pages_away() -> None:
    """Delete what is kept of pages, which nobody is shown any more: it would lie there until its time is over."""
    client = quick_redis()
    for key in client.scan_iter(match=f"{pages.PREFIX}*", count=1000):
        if not key.startswith(pages.GENERATION.encode()):
            client.unlink(key)
