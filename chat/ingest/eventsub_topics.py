"""Everything we ask Twitch to tell about a connected channel: what it is called, what it needs, and why we ask.

All of it is about the account that gave the permission, so Twitch charges nothing for it. Each topic about somebody
who never connected would cost one of the ten points that an account has: those are left to polling.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

BROADCASTER = ("broadcaster_user_id",)
BROADCASTER_AND_MODERATOR = ("broadcaster_user_id", "moderator_user_id")  # the owner may be named as both
FREE = ()

REDEMPTIONS = (("channel:read:redemptions", "channel:manage:redemptions"),)
FOLLOWERS = (("moderator:read:followers",),)
SUBSCRIPTIONS = (("channel:read:subscriptions",),)
BITS = (("bits:read",),)
BANS = (("channel:moderate",),)
MODERATORS = (("moderation:read",),)
VIPS = (("channel:read:vips", "channel:manage:vips"),)
POLLS = (("channel:read:polls", "channel:manage:polls"),)
PREDICTIONS = (("channel:read:predictions", "channel:manage:predictions"),)
HYPE_TRAINS = (("channel:read:hype_train",),)
MODERATION = (
    ("moderator:read:blocked_terms", "moderator:manage:blocked_terms"),
    ("moderator:read:chat_settings", "moderator:manage:chat_settings"),
    ("moderator:read:unban_requests", "moderator:manage:unban_requests"),
    ("moderator:read:banned_users", "moderator:manage:banned_users"),
    ("moderator:read:chat_messages", "moderator:manage:chat_messages"),
    ("moderator:read:warnings", "moderator:manage:warnings"),
    ("moderator:read:moderators",),
    ("moderator:read:vips",),
)


class Kind(NamedTuple):
    """One row of the table."""

    type: str
    version: str
    condition: tuple[str, ...]
    """Names that all stand for the channel's owner."""
    scopes: tuple[tuple[str, ...], ...]
    """Of each group one permission is needed; the first is the one we ask people for."""
    why: str


KINDS = (
    Kind("stream.online", "1", BROADCASTER, FREE, "a stream begins"),
    Kind("stream.offline", "1", BROADCASTER, FREE, "a stream ends"),
    Kind("channel.update", "2", BROADCASTER, FREE, "title and category of a stream"),
    Kind(
        "channel.channel_points_custom_reward_redemption.add", "1", BROADCASTER, REDEMPTIONS, "points spent on a reward"
    ),
    Kind(
        "channel.channel_points_custom_reward_redemption.update", "1", BROADCASTER, REDEMPTIONS, "fulfilled or refunded"
    ),
    Kind(
        "channel.channel_points_automatic_reward_redemption.add", "2", BROADCASTER, REDEMPTIONS, "Twitch's own rewards"
    ),
    Kind("channel.follow", "2", BROADCASTER_AND_MODERATOR, FOLLOWERS, "new followers"),
    Kind("channel.subscribe", "1", BROADCASTER, SUBSCRIPTIONS, "subscriptions that chat is not told of"),
    Kind("channel.subscription.message", "1", BROADCASTER, SUBSCRIPTIONS, "resubscriptions"),
    Kind("channel.subscription.gift", "1", BROADCASTER, SUBSCRIPTIONS, "gifted subscriptions"),
    Kind("channel.subscription.end", "1", BROADCASTER, SUBSCRIPTIONS, "subscriptions that end"),
    Kind("channel.cheer", "1", BROADCASTER, BITS, "cheers"),
    Kind("channel.bits.use", "1", BROADCASTER, BITS, "bits spent on anything else"),
    Kind("channel.raid", "1", ("to_broadcaster_user_id",), FREE, "raids that arrive"),
    Kind("channel.raid", "1", ("from_broadcaster_user_id",), FREE, "raids that leave"),
    Kind("channel.ban", "1", BROADCASTER, BANS, "bans and timeouts, by whom and why"),
    Kind("channel.unban", "1", BROADCASTER, BANS, "bans taken back, which chat is not told of"),
    Kind("channel.moderate", "2", BROADCASTER_AND_MODERATOR, MODERATION, "everything else that moderators do"),
    Kind("channel.moderator.add", "1", BROADCASTER, MODERATORS, "who moderates"),
    Kind("channel.moderator.remove", "1", BROADCASTER, MODERATORS, "who no longer does"),
    Kind("channel.vip.add", "1", BROADCASTER, VIPS, "who is a VIP"),
    Kind("channel.vip.remove", "1", BROADCASTER, VIPS, "who no longer is"),
    Kind("user.update", "1", ("user_id",), FREE, "the owner's new name"),
    Kind("channel.shared_chat.begin", "1", BROADCASTER, FREE, "chat shared with other channels"),
    Kind("channel.shared_chat.update", "1", BROADCASTER, FREE, "with which channels"),
    Kind("channel.shared_chat.end", "1", BROADCASTER, FREE, "until when"),
    Kind("channel.poll.end", "1", BROADCASTER, POLLS, "polls and how they ended"),
    Kind("channel.prediction.end", "1", BROADCASTER, PREDICTIONS, "predictions and how they ended"),
    Kind("channel.hype_train.end", "2", BROADCASTER, HYPE_TRAINS, "hype trains and how far they came"),
)


class Topic(NamedTuple):
    """A kind of event of one channel, as Twitch is asked for it."""

    type: str
    version: str
    condition: tuple[tuple[str, str], ...]

    def asks_for(self, type_: str, condition: dict[str, str]) -> bool:
        return self.type == type_ and dict(self.condition) == condition


def topics(twitch_id: str, scopes: Iterable[str], offered: Iterable[str]) -> Iterator[tuple[Topic, str]]:
    """Give each topic of an account with what speaks against asking for it; empty if nothing does.

    `offered` are the permissions that people are asked for at all: what needs another one is switched off.
    """
    given, asked = frozenset(scopes), frozenset(offered)
    for kind in KINDS:
        condition = tuple((name, twitch_id) for name in kind.condition)
        yield Topic(kind.type, kind.version, condition), _objection(kind, given, asked)


def _objection(kind: Kind, given: frozenset[str], asked: frozenset[str]) -> str:
    if not asked.issuperset(group[0] for group in kind.scopes):
        return "switched off: TWITCH_FEATURES leaves it out"
    missing = [group[0] for group in kind.scopes if given.isdisjoint(group)]
    if not missing:
        return ""
    noun = "permission" if len(missing) == 1 else "permissions"
    return f"needs the {noun} {', '.join(missing)}: connect the channel again"
