"""One event of every kind that EventSub tells about a channel, rare ones and odd ones too."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import uuid4

from streamstats.simulator.irc import Room

Event = dict[str, Any]
Person = tuple[str | None, str | None, str | None]

VIEWER: Person = ("1390001", "oneofeach", "OneOfEach")
TAKER: Person = ("1390003", "taker", "Taker")
MODERATOR: Person = ("1390005", "molly", "Molly")
ELSEWHERE: Person = ("1390009", "elsewhere", "Elsewhere")
NOBODY: Person = (None, None, None)
# What an event about a moderator's deed has a place for; all but one are empty.
ACTIONS_WITH_DETAILS = (
    *("ban", "timeout", "unban", "untimeout", "delete", "warn", "mod", "unmod", "vip", "unvip", "raid", "unraid"),
    *("slow", "followers", "automod_terms", "unban_request", "shared_chat_ban", "shared_chat_unban"),
    *("shared_chat_timeout", "shared_chat_untimeout", "shared_chat_delete"),
)
ACTIONS = ("clear", "emoteonly", "emoteonlyoff", "followersoff", "slowoff", "subscribers", "uniquechat")
POINTS = "channel.channel_points_custom_reward_redemption"


class EventOfEach(NamedTuple):
    """What a notification says: type, the condition of whoever hears it, and the event."""

    type: str
    condition: dict[str, str]
    event: Event


def who(prefix: str, person: Person) -> Event:
    return dict(zip((f"{prefix}_id", f"{prefix}_login", f"{prefix}_name"), person, strict=True))


def rfc3339(at: datetime) -> str:
    """Write a time with nine digits of a second, as EventSub does."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}789Z"


def events_of_each(room: Room, at: datetime, new_id: Callable[[], str] = lambda: str(uuid4())) -> list[EventOfEach]:
    """Write an event of every kind, with ids that are new each time."""
    sheet = _Sheet(room, at, new_id)
    sheet.tell("stream.online", id="9000000001", type="live", started_at=sheet.now)
    _change_title(sheet)
    _spend_points(sheet)
    _subscribe(sheet)
    _give_bits(sheet)
    _raid(sheet)
    _play(sheet)
    _share_chat(sheet)
    _moderate(sheet)
    sheet.told("user.update", {**who("user", sheet.owner), "description": "hello"}, {"user_id": room.twitch_id})
    sheet.tell("stream.offline")
    return sheet.events


class _Sheet:
    """Events as they are written one after the other."""

    def __init__(self, room: Room, at: datetime, new_id: Callable[[], str]) -> None:
        self.room, self.new_id = room, new_id
        self.owner: Person = (room.twitch_id, room.login, room.login.capitalize())
        self.channel, self.viewer = who("broadcaster_user", self.owner), who("user", VIEWER)
        self.moderator = who("moderator_user", MODERATOR)
        self.now, self.later = rfc3339(at), rfc3339(at + timedelta(minutes=10))
        self.events: list[EventOfEach] = []

    def told(self, kind: str, event: Event, condition: dict[str, str] | None = None) -> None:
        self.events.append(EventOfEach(kind, condition or {"broadcaster_user_id": self.room.twitch_id}, event))

    def tell(self, kind: str, **event: Any) -> None:
        self.told(kind, {**self.channel, **event})

    def about_viewer(self, kind: str, **event: Any) -> None:
        self.tell(kind, **{**self.viewer, **event})

    def moderated(self, action: str, details: Event | None = None, within: str = "") -> None:
        nothing = dict.fromkeys(ACTIONS_WITH_DETAILS)
        something = {} if details is None else {within or action: details}
        source = who("source_broadcaster_user", NOBODY)
        self.tell("channel.moderate", **source, **self.moderator, action=action, **{**nothing, **something})


def _change_title(sheet: _Sheet) -> None:
    category = {"category_id": "509658", "category_name": "Just Chatting"}
    sheet.tell("channel.update", title="Now live", language="en", **category, content_classification_labels=[])


def _spend_points(sheet: _Sheet) -> None:
    reward = {"id": sheet.new_id(), "title": "Hydrate", "cost": 500, "prompt": "Drink some water"}
    spent = {"user_input": "cheers!", "reward": reward, "redeemed_at": sheet.now}
    sheet.about_viewer(f"{POINTS}.add", id=sheet.new_id(), **spent, status="unfulfilled")
    sheet.about_viewer(f"{POINTS}.update", id=sheet.new_id(), **spent, status="canceled")
    sheet.about_viewer(
        "channel.channel_points_automatic_reward_redemption.add",
        id=sheet.new_id(),
        reward={"type": "send_highlighted_message", "channel_points": 100, "emote": None},
        message={"text": "look here", "fragments": [{"type": "text", "text": "look here", "emote": None}]},
        redeemed_at=sheet.now,
    )


def _subscribe(sheet: _Sheet) -> None:
    sheet.about_viewer("channel.follow", followed_at=sheet.now)
    sheet.about_viewer("channel.subscribe", tier="1000", is_gift=False)
    sheet.tell("channel.subscribe", **who("user", TAKER), tier="1000", is_gift=True)
    months = {"cumulative_months": 9, "streak_months": None, "duration_months": 1}
    message = {"text": "nine months", "emotes": None}
    sheet.about_viewer("channel.subscription.message", tier="2000", message=message, **months)
    sheet.about_viewer("channel.subscription.gift", total=5, tier="1000", cumulative_total=25, is_anonymous=False)
    anonymous = {**who("user", NOBODY), "cumulative_total": None, "is_anonymous": True}
    sheet.tell("channel.subscription.gift", total=1, tier="1000", **anonymous)
    sheet.about_viewer("channel.subscription.end", tier="1000", is_gift=False)


