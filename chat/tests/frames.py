"""EventSub notifications for tests, as Twitch sends them. Times are seconds after NOON."""

import json
from collections.abc import Mapping
from itertools import count
from typing import Any

from chat.tests.lines import NOON, id_of, moment, number_of
from streamstats.simulator.eventofeach import ACTIONS_WITH_DETAILS, Event, events_of_each
from streamstats.simulator.irc import Room


def rfc3339(at: float) -> str:
    return f"{moment(at):%Y-%m-%dT%H:%M:%S.%f}000Z"


def who(prefix: str, name: str | None) -> Event:
    """Somebody's id, login and name; null of nobody."""
    values = (None, None, None) if name is None else (number_of(name), name, name.capitalize())
    return dict(zip((f"{prefix}_id", f"{prefix}_login", f"{prefix}_name"), values, strict=True))


def frame(
    kind: str, event: Mapping[str, Any], *, at: float = 0, message_id: str = "", condition: Event | None = None
) -> bytes:
    """One notification; the same content has the same message id."""
    metadata = {
        "message_id": message_id or id_of(kind, at, sorted(event.items(), key=str)),
        "message_type": "notification",
        "message_timestamp": rfc3339(at),
        "subscription_type": kind,
        "subscription_version": "1",
    }
    subscription = {
        "id": id_of(kind),
        "status": "enabled",
        "type": kind,
        "version": "1",
        "cost": 0,
        "condition": condition or {"broadcaster_user_id": event.get("broadcaster_user_id")},
        "transport": {"method": "websocket", "session_id": "AQoQ"},
        "created_at": rfc3339(-3600),
    }
    return json.dumps({"metadata": metadata, "payload": {"subscription": subscription, "event": event}}).encode()


def told(
    kind: str,
    *,
    user: str | None = "alice",
    channel: str = "example",
    at: float = 0,
    message_id: str = "",
    **event: Any,
) -> bytes:
    """A notification about a viewer of a channel; `user=None` is nobody."""
    about = {**who("broadcaster_user", channel), **who("user", user), **event}
    return frame(kind, about, at=at, message_id=message_id)


def of_channel(kind: str, *, channel: str = "example", at: float = 0, **event: Any) -> bytes:
    """A notification about nobody but the channel."""
    return frame(kind, {**who("broadcaster_user", channel), **event}, at=at)


def online(stream: str = "9001", *, at: float = 0, started: float = 0) -> bytes:
    return of_channel("stream.online", at=at, id=stream, type="live", started_at=rfc3339(started))


def redemption(
    *,
    user: str = "alice",
    at: float = 0,
    told_at: float | None = None,
    status: str = "unfulfilled",
    cost: int = 500,
    reward: str = "hydrate",
    text: str = "",
    part: str = "add",
    number: int = 1,
) -> bytes:
    """Points spent on a reward of the channel's own; `part` is "update" when their status changed."""
    return told(
        f"channel.channel_points_custom_reward_redemption.{part}",
        user=user,
        at=at if told_at is None else told_at,
        id=id_of("redemption", user, at, reward, number),
        user_input=text,
        status=status,
        reward={"id": id_of(reward), "title": reward.capitalize(), "cost": cost, "prompt": "Do it!"},
        redeemed_at=rfc3339(at),
    )


def automatic(kind: str = "send_highlighted_message", *, at: float = 0, cost: int = 100, text: str = "look") -> bytes:
    """Points spent on a reward that Twitch has everywhere."""
    return told(
        "channel.channel_points_automatic_reward_redemption.add",
        at=at,
        id=id_of("automatic", kind, at),
        redeemed_at=rfc3339(at),
        reward={"type": kind, "channel_points": cost, "emote": None},
        message={"text": text, "fragments": [{"type": "text", "text": text, "emote": None}]},
    )


def follow(user: str = "alice", **changes: Any) -> bytes:
    return told("channel.follow", user=user, followed_at=rfc3339(changes.get("at", 0)), **changes)


def subscribe(user: str = "alice", *, is_gift: bool = False, **changes: Any) -> bytes:
    return told("channel.subscribe", user=user, tier="1000", is_gift=is_gift, **changes)


