"""manage.py demo: a history to look at, through the real store."""

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from redis import Redis

from chat.ingest.coverage import KEY, Record, Span, missing
from chat.models import DeadLetter, Emote, EmoteSetEntry, EmoteUsage, Message
from streams.models import Channel, Stream
from streams.tests.cast import make_channel
from streamstats.simulator.moments import moment
from streamstats.simulator.world import DEMO, World

pytestmark = pytest.mark.django_db(transaction=True)  # the store empties its staging tables by committing


@pytest.fixture(autouse=True)
def _as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the settings back that the command points at the simulator."""
    for name in ("TWITCH_CDN_URL", "SEVENTV_URL", "BTTV_CDN_URL"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr(settings, name, getattr(settings, name))


def fill(days: int = 1) -> str:
    out = io.StringIO()
    call_command("demo", days=days, port=8901, stdout=out)
    return out.getvalue()


def test_it_fills_the_past_days_up_to_now(redis_client: Redis) -> None:
    said = fill()
    assert said.endswith("streams of MoonlitMarta. Done.\n")
    assert Message.objects.filter(channel__twitch_id=DEMO.twitch_id).count() > 100
    assert EmoteUsage.objects.exists()
    assert not DeadLetter.objects.exists()


def test_its_channel_is_followed_and_on_air(redis_client: Redis) -> None:
    fill()
    channel = Channel.objects.get(login=DEMO.login)
    assert (channel.twitch_id, channel.display_name, channel.is_followed) == (DEMO.twitch_id, "MoonlitMarta", True)
    assert Stream.objects.get(channel=channel, ended_at=None).title


def test_its_emotes_have_a_past_and_pictures_from_the_simulator(redis_client: Redis) -> None:
    fill()
    assert EmoteSetEntry.objects.filter(channel__login=DEMO.login, since__isnull=False).exists()
    pictures = [emote.url for emote in Emote.objects.exclude(provider="emoji")]
    assert [url for url in pictures if not url.startswith("http://127.0.0.1:8901/cdn/")] == []


def test_a_second_run_does_nothing(redis_client: Redis) -> None:
    fill()
    count = Message.objects.count()
    assert fill() == "MoonlitMarta has its history already, nothing to do. Done.\n"
    assert Message.objects.count() == count


def test_a_run_that_was_broken_off_is_completed(redis_client: Redis) -> None:
    fill()
    entries = set(EmoteSetEntry.objects.values_list("pk", "since", "until"))
    Message.objects.filter(pk__in=list(Message.objects.values_list("pk", flat=True)[:50])).delete()
    count = Message.objects.count()
    Stream.objects.all().delete()
    fill()
    assert Message.objects.count() >= count + 50
    assert set(EmoteSetEntry.objects.values_list("pk", "since", "until")) == entries
    assert Stream.objects.exists()


def test_what_is_missing_after_it_until_a_reader_begins_is_a_gap(redis_client: Redis) -> None:
    fill()
    written: Any = redis_client.hget(KEY.format(DEMO.login), "demo")
    records = {"demo": Record.loads(written)}
    end_ms = records["demo"].spans[-1].end_ms
    records["reader"] = Record(end_ms + 60_000, True, (Span(end_ms + 5000, end_ms + 60_000),))
    gaps, _ = missing(records, decided_ms=0, now_ms=end_ms + 60_000)
    assert gaps == [Span(end_ms, end_ms + 5000, "the reader was not running")]
    assert Message.objects.order_by("-sent_at").values_list("sent_at", flat=True)[0] <= moment(end_ms)


def test_a_later_run_ends_what_went_off_air_and_begins_what_is_on(redis_client: Redis) -> None:
    then = datetime.now(UTC) - timedelta(days=3)
    (show,) = World.watched_at(then).broadcasts(DEMO, then, then + timedelta(milliseconds=1))
    channel = make_channel(DEMO.login, twitch_id=DEMO.twitch_id)
    Stream.objects.create(id=show.id, channel=channel, started_at=moment(show.started_ms))
    fill()
    ended, on_air = Stream.objects.order_by("started_at")
    assert ended.ended_at == moment(show.ended_ms)
    assert (on_air.ended_at, on_air.started_at <= datetime.now(UTC)) == (None, True)


@pytest.mark.parametrize("days", [0, 367])
def test_it_refuses_a_span_that_makes_no_sense(days: int) -> None:
    with pytest.raises(CommandError, match="--days must be from 1 to 366"):
        fill(days)
