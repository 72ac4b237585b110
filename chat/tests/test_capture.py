"""A real capture comes to exactly the totals that other code counted from it. It is not ours to ship."""

import asyncio
import json
import threading
from collections import Counter
from typing import Any

import pytest
import redis
from django.conf import settings
from django.core.management import call_command
from django.db.models import Count, Sum

from chat.emotesets import apply_set
from chat.ingest.emoteupdates import EmoteUpdates
from chat.ingest.pipeline import read_chat
from chat.ingest.queue import STREAM, LineGroup, connect_writer
from chat.ingest.store import Store
from chat.ingest.writer import Writer
from chat.models import ChatEvent, ChatMinute, DeadLetter, EmoteDay, EmoteSetEntry, Message, ModerationEvent
from chat.providers import SetEntry
from chat.tests.patience import run, until, until_in_threads
from chat.tests.tables import channel, counted_again, counters, everything
from chat.tests.writers import in_thread
from streamstats.simulator.feeds import LineFile, serve_file
from streamstats.simulator.server import SimulatedTwitch
from viewers.models import ViewerTotal

DATA = settings.BASE_DIR.parent / "shared" / "data"
CAPTURE = DATA / "chat-5000.irc"
PROVIDERS = DATA / "chat-5000.providers.json"

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not CAPTURE.is_file(), reason=f"the capture is not here: {CAPTURE} does not exist"),
]


def totals() -> dict[str, Any]:
    """What the capture came to, in the words of its expected totals."""
    uses = Counter(
        {
            (emote["emote__provider"], emote["emote__provider_id"], emote["emote__name"]): emote["sum"]
            for emote in EmoteDay.objects.values("emote__provider", "emote__provider_id", "emote__name").annotate(
                sum=Sum("uses")
            )
        }
    )
    twitch = {id_: number for (provider, id_, _), number in uses.items() if provider == "twitch"}
    others = {":".join(key): number for key, number in uses.items() if key[0] not in ("twitch", "emoji")}
    return {
        "lines": Message.objects.count() + ModerationEvent.objects.count() + ChatEvent.objects.count(),
        "commands": {
            "PRIVMSG": Message.objects.count(),
            "CLEARCHAT": ModerationEvent.objects.count(),
            "USERNOTICE": ChatEvent.objects.count(),
        },
        "usernotice": _by_kind(ChatEvent),
        "clearchat": _by_kind(ModerationEvent),
        "messages": channel().counts.messages,
        "messages_removed_by_clearchat": Message.objects.exclude(removed_at=None).count(),
        "viewers_who_spoke": channel().counts.chatters,
        "busiest_viewers": dict(
            ViewerTotal.objects.order_by("-messages", "viewer").values_list("viewer", "messages")[:10]
        ),
        "messages_per_minute": {
            str(round(minute.timestamp())): number
            for minute, number in ChatMinute.objects.values_list("minute", "messages")
        },
        "twitch_emote_uses": sum(twitch.values()),
        "twitch_emotes": twitch,
        "third_party_emote_uses": sum(others.values()),
        "third_party_emotes": others,
    }


def _by_kind(model: Any) -> dict[str, int]:
    return dict(model.objects.order_by().values_list("kind").annotate(Count("pk")))


@pytest.fixture(scope="module")
def expected() -> dict[str, Any]:
    return dict(json.loads((DATA / "chat-5000.expected.json").read_text()))


@pytest.fixture
def replayed() -> None:
    call_command("replay", str(CAPTURE), emotes=PROVIDERS, verbosity=0)


def test_replay_comes_to_every_expected_total(replayed, expected):
    assert totals() == expected


def test_replay_with_sets_of_its_own_does_not_mind_the_sets_of_today(expected):
    today = [SetEntry("ffz", "42", "LULW", "LULW", "", is_zero_width=False, is_animated=False)]
    apply_set(None, "ffz", today)
    call_command("replay", str(CAPTURE), emotes=PROVIDERS, verbosity=0)
    assert totals() == expected
    assert [entry.name for entry in EmoteSetEntry.objects.filter(channel=None, provider="ffz")] == ["LULW"]


def test_every_line_was_understood(replayed):
    assert not DeadLetter.objects.exists()


def test_counters_equal_a_count_of_the_rows(replayed):
    assert counters() == counted_again()


def test_a_second_replay_changes_nothing(replayed):
    before = everything()
    call_command("replay", str(CAPTURE), emotes=PROVIDERS, again=True)
    assert everything() == before


def test_rebuilding_the_rollups_changes_nothing(replayed, capsys):
    before = everything()
    call_command("rebuildrollups")
    assert everything() == before
    assert "Every counter was right." in capsys.readouterr().out


# Over IRC


def is_queued(client: "redis.Redis", line: bytes) -> bool:
    newest: Any = client.xrevrange(STREAM, count=3)
    return any(line in entry[b"lines"] for _, entry in newest)


async def read_over_irc(client: "redis.Redis", settings: Any) -> None:
    """Let the simulator send the capture, and the reader put all of it into the queue."""
    file = LineFile(CAPTURE)
    *_, last = file
    stop = asyncio.Event()
    async with SimulatedTwitch(file.rooms) as twitch:
        settings.TWITCH_IRC_URL = twitch.irc_url
        reading = asyncio.create_task(read_chat(stop, followed=lambda: frozenset(file.rooms)))
        await serve_file(twitch, file, rate=0, after_joins=1)
        await until(lambda: is_queued(client, last))
        stop.set()
        await reading


def write_all(client: "redis.Redis", settings: Any) -> None:
    """Write what is in the queue."""
    stop = threading.Event()

    def stop_when_empty() -> None:
        until_in_threads(lambda: not client.xlen(STREAM))
        stop.set()

    waiting = in_thread(stop_when_empty)
    group = LineGroup(connect_writer(settings.REDIS_URL), "writer")
    Writer(group, client, Store(), EmoteUpdates(client)).run(stop)
    waiting.result()


def test_the_capture_served_over_irc_comes_to_every_expected_total(expected, redis_client, settings):
    call_command("emotesets", file=PROVIDERS)
    run(lambda: read_over_irc(redis_client, settings))
    write_all(redis_client, settings)
    assert totals() == expected
    assert counters() == counted_again()
