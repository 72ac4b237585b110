"""A channel of which the API tells what its document gives as examples, and somebody who is not to be seen."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from django.core.signals import request_finished, request_started
from django.db import close_old_connections

from chat.models import ChatEvent, Emote, EmoteTotal, Message, ModerationEvent, Redemption, Reward, ViewerEmote
from streams.models import Channel, ChannelTotal, Stream, StreamSample, StreamSegment
from viewers.models import (
    Award,
    Claim,
    Consent,
    Profile,
    Standing,
    Summary,
    Viewer,
    ViewerName,
    ViewerTotal,
    ViewSession,
    WikiRevision,
)

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
STREAM = "40952121085"
CHANNEL = "141981764"
WREN, SHY = "1001", "1003"
ID_OF_EMOTE = 1


class World(NamedTuple):
    channel: Channel
    stream: Stream
    wren: Viewer
    shy: Viewer
    """Somebody who hid themselves everywhere, with a row of each kind."""


def make_world() -> World:
    channel = Channel.objects.create(twitch_id=CHANNEL, login="lantern", display_name="Lantern")
    ChannelTotal.objects.create(
        channel=channel, messages=1204, emotes=310, chatters=96, last_message_at=NOON + 2 * HOUR
    )
    stream = Stream.objects.create(
        id=STREAM, channel=channel, started_at=NOON, ended_at=NOON + 3 * HOUR, title="Bread, slowly",
        category_id="509660", category="Food & Drink", language="en", peak_viewers=812, average_viewers=640,
        messages=5210, chatters=388, watched_by=1460, new_viewers=210, returning_viewers=1250, watch_seconds=6_912_000,
        counted_at=NOON + 3 * HOUR,
    )  # fmt: skip
    StreamSegment.objects.create(
        id=1, stream=stream, started_at=NOON, ended_at=NOON + 3 * HOUR, title="Bread, slowly", category_id="509660",
        category="Food & Drink",
    )  # fmt: skip
    StreamSample.objects.create(id=1, channel=channel, stream=stream, at=NOON + MINUTE, viewers=412)
    emote = Emote.objects.create(
        id=ID_OF_EMOTE, provider="7tv", provider_id="01GGCQHKF0000ABW8DZSQ0GWT1", name="breadDance", is_animated=True,
        image_url="https://cdn.7tv.app/emote/01GGCQHKF0000ABW8DZSQ0GWT1/2x.webp",
    )  # fmt: skip
    EmoteTotal.objects.create(
        channel=channel, emote=emote, uses=77, first_day=date(2026, 4, 1), last_day=date(2026, 5, 1)
    )
    reward = Reward.objects.create(channel=channel, twitch_id="hydrate", title="Hydrate", cost=500)
    wren = make_viewer(channel, WREN, "wren")
    shy = make_viewer(channel, SHY, "shy", hidden_at=NOON)
    for number, viewer in enumerate((wren, shy), 1):
        make_rows(channel, stream, viewer, emote, reward, number)
    return World(channel, stream, wren, shy)


def make_viewer(channel: Channel, twitch_id: str, login: str, **fields: Any) -> Viewer:
    viewer = Viewer.objects.create(
        twitch_id=twitch_id, login=login, display_name=login.title(), named_at=NOON, **fields
    )
    begun = datetime(2026, 1, 1, 12, tzinfo=UTC)
    ViewerName.objects.create(
        viewer=viewer, login=login, display_name=login.title(), first_seen_at=begun, last_seen_at=NOON
    )
    ViewerTotal.objects.create(channel=channel, viewer=viewer, messages=240, first_seen_at=begun, last_seen_at=NOON)
    Standing.objects.create(
        channel=channel, viewer=viewer, period="all", messages=240, emotes=31, watch_seconds=72_000, points=1500,
        streak=4,
    )  # fmt: skip
    return viewer


def make_rows(channel: Channel, stream: Stream, viewer: Viewer, emote: Emote, reward: Reward, number: int) -> None:
    """One row of every kind, of one viewer."""
    of_viewer = {"channel": channel, "viewer": viewer}
    ViewSession.objects.create(
        id=number, **of_viewer, stream=stream, started_at=NOON, ended_at=NOON + HOUR, source="chatters",
        ended_by="absent",
    )  # fmt: skip
    ViewerEmote.objects.create(**of_viewer, emote=emote, uses=12, first_day=date(2026, 4, 2), last_day=date(2026, 5, 1))
    Redemption.objects.create(
        id=f"r{number}", **of_viewer, reward=reward, cost=500, status="fulfilled", text="a secret wish",
        redeemed_at=NOON + 10 * MINUTE,
    )  # fmt: skip
    ChatEvent.objects.create(
        id=f"e{number}", **of_viewer, kind="resub", occurred_at=NOON + 30 * MINUTE, amount=9, text="a secret word",
        system_text="Wren subscribed",
    )  # fmt: skip
    Award.objects.create(**of_viewer, achievement="days", level=1, earned_at=datetime(2026, 5, 1, tzinfo=UTC), value=10)
    Message.objects.create(
        id=f"m{number}", **of_viewer, sent_at=NOON + (21 - number) * MINUTE, text="good evening, bread people",
        badges="subscriber/6",
    )  # fmt: skip
    ModerationEvent.objects.create(
        id=number, channel=channel, kind="timeout", occurred_at=NOON + (41 - number) * MINUTE, target_id=viewer.pk,
        target_login=viewer.login, duration_seconds=600, moderator_id="1002", reason="Shouting.",
    )  # fmt: skip
    profile = Profile.objects.create(**of_viewer)
    text = WikiRevision.objects.create(profile=profile, number=1, text="Bakes *rye*.", role="viewer")
    WikiRevision.objects.filter(pk=text.pk).update(made_at=NOON)
    profile.current = text
    profile.save()
    Consent.objects.create(viewer=viewer, kind=Consent.Kind.SUMMARY, wording="Yes.")
    summary = Summary.objects.create(
        **of_viewer, number=1, state="shown", begun_at=NOON, made_at=NOON + HOUR, made_by="digest"
    )
    Claim.objects.create(summary=summary, position=1, part="portrait", text="Asks a lot about bread.")


@contextmanager
def one_connection() -> Iterator[None]:
    """A server closes its connections after each request, and with ours the world would be gone."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    try:
        yield
    finally:
        for signal in (request_started, request_finished):
            signal.connect(close_old_connections)


def under(channel: str = CHANNEL) -> str:
    return f"/api/v1/channels/{channel}/"


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}
