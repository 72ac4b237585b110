"""The demo's history: broken off anywhere, it is completed by filling it in again."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from django.core.management import call_command

from chat import streamnumbers
from chat.models import ChatEvent, Message, Redemption
from streams.models import Channel, Stream, StreamSample
from streams.tests.cast import make_channel
from streamstats.demo import history
from streamstats.demo.history import History
from streamstats.simulator.moments import MINUTE, moment
from streamstats.simulator.world import DEMO, World
from viewers import presence
from viewers.models import PresencePoll, Viewer, ViewerDay, ViewSession

# The store empties its staging tables by committing.
pytestmark = pytest.mark.django_db(transaction=True)

WORLD = World()
KEPT = (Message, ChatEvent, Redemption, Viewer, ViewerDay, Stream, StreamSample, PresencePoll, ViewSession)


class Broken(Exception):
    """The machine was switched off."""


@pytest.fixture
def evening() -> tuple[datetime, datetime]:
    """The first three quarters of an hour of a broadcast of the last days."""
    now = datetime.now(UTC)
    show = WORLD.broadcasts(DEMO, now - timedelta(days=9), now - timedelta(days=1))[0]
    return moment(show.started_ms), moment(show.started_ms + 45 * MINUTE)


def fill(start: datetime, end: datetime) -> dict[str, Any]:
    """Fill in a span, and return what is there then."""
    channel = Channel.objects.filter(login=DEMO.login).first() or make_channel(DEMO.login, twitch_id=DEMO.twitch_id)
    filled = History(WORLD, channel, "http://127.0.0.1:8901")
    filled.fill(start, end)
    filled.count()
    sessions = ViewSession.objects.order_by("viewer", "started_at")
    return {
        **{model.__name__: model.objects.count() for model in KEPT},
        "sessions": list(sessions.values_list("viewer", "started_at", "ended_at")),
        "numbers": list(Stream.objects.values_list("messages", "watch_seconds", "watched_by", "average_viewers")),
    }


def breaking(function: Callable[..., Any], after: int) -> Callable[..., Any]:
    """A function that works some times, and then no more."""
    calls = count()

    def broken(*args: Any, **options: Any) -> Any:
        if next(calls) == after:
            raise Broken
        return function(*args, **options)

    return broken


@pytest.mark.parametrize(
    ("owner", "name", "after"), [(history, "read_lines", 350), (presence, "reconcile", 5), (streamnumbers, "count", 0)]
)
def test_a_run_that_was_broken_off_is_completed(
    evening: tuple[datetime, datetime], monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, after: int
) -> None:
    monkeypatch.setattr(history, "LINES_AT_ONCE", 150)
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, breaking(getattr(owner, name), after))
        with pytest.raises(Broken):
            fill(*evening)
    completed = fill(*evening)
    call_command("flush", verbosity=0, interactive=False)
    assert completed == fill(*evening)


def test_going_on_later_is_the_same_as_going_on_at_once(evening: tuple[datetime, datetime]) -> None:
    start, end = evening
    fill(start, start + timedelta(minutes=23))
    in_two_parts = fill(start + timedelta(minutes=23), end)
    call_command("flush", verbosity=0, interactive=False)
    assert in_two_parts == fill(start, end)


def test_it_is_asked_as_often_as_about_live_streams(evening: tuple[datetime, datetime]) -> None:
    found = fill(*evening)
    assert (found["PresencePoll"], found["StreamSample"]) == (9, 44)
