"""One EventSub frame in, one event out. Pure: no sockets, no clock, and never an exception.

All text in a frame is somebody's: ids have to look like ids, everything else is cut to length, and what Postgres
could not hold is replaced.
"""

import json
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any, TypeAlias

from chat.ingest.events import Ignored, Unreadable
from chat.ingest.eventsub_events import (
    ChannelChanged,
    Deed,
    Fact,
    Notification,
    Person,
    Redeemed,
    StreamOffline,
    StreamOnline,
    Told,
)
from chat.ingest.irc import LATEST_MS

Object: TypeAlias = dict[str, Any]

MOMENT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)", re.ASCII)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOST = 2**31 - 1
LONGEST_TEXT = 2000
LONGEST_TITLE = 128
LONGEST_ID = {"user": 32, "reward": 96, "other": 64}
MOST_CHOICES = 20
STATUSES = frozenset({"unfulfilled", "fulfilled", "canceled"})


def parse(raw: bytes) -> Notification | Ignored | Unreadable:
    """Read one frame."""
    try:
        return _read(raw)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        return Unreadable(f"eventsub: {type(error).__name__}: {_cut(str(error), 200)}")


def _read(raw: bytes) -> Notification | Ignored | Unreadable:
    frame = _object(json.loads(raw), "the frame")
    metadata, payload = _object(frame["metadata"], "metadata"), _object(frame["payload"], "payload")
    message_type = metadata["message_type"]
    if message_type != "notification":
        return Ignored(_cut(str(message_type), 40))
    subscription = _object(payload["subscription"], "subscription")
    kind = str(subscription["type"])
    reader = READERS.get(kind)
    if reader is None:
        return Ignored(kind) if kind in IGNORED else Unreadable(f"eventsub: unknown event {_cut(kind, 60)!r}")
    return reader(
        Frame(
            type=kind,
            id=_short(str(metadata["message_id"])),
            sent_ms=_moment(metadata["message_timestamp"]),
            condition=_object(subscription.get("condition") or {}, "condition"),
            event=_object(payload["event"], "event"),
        )
    )


class Frame:
    """A notification while it is read. Whoever is named in it is remembered."""

    def __init__(self, *, type: str, id: str, sent_ms: int, condition: Object, event: Object) -> None:  # noqa: A002
        self.type = type
        self.id = id
        self.sent_ms = sent_ms
        self.condition = condition
        self.event = event
        self.people: dict[str, Person] = {}

    def person(self, whose: str = "user", within: Object | None = None) -> Person:
        """Read a user's id, login and name. Raises ValueError where there is nobody."""
        person = self.person_or_nobody(whose, within)
        if not person.id:
            raise ValueError(f"{whose}_id is empty")
        return person

    def person_or_nobody(self, whose: str = "user", within: Object | None = None) -> Person:
        """Read a user; all is empty of one who stays anonymous."""
        told = self.event if within is None else within
        if not told[f"{whose}_id"]:
            return Person("", "", "")
        login = _login(told[f"{whose}_login"])
        name = _text(told.get(f"{whose}_name"), LONGEST_ID["other"])
        person = Person(_id(told[f"{whose}_id"], "user"), login, name or login)
        self.people[person.id] = person
        return person

    def moderator(self) -> str:
        return self.person_or_nobody("moderator_user").id

    def tells(self, fact: Fact | None, whose: str = "broadcaster_user") -> Notification:
        """Say what it means for a channel."""
        room_id, login = _id(self.event[f"{whose}_id"], "user"), _login(self.event[f"{whose}_login"])
        return Notification(self.type, self.sent_ms, room_id, login, tuple(self.people.values()), fact)

    def tells_of_people(self) -> Notification:
        return Notification(self.type, self.sent_ms, "", "", tuple(self.people.values()), None)


# Single values


def _object(value: Any, what: str) -> Object:
    if not isinstance(value, dict):
        raise TypeError(f"{what} is no object")
    return value