def resubscribe(user: str = "alice", *, months: int = 9, text: str = "nine months", **changes: Any) -> bytes:
    return told(
        "channel.subscription.message",
        user=user,
        tier="1000",
        message={"text": text, "emotes": None},
        cumulative_months=months,
        streak_months=None,
        duration_months=1,
        **changes,
    )


def gift(total: int, *, user: str | None = "judy", cumulative: int | None = None, **changes: Any) -> bytes:
    anonymous = user is None
    told_total: Event = {"total": total, "tier": "1000", "cumulative_total": cumulative, "is_anonymous": anonymous}
    return told("channel.subscription.gift", user=user, **told_total, **changes)


def cheer(bits: int, *, user: str | None = "alice", text: str = "Cheer", **changes: Any) -> bytes:
    return told("channel.cheer", user=user, is_anonymous=user is None, message=text, bits=bits, **changes)


def bits_use(
    bits: int, *, user: str | None = "alice", text: str = "Cheer", use: str = "cheer", **changes: Any
) -> bytes:
    effect = {"type": "gigantify_an_emote", "emote": {"id": "25", "name": "Kappa"}, "message_effect_id": None}
    return told(
        "channel.bits.use",
        user=user,
        bits=bits,
        type=use,
        message={"text": text, "fragments": []},
        power_up=effect if use == "power_up" else None,
        **changes,
    )


def raid(
    raider: str = "ivan", raided: str = "example", *, viewers: int = 120, is_out: bool = False, **changes: Any
) -> bytes:
    """A raid as the raided channel is told, or as the raider is."""
    event = {**who("from_broadcaster_user", raider), **who("to_broadcaster_user", raided), "viewers": viewers}
    condition = {
        "from_broadcaster_user_id": number_of(raider) if is_out else "",
        "to_broadcaster_user_id": "" if is_out else number_of(raided),
    }
    return frame("channel.raid", event, condition=condition, **changes)


def ban(
    user: str = "erin",
    *,
    at: float = 0,
    told_at: float | None = None,
    seconds: float | None = None,
    by: str = "molly",
    reason: str = "spam",
) -> bytes:
    """A ban, or a timeout if there are seconds."""
    return told(
        "channel.ban",
        user=user,
        at=at if told_at is None else told_at,
        **who("moderator_user", by),
        reason=reason,
        banned_at=rfc3339(at),
        ends_at=None if seconds is None else rfc3339(at + seconds),
        is_permanent=seconds is None,
    )


def unban(user: str = "erin", *, by: str = "molly", **changes: Any) -> bytes:
    return told("channel.unban", user=user, **who("moderator_user", by), **changes)


def moderate(
    action: str, details: Event | None = None, *, within: str = "", by: str = "molly", **changes: Any
) -> bytes:
    """A deed, with its one object, which has the name of the action or another."""
    event: Event = {
        **who("broadcaster_user", "example"),
        **who("source_broadcaster_user", None),
        **who("moderator_user", by),
        "action": action,
        **dict.fromkeys(ACTIONS_WITH_DETAILS),
    }
    if details is not None:
        event[within or action] = details
    return frame("channel.moderate", event, **changes)


def moderate_ban(user: str = "erin", *, reason: str = "spam", **changes: Any) -> bytes:
    return moderate("ban", {**who("user", user), "reason": reason}, **changes)


def moderate_timeout(user: str = "erin", *, ends: float = 600, reason: str = "spam", **changes: Any) -> bytes:
    return moderate("timeout", {**who("user", user), "reason": reason, "expires_at": rfc3339(ends)}, **changes)


def moderate_delete(message_id: str, *, user: str = "erin", **changes: Any) -> bytes:
    details = {**who("user", user), "message_id": message_id, "message_body": "what they wrote"}
    return moderate("delete", details, **changes)


def one_of_each(channel: str = "example") -> list[bytes]:
    """A notification of every kind, a second apart."""
    numbers = count()
    events = events_of_each(Room(channel, number_of(channel)), NOON, lambda: id_of("event", next(numbers)))
    return [
        frame(kind, event, at=place, message_id=id_of("frame", place), condition=condition)
        for place, (kind, condition, event) in enumerate(events)
    ]
