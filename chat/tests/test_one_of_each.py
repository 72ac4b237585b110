"""Every kind of line that Twitch sends is stored, passed over on purpose, or kept as a dead letter."""

import pytest
from django.db.models import Model

from chat.ingest.events import Ignored, Membership, Reconnect, RoomNotice, RoomState
from chat.ingest.store import Store
from chat.models import ChatEvent, DeadLetter, Message, ModerationEvent
from chat.tests.lines import NOON_MS, id_of, number_of, privmsg, read
from streamstats.simulator.irc import MALFORMED, Room
from streamstats.simulator.oneofeach import MESSAGES, NOTICES, one_of_each

pytestmark = pytest.mark.django_db(transaction=True)

TABLES: tuple[type[Model], ...] = (Message, ChatEvent, ModerationEvent, DeadLetter)
PASSED_OVER = (Ignored, Membership, Reconnect, RoomNotice, RoomState)


def lines() -> list[bytes]:
    numbers = iter(range(10_000))
    return one_of_each(Room("example", number_of("example")), NOON_MS, lambda: id_of("one of each", next(numbers)))


def rows() -> int:
    return sum(table._default_manager.count() for table in TABLES)


LINES = [line for line in lines() if line]


@pytest.mark.parametrize("raw", LINES, ids=range(len(LINES)))
def test_a_line_of_every_kind_ends_in_one_place(raw: bytes) -> None:
    store = Store()
    store.write(read(privmsg()))
    (line,) = read(raw, source="one of each")
    before = rows()
    store.write([line])
    assert rows() - before == (0 if isinstance(line.event, PASSED_OVER) else 1)


def test_all_of_them_can_be_stored_at_once() -> None:
    Store().write(read(*LINES))
    assert (Message.objects.count(), ModerationEvent.objects.count()) == (len(MESSAGES), 4)
    assert set(ChatEvent.objects.values_list("kind", flat=True)) == {kind for kind, _, _ in NOTICES} | {
        "sharedchatnotice"
    }
    assert DeadLetter.objects.count() == len([line for line in MALFORMED if line]) + 1