def _id(value: Any, what: str = "other") -> str:
    if not isinstance(value, str) or not value or len(value) > LONGEST_ID[what]:
        raise ValueError(f"{_cut(repr(value), 60)} cannot be an id")
    if not value.isprintable() or not value.isascii() or " " in value:
        raise ValueError(f"{_cut(ascii(value), 60)} cannot be an id")
    return value


def _login(value: Any) -> str:
    if not isinstance(value, str) or not value.isprintable() or not 0 < len(value) <= LONGEST_ID["other"]:
        raise ValueError(f"{_cut(ascii(value), 60)} cannot be a login")
    return value.lower()


def _text(value: Any, most: int = LONGEST_TEXT) -> str:
    """What somebody wrote; empty where nothing is told."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError(f"{_cut(repr(value), 60)} is no text")
    return _cut(value, most)


def _cut(value: str, most: int) -> str:
    """Leave out what Postgres cannot hold: NUL, and halves of characters, of which JSON makes texts."""
    return value[:most].replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def _number(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{_cut(repr(value), 60)} is no amount")
    return min(value, MOST)


def _moment(value: Any) -> int:
    """Read an RFC 3339 time of up to nanoseconds; what is finer than a millisecond is cut off."""
    found = MOMENT.fullmatch(value)
    if not found:
        raise ValueError(f"{_cut(repr(value), 60)} is no time")
    whole = datetime.fromisoformat(found[1] + found[3].replace("Z", "+00:00"))
    ms = (whole - EPOCH) // timedelta(milliseconds=1) + int((found[2] or "")[:3].ljust(3, "0"))
    if not 0 < ms <= LATEST_MS:
        raise ValueError(f"{found[0]} is out of range")
    return ms


def _short(message_id: str) -> str:
    return _id(message_id) if len(message_id) <= LONGEST_ID["other"] else _named(message_id)


def _named(*parts: object) -> str:
    """Make an id of what tells a fact from all others: the same, told under another message id, is the same."""
    return blake2b(json.dumps(parts).encode(), digest_size=20).hexdigest()


def _message(event: Object) -> str:
    message = event.get("message")
    return _text(message.get("text")) if isinstance(message, dict) else _text(message)


# Streams


def _online(frame: Frame) -> Notification:
    return frame.tells(StreamOnline(_id(frame.event["id"], "user"), _moment(frame.event["started_at"])))


def _offline(frame: Frame) -> Notification:
    return frame.tells(StreamOffline())


def _changed(frame: Frame) -> Notification:
    event = frame.event
    return frame.tells(
        ChannelChanged(
            _text(event["title"], 255), _text(event["category_id"], 32), _text(event["category_name"], LONGEST_TITLE)
        )
    )


# Channel points


def _redeemed(frame: Frame) -> Notification:
    event, reward = frame.event, _object(frame.event["reward"], "reward")
    status = event.get("status")
    return frame.tells(
        Redeemed(
            id=_id(event["id"]),
            viewer_id=frame.person().id,
            reward_id=_id(reward["id"], "reward"),
            title=_text(reward["title"], LONGEST_TITLE),
            cost=_number(reward["cost"]),
            prompt=_text(reward.get("prompt")),
            is_automatic=False,
            status=status if status in STATUSES else "unknown",
            text=_text(event.get("user_input")),
            redeemed_ms=_moment(event["redeemed_at"]),
        )
    )


def _redeemed_automatically(frame: Frame) -> Notification:
    event, reward = frame.event, _object(frame.event["reward"], "reward")
    name = _id(reward["type"], "reward")
    cost = reward["channel_points"] if "channel_points" in reward else reward["cost"]
    return frame.tells(
        Redeemed(
            id=_id(event["id"]),
            viewer_id=frame.person().id,
            reward_id=name,
            title=name.replace("_", " ").capitalize(),
            cost=_number(cost),
            prompt="",
            is_automatic=True,
            status="fulfilled",
            text=_message(event) or _text(event.get("user_input")),
            redeemed_ms=_moment(event["redeemed_at"]),
        )
    )


# Followers and subscriptions. What chat tells too is named as chat names it.


def _followed(frame: Frame) -> Notification:
    viewer, at_ms = frame.person(), _moment(frame.event["followed_at"])
    fact_id = _named(frame.type, frame.event["broadcaster_user_id"], viewer.id, at_ms)
    return frame.tells(Told(fact_id, "follow", at_ms, viewer.id))


def _subscribed(frame: Frame) -> Notification:
    """Somebody began to pay, or was given it: then who gave it is told by another event."""
    event, viewer = frame.event, frame.person()
    plan = {"sub-plan": _text(event["tier"], 16)}
    if event["is_gift"]:
        return frame.tells(Told(frame.id, "subgift", frame.sent_ms, amount=1, recipient_id=viewer.id, params=plan))
    return frame.tells(Told(frame.id, "sub", frame.sent_ms, viewer.id, params=plan))


def _resubscribed(frame: Frame) -> Notification:
    event, viewer = frame.event, frame.person()
    months = _number(event["cumulative_months"])
    told = {"cumulative-months": months, "streak-months": event.get("streak_months")}
    told["multimonth-duration"] = event.get("duration_months")
    params = {"sub-plan": _text(event["tier"], 16)}
    params |= {name: str(_number(value)) for name, value in told.items() if value is not None}
    return frame.tells(Told(frame.id, "resub", frame.sent_ms, viewer.id, months, _message(event), params=params))


def _gave(frame: Frame) -> Notification:
    event = frame.event
    giver = "" if event.get("is_anonymous") else frame.person_or_nobody().id
    params = {"sub-plan": _text(event["tier"], 16), "mass-gift-count": str(_number(event["total"]))}
    if event.get("cumulative_total") is not None:
        params["sender-count"] = str(_number(event["cumulative_total"]))
    return frame.tells(Told(frame.id, "submysterygift", frame.sent_ms, giver, _number(event["total"]), params=params))


def _unsubscribed(frame: Frame) -> Notification:
    event = frame.event
    params = {"sub-plan": _text(event["tier"], 16), "was-gifted": bool(event["is_gift"])}
    return frame.tells(Told(frame.id, "subscription_end", frame.sent_ms, frame.person().id, params=params))


# Bits and raids


def _cheered(frame: Frame) -> Notification:
    event = frame.event
    viewer = "" if event.get("is_anonymous") else frame.person_or_nobody().id
    return frame.tells(Told(frame.id, "cheer", frame.sent_ms, viewer, _number(event["bits"]), _message(event)))


def _used_bits(frame: Frame) -> Notification:
    """Cheers once more, and what chat does not tell: power-ups, combos and whatever comes next."""
    event = frame.event
    use = _text(event["type"], 64)
    power_up = event.get("power_up")
    effect = _text(power_up.get("type"), 64) if isinstance(power_up, dict) else ""
    params = {"type": use} | ({"power-up": effect} if effect else {})
    kind = use if use in ("cheer", "power_up") else "bits"
    viewer, bits = frame.person_or_nobody().id, _number(event["bits"])
    return frame.tells(Told(frame.id, kind, frame.sent_ms, viewer, bits, _message(event), params=params))


def _raided(frame: Frame) -> Notification:
    """Two channels take part; it is told to the one that was subscribed to."""
    viewers = _number(frame.event["viewers"])
    raider, raided = frame.person("from_broadcaster_user"), frame.person("to_broadcaster_user")
    if frame.condition.get("to_broadcaster_user_id"):
        shown = {"displayName": raider.display_name, "login": raider.login, "viewerCount": str(viewers)}
        return frame.tells(
            Told(frame.id, "raid", frame.sent_ms, raider.id, viewers, params=shown), "to_broadcaster_user"
        )
    shown = {"displayName": raided.display_name, "login": raided.login, "viewerCount": str(viewers)}
    out = Told(frame.id, "raid_out", frame.sent_ms, amount=viewers, recipient_id=raided.id, params=shown)
    return frame.tells(out, "from_broadcaster_user")


# Polls, predictions, hype trains and shared chats, once they are over. Who voted or gave what stays out.


def _objects(value: Any) -> list[Object]:
    return [_object(each, "a part") for each in value[:MOST_CHOICES]] if isinstance(value, list) else []


def _poll_ended(frame: Frame) -> Notification:
    event = frame.event
    choices = [
        {
            "title": _text(choice["title"], LONGEST_TITLE),
            "votes": _number(choice.get("votes") or 0),
            "points-votes": _number(choice.get("channel_points_votes") or 0),
        }
        for choice in _objects(event["choices"])
    ]
    params = {"title": _text(event["title"], 255), "status": _text(event["status"], 32), "choices": choices}
    votes = min(sum(choice["votes"] for choice in choices if isinstance(choice["votes"], int)), MOST)
    return frame.tells(Told(_id(event["id"]), "poll", _moment(event["ended_at"]), amount=votes, params=params))


def _prediction_ended(frame: Frame) -> Notification:
    event = frame.event
    winner = event.get("winning_outcome_id")
    outcomes = [
        {
            "title": _text(outcome["title"], LONGEST_TITLE),
            "users": _number(outcome.get("users") or 0),
            "points": _number(outcome.get("channel_points") or 0),
            "won": bool(winner) and outcome["id"] == winner,
        }
        for outcome in _objects(event["outcomes"])
    ]
    params = {"title": _text(event["title"], 255), "status": _text(event["status"], 32), "outcomes": outcomes}
    points = min(sum(_number(outcome.get("channel_points") or 0) for outcome in _objects(event["outcomes"])), MOST)
    return frame.tells(Told(_id(event["id"]), "prediction", _moment(event["ended_at"]), amount=points, params=params))


def _hype_train_ended(frame: Frame) -> Notification:
    event = frame.event
    level = _number(event["level"])
    params = {
        "total": _number(event["total"]),
        "type": _text(event.get("type"), 32),
        "is-shared": bool(event.get("is_shared_train")),
        "started-at": _moment(event["started_at"]),
    }
    return frame.tells(Told(_id(event["id"]), "hype_train", _moment(event["ended_at"]), amount=level, params=params))


def _shared_chat(part: str) -> Callable[[Frame], Notification]:
    def read(frame: Frame) -> Notification:
        event = frame.event
        session = _id(event["session_id"])
        with_whom = [
            _login(each["broadcaster_user_login"])
            for each in _objects(event.get("participants"))
            if each["broadcaster_user_id"] != event["broadcaster_user_id"]
        ]
        told = {"session": session, "host": _id(event["host_broadcaster_user_id"], "user")}
        params: Object = told | ({"with": with_whom} if "participants" in event else {})
        # It begins and ends once, and changes any number of times.
        fact_id = frame.id if part == "update" else _named(frame.type, event["broadcaster_user_id"], session)
        return frame.tells(Told(fact_id, f"shared_chat_{part}", frame.sent_ms, amount=len(with_whom), params=params))

    return read


# Deeds of moderators


def _banned(frame: Frame) -> Notification:
    event, target = frame.event, frame.person()
    at_ms = _moment(event["banned_at"])
    is_ban = event["is_permanent"] or not event.get("ends_at")
    return frame.tells(
        Deed(
            "ban" if is_ban else "timeout",
            at_ms,
            target.id,
            target.login,
            duration_seconds=None if is_ban else _seconds(at_ms, _moment(event["ends_at"])),
            moderator_id=frame.moderator(),
            reason=_text(event.get("reason")),
        )
    )


def _seconds(from_ms: int, to_ms: int) -> int:
    return min(max(round((to_ms - from_ms) / 1000), 0), MOST)


def _about(kind: str) -> Callable[[Frame], Notification]:
    """A deed that is no more than its kind, target and moderator."""

    def read(frame: Frame) -> Notification:
        target = frame.person()
        moderator = frame.moderator() if "moderator_user_id" in frame.event else ""
        return frame.tells(Deed(kind, frame.sent_ms, target.id, target.login, moderator_id=moderator))

    return read


def _moderated(frame: Frame) -> Notification:
    """Anything that moderators do. Beside the action there is one object, mostly of the same name."""
    action = _id(frame.event["action"], "user")
    details = frame.event.get(DETAILS.get(action, action)) or {}
    details = _object(details, action)
    target = frame.person("user", details) if details.get("user_id") else Person("", "", "")
    at_ms, seconds = frame.sent_ms, _setting_seconds(details)
    if details.get("expires_at"):
        end_ms = _moment(details["expires_at"])
        at_ms = min(at_ms, end_ms - 1000)  # told after a short one was over, it had begun before
        seconds = _seconds(at_ms, end_ms)
    return frame.tells(
        Deed(
            action,
            at_ms,
            target.id,
            target.login,
            message_id=_id(details["message_id"]) if details.get("message_id") else "",
            duration_seconds=seconds,
            moderator_id=frame.moderator(),
            reason=_reason(details),
        )
    )


def _setting_seconds(details: Object) -> int | None:
    if details.get("wait_time_seconds") is not None:
        return _number(details["wait_time_seconds"])
    if details.get("follow_duration_minutes") is not None:
        return min(_number(details["follow_duration_minutes"]) * 60, MOST)
    return None


def _reason(details: Object) -> str:
    """Why, in the words of whoever did it; for a rule, what it says."""
    given = _text(details.get("reason")) or _text(details.get("moderator_message"))
    listed: Iterable[Any] = details.get("chat_rules_cited") or details.get("terms") or ()
    rules = ", ".join(_text(each, 200) for each in listed)
    return _cut(": ".join(filter(None, [given, rules])), LONGEST_TEXT)


def _renamed(frame: Frame) -> Notification:
    frame.person()
    return frame.tells_of_people()


DETAILS = {
    **dict.fromkeys(
        ("add_blocked_term", "add_permitted_term", "remove_blocked_term", "remove_permitted_term"), "automod_terms"
    ),
    **dict.fromkeys(("approve_unban_request", "deny_unban_request"), "unban_request"),
}
READERS: dict[str, Callable[[Frame], Notification]] = {
    "stream.online": _online,
    "stream.offline": _offline,
    "channel.update": _changed,
    "channel.channel_points_custom_reward_redemption.add": _redeemed,
    "channel.channel_points_custom_reward_redemption.update": _redeemed,
    "channel.channel_points_automatic_reward_redemption.add": _redeemed_automatically,
    "channel.follow": _followed,
    "channel.subscribe": _subscribed,
    "channel.subscription.message": _resubscribed,
    "channel.subscription.gift": _gave,
    "channel.subscription.end": _unsubscribed,
    "channel.cheer": _cheered,
    "channel.bits.use": _used_bits,
    "channel.raid": _raided,
    "channel.poll.end": _poll_ended,
    "channel.prediction.end": _prediction_ended,
    "channel.hype_train.end": _hype_train_ended,
    "channel.shared_chat.begin": _shared_chat("begin"),
    "channel.shared_chat.update": _shared_chat("update"),
    "channel.shared_chat.end": _shared_chat("end"),
    "channel.ban": _banned,
    "channel.unban": _about("unban"),
    "channel.moderate": _moderated,
    "channel.moderator.add": _about("mod"),
    "channel.moderator.remove": _about("unmod"),
    "channel.vip.add": _about("vip"),
    "channel.vip.remove": _about("unvip"),
    "user.update": _renamed,
}
# What is told better by the event at the end of it, by chat, or by the grant itself.
IGNORED = frozenset(
    {
        "channel.poll.begin",
        "channel.poll.progress",
        "channel.prediction.begin",
        "channel.prediction.progress",
        "channel.prediction.lock",
        "channel.hype_train.begin",
        "channel.hype_train.progress",
        "channel.chat.message",
        "channel.chat.notification",
        "channel.chat.message_delete",
        "channel.chat.clear",
        "channel.chat.clear_user_messages",
        "channel.chat_settings.update",
        "user.authorization.grant",
        "user.authorization.revoke",
    }
)
