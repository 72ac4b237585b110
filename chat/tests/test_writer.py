"""The writer acknowledges what Postgres has, and only that."""

import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import django.db
import pytest
import redis

from chat import partitions
from chat.ingest import writer as writer_module
from chat.ingest.batch import Line
from chat.ingest.emoteupdates import EmoteUpdates
from chat.ingest.queue import Entry, LineGroup, connect_writer
from chat.ingest.store import Prepared, Store
from chat.ingest.transaction import Stored
from chat.ingest.writer import Writer
from chat.models import DeadLetter, Message
from chat.tests.lines import NOON_MS, gap, privmsg
from chat.tests.tables import channel
from streams.models import Gap

pytestmark = pytest.mark.django_db(transaction=True)

Journal = list[tuple[str, object]]


def entry(number: int, *lines: bytes, source: str = "irc") -> Entry:
    return Entry(f"{number}-0".encode(), source, NOON_MS, list(lines) or [privmsg(f"message {number}", at=number)])


class Group(LineGroup):
    """Gives out prepared entries, one at a time, and stops the writer when all of them are written."""

    def __init__(self, stop: threading.Event, journal: Journal) -> None:
        self.stop = stop
        self.journal = journal
        self.entries: list[Entry] = []
        self.abandoned: list[Entry] = []
        self.given = 0
        self.failure: Exception | None = None

    def read(self, max_lines: int, block_ms: int) -> list[Entry]:
        if self.entries:
            return self._give(self.entries)
        if self.failure:
            raise self.failure
        return []

    def claim(self, idle_ms: int) -> list[Entry]:
        if self.abandoned:
            return self._give(self.abandoned)
        if sum(deed == "written" for deed, _ in self.journal) >= self.given:  # halves of a batch are told too
            self.stop.set()
        self.stop.wait(0.001)
        return []

    def _give(self, entries: list[Entry]) -> list[Entry]:
        self.given += 1
        return [entries.pop(0)]

    def ack(self, ids: Iterable[bytes]) -> None:
        self.journal += [("acknowledged", id_.decode()) for id_ in ids]


class Journalist(Store):
    """A store that says when it has written, after failing as often as it is told to."""

    def __init__(self, journal: Journal, failures: Iterable[Exception] = ()) -> None:
        super().__init__()
        self.journal = journal
        self.failures = list(failures)
        self.before_failure: Callable[[], object] = lambda: None

    def commit(self, prepared: Prepared) -> Stored:
        if self.failures:
            self.before_failure()
            raise self.failures.pop(0)
        stored = super().commit(prepared)
        self.journal.append(("written", _entries_of(prepared.lines)))
        return stored


def _entries_of(lines: Iterable[Line]) -> str:
    return " ".join(sorted({line.source.partition(":")[0] for line in lines}))


class Updates(EmoteUpdates):
    def __init__(self, journal: Journal) -> None:
        self.journal = journal

    def apply(self, store: Store) -> None:
        self.journal.append(("looked for new emotes", ""))


class Setting:
    def __init__(self, client: "redis.Redis") -> None:
        self.stop = threading.Event()
        self.journal: Journal = []
        self.group = Group(self.stop, self.journal)
        self.store = Journalist(self.journal)
        self.client = client

    def run(self, *entries: Entry) -> Journal:
        self.group.entries = list(entries)
        Writer(self.group, self.client, self.store, Updates(self.journal)).run(self.stop)
        return [step for step in self.journal if step[1]]


@pytest.fixture
def setting(redis_client, monkeypatch) -> Setting:
    monkeypatch.setattr(writer_module, "RETRY_FIRST", 0.0)
    return Setting(redis_client)


def test_what_is_written_is_acknowledged(setting):
    assert setting.run(entry(1)) == [("written", "1-0"), ("acknowledged", "1-0")]
    assert Message.objects.get().text == "message 1"


def test_entries_are_written_in_the_order_in_which_they_were_read(setting):
    steps = setting.run(*[entry(number) for number in range(1, 20)])
    assert [id_ for deed, id_ in steps if deed == "written"] == [f"{number}-0" for number in range(1, 20)]


def test_nothing_is_acknowledged_before_it_is_written(setting):
    steps = setting.run(*[entry(number) for number in range(1, 20)])
    for number in range(1, 20):
        assert steps.index(("written", f"{number}-0")) < steps.index(("acknowledged", f"{number}-0"))


def test_it_works_where_all_partitions_are_there_already(setting):
    partitions.make(partitions.coming(datetime.now(UTC)))
    assert setting.run(entry(1)) == [("written", "1-0"), ("acknowledged", "1-0")]


def test_it_makes_the_coming_months(setting):
    partitions.drop(partitions.coming(datetime.now(UTC)))
    setting.run()
    assert set(partitions.coming(datetime.now(UTC))) <= set(partitions.existing())