def _give_bits(sheet: _Sheet) -> None:
    sheet.about_viewer("channel.cheer", is_anonymous=False, message="Cheer100 well done", bits=100)
    sheet.tell("channel.cheer", **who("user", NOBODY), is_anonymous=True, message="Anon10", bits=10)
    use, text = "channel.bits.use", {"text": "Cheer50 again", "fragments": []}
    sheet.about_viewer(use, bits=50, type="cheer", message=text, power_up=None)
    power_up = {"type": "celebration", "emote": {"id": "25", "name": "Kappa"}, "message_effect_id": None}
    sheet.about_viewer(use, bits=30, type="power_up", message=None, power_up=power_up)
    sheet.about_viewer(use, bits=5, type="combo", message=None, power_up=None)


def _raid(sheet: _Sheet) -> None:
    """Raids are told to both sides, each of which asked for its own."""
    for raider, raided, side in ((ELSEWHERE, sheet.owner, "to"), (sheet.owner, ELSEWHERE, "from")):
        event = {**who("from_broadcaster_user", raider), **who("to_broadcaster_user", raided), "viewers": 120}
        sheet.told("channel.raid", event, {f"{side}_broadcaster_user_id": sheet.room.twitch_id})


def _play(sheet: _Sheet) -> None:
    ended = {"started_at": sheet.now, "ended_at": sheet.later}
    choices = [
        {"id": "1", "title": "Yes", "votes": 12, "channel_points_votes": 2},
        {"id": "2", "title": "No", "votes": 3, "channel_points_votes": 0},
    ]
    poll = {"title": "Tea?", "status": "completed", "choices": choices}
    voting = {"channel_points_voting": {"is_enabled": True, "amount_per_vote": 10}}
    sheet.tell("channel.poll.end", id=sheet.new_id(), **poll, **voting, **ended)
    best = {**sheet.viewer, "channel_points_used": 500, "channel_points_won": 900}
    yes = {"id": "1", "title": "Yes", "color": "blue", "users": 4, "channel_points": 900, "top_predictors": [best]}
    no = {"id": "2", "title": "No", "color": "pink", "users": 1, "channel_points": 100, "top_predictors": []}
    prediction = {"title": "Will it rain?", "winning_outcome_id": "1", "status": "resolved", "outcomes": [yes, no]}
    sheet.tell("channel.prediction.end", id=sheet.new_id(), **prediction, **ended)
    train = {
        "total": 5200,
        "level": 4,
        "type": "regular",
        "is_shared_train": False,
        "shared_train_participants": None,
        "top_contributions": [{**sheet.viewer, "type": "bits", "total": 500}],
    }
    sheet.tell("channel.hype_train.end", id=sheet.new_id(), **train, **ended, cooldown_ends_at=sheet.later)


def _share_chat(sheet: _Sheet) -> None:
    shared = {"session_id": sheet.new_id(), **who("host_broadcaster_user", sheet.owner)}
    participants = [sheet.channel, who("broadcaster_user", ELSEWHERE)]
    sheet.tell("channel.shared_chat.begin", **shared, participants=participants)
    sheet.tell("channel.shared_chat.update", **shared, participants=participants)
    sheet.tell("channel.shared_chat.end", **shared)


def _moderate(sheet: _Sheet) -> None:
    viewer, elsewhere = sheet.viewer, who("user", ELSEWHERE)
    banned = {**sheet.moderator, "banned_at": sheet.now}
    sheet.about_viewer("channel.ban", **banned, reason="spam", ends_at=None, is_permanent=True)
    sheet.about_viewer("channel.ban", **banned, reason="", ends_at=sheet.later, is_permanent=False)
    sheet.about_viewer("channel.unban", **sheet.moderator)
    sheet.moderated("ban", {**viewer, "reason": "spam"})
    sheet.moderated("timeout", {**viewer, "reason": "", "expires_at": sheet.later})
    sheet.moderated("delete", {**viewer, "message_id": sheet.new_id(), "message_body": "a plain message"})
    sheet.moderated("warn", {**viewer, "reason": "language", "chat_rules_cited": ["Be kind"]})
    for action in ("unban", "untimeout", "mod", "unmod", "vip", "unvip", "neverheardof"):
        sheet.moderated(action, viewer)
    sheet.moderated("raid", {**elsewhere, "viewer_count": 80})
    sheet.moderated("unraid", elsewhere)
    sheet.moderated("slow", {"wait_time_seconds": 30})
    sheet.moderated("followers", {"follow_duration_minutes": 10})
    for action in ACTIONS:
        sheet.moderated(action)
    terms = {"action": "add", "list": "blocked", "terms": ["odd word"], "from_automod": False}
    sheet.moderated("add_blocked_term", terms, "automod_terms")
    request = {"is_approved": True, **viewer, "moderator_message": "welcome back"}
    sheet.moderated("approve_unban_request", request, "unban_request")
    sheet.moderated("shared_chat_ban", {**viewer, "reason": "spam elsewhere"})
    for kind in ("channel.moderator.add", "channel.moderator.remove", "channel.vip.add", "channel.vip.remove"):
        sheet.about_viewer(kind)
