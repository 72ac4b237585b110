"""A notification of every kind ends in one place."""

import pytest
from django.db.models import Model

from chat.ingest.eventsub_events import Notification
from chat.ingest.store import Store
from chat.models import ChatEvent, DeadLetter, ModerationEvent, Redemption
from chat.tests.frames import one_of_each
from chat.tests.lines import read
from chat.tests.tables import counted_again, counters, everything
from streams.models import Stream, StreamReport
from viewers.models import Viewer

pytestmark = pytest.mark.django_db(transaction=True)

FRAMES = one_of_each()
TABLES: tuple[type[Model], ...] = (ChatEvent, ModerationEvent, Redemption, StreamReport, DeadLetter)


def rows() -> int:
    return sum(table._default_manager.count() for table in TABLES)


def kind_of(raw: bytes) -> str:
    (line,) = read(raw, kind="eventsub")
    assert isinstance(line.event, Notification), line.event
    return line.event.type


def test_a_notification_of_every_kind_ends_in_one_place():
    store = Store()
    for number, raw in enumerate(FRAMES):
        before = rows()
        store.write(read(raw, kind="eventsub", source=str(number)))
        assert rows() - before == (0 if kind_of(raw) == "user.update" else 1), raw
    assert not DeadLetter.objects.exists()


def test_all_of_them_can_be_stored_at_once():
    Store().write(read(*FRAMES, kind="eventsub"))
    assert not DeadLetter.objects.exists()
    assert counters() == counted_again()
    assert Stream.objects.get().ended_at


def test_one_by_one_comes_to_the_same_as_all_at_once():
    Store().write(read(*FRAMES, kind="eventsub"))
    before = everything()
    for raw in FRAMES:
        Store().write(read(raw, kind="eventsub"))
    assert everything() == before


def test_everybody_is_named():
    Store().write(read(*FRAMES, kind="eventsub"))
    names = {"oneofeach", "taker", "molly", "elsewhere", "example"}
    assert set(Viewer.objects.values_list("login", flat=True)) == names