def test_a_gap_is_written_too(setting):
    setting.run(entry(1), entry(2, gap(reason="we were away"), source="gap"))
    assert Gap.objects.get(channel=channel()).reason == "we were away"


def test_what_other_writers_left_lying_is_taken_over(setting):
    setting.group.abandoned = [entry(7)]
    assert setting.run() == [("written", "7-0"), ("acknowledged", "7-0")]


def test_emotes_are_looked_for_before_every_batch(setting):
    setting.run(entry(1), entry(2))
    deeds = [deed for deed, _ in setting.journal if deed != "acknowledged"]
    assert deeds[0] == "looked for new emotes"
    assert sorted(deeds) == ["looked for new emotes"] * 2 + ["written"] * 2


# Postgres away


@pytest.mark.parametrize("error", [django.db.OperationalError("gone"), django.db.InterfaceError("closed")])
def test_a_batch_is_tried_again_until_postgres_is_back(setting, error):
    setting.store.failures = [error] * 3
    assert setting.run(entry(1)) == [("written", "1-0"), ("acknowledged", "1-0")]


def test_postgres_may_be_away_for_hours(setting):
    setting.store.failures = [django.db.OperationalError("gone")] * 2000
    assert setting.run(entry(1)) == [("written", "1-0"), ("acknowledged", "1-0")]


def test_a_stop_while_postgres_is_away_acknowledges_nothing(setting):
    setting.store.failures = [django.db.OperationalError("gone")] * 1000
    setting.store.before_failure = setting.stop.set
    assert setting.run(entry(1), entry(2)) == []


def test_what_was_written_before_postgres_went_away_is_acknowledged_at_the_stop(setting):
    commit: Callable[[Prepared], Stored] = setting.store.commit

    def commit_once(prepared: Prepared) -> Stored:
        stored = commit(prepared)
        setting.store.failures = [django.db.OperationalError("gone")] * 1000
        setting.store.before_failure = setting.stop.set
        return stored

    setting.store.commit = commit_once
    assert setting.run(entry(1), entry(2)) == [("written", "1-0"), ("acknowledged", "1-0")]


def test_a_stop_lets_what_was_read_be_written(setting):
    read: Callable[[int, int], list[Entry]] = setting.group.read

    def read_and_stop(max_lines: int, block_ms: int) -> list[Entry]:
        setting.stop.set()
        return read(max_lines, block_ms)

    setting.group.read = read_and_stop
    assert setting.run(entry(1)) == [("written", "1-0"), ("acknowledged", "1-0")]


def test_sets_and_rooms_are_asked_for_until_postgres_is_back(setting, monkeypatch):
    failures = [django.db.OperationalError("gone")] * 3

    def apply(_store: Store) -> None:
        if failures:
            raise failures.pop()

    monkeypatch.setattr(Updates, "apply", lambda _self, store: apply(store))
    assert setting.run(entry(1)) == [("written", "1-0"), ("acknowledged", "1-0")]


# Other failures


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(privmsg(id="x" * 99), id="found at the commit"),
        pytest.param(privmsg(room_id="x" * 99), id="found before"),
        pytest.param(b"garbage", id="found at once"),
    ],
)
def test_a_line_that_cannot_be_stored_stops_nothing(setting, line):
    steps = setting.run(entry(1, privmsg("one"), line), entry(2))
    assert steps[-1] == ("acknowledged", "2-0")
    assert (Message.objects.count(), DeadLetter.objects.count()) == (2, 1)


def test_a_redis_that_takes_no_news_stops_nothing(setting, tmp_path):
    setting.client = connect_writer(f"unix://{tmp_path}/nobody")
    assert setting.run(entry(1), entry(2))[-1] == ("acknowledged", "2-0")


def test_a_queue_that_fails_ends_the_writer_after_what_was_read(setting):
    setting.group.failure = RuntimeError("the queue is broken")
    with pytest.raises(RuntimeError, match="the queue is broken"):
        setting.run(entry(1))
    assert ("acknowledged", "1-0") in setting.journal


def test_a_store_that_fails_ends_the_writer_and_acknowledges_nothing(setting):
    setting.store.failures = [RuntimeError("the store is broken")]
    with pytest.raises(RuntimeError, match="the store is broken"):
        setting.run(entry(1))
    assert ("acknowledged", "1-0") not in setting.journal


# News


def test_the_pages_hear_what_was_written(setting, redis_client):
    setting.run(entry(1))
    with redis_client.pubsub(ignore_subscribe_messages=True) as pubsub:
        pubsub.subscribe(f"streamstats:live:{channel().pk}")
        pubsub.get_message(timeout=5)
        setting.stop.clear()
        setting.run(entry(2))
        assert pubsub.get_message(timeout=5)["type"] == "message"
