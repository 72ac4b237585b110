"""Which events Twitch tells, in which version, of whom, and what one must be allowed to hear of them."""

from typing import NamedTuple

BROADCASTER = ("broadcaster_user_id",)
MODERATED = ("broadcaster_user_id", "moderator_user_id")
RAID = ("to_broadcaster_user_id", "from_broadcaster_user_id")


class EventType(NamedTuple):
    version: str
    condition: tuple[str, ...] = BROADCASTER
    scopes: tuple[frozenset[str], ...] = ()
    """One of each group is needed."""

    @property
    def is_moderated(self) -> bool:
        return "moderator_user_id" in self.condition


def either(resource: str) -> frozenset[str]:
    """Who may manage something may read it."""
    whose, _, what = resource.partition(":")
    return frozenset({f"{whose}:read:{what}", f"{whose}:manage:{what}"})


def one(scope: str) -> tuple[frozenset[str], ...]:
    return (frozenset({scope}),)


REDEMPTION = EventType("1", BROADCASTER, (either("channel:redemptions"),))
SUBSCRIPTION = EventType("1", BROADCASTER, one("channel:read:subscriptions"))
POLL = EventType("1", BROADCASTER, (either("channel:polls"),))
PREDICTION = EventType("1", BROADCASTER, (either("channel:predictions"),))
HYPE_TRAIN = EventType("2", BROADCASTER, one("channel:read:hype_train"))
BAN = EventType("1", BROADCASTER, one("channel:moderate"))
MODERATORS = EventType("1", BROADCASTER, one("moderation:read"))
VIPS = EventType("1", BROADCASTER, (either("channel:vips"),))
BITS = EventType("1", BROADCASTER, one("bits:read"))
MODERATION = (
    *(
        either(f"moderator:{what}")
        for what in ("blocked_terms", "chat_settings", "unban_requests", "banned_users", "chat_messages", "warnings")
    ),
    *one("moderator:read:moderators"),
    *one("moderator:read:vips"),
)

TYPES = {
    "stream.online": EventType("1"),
    "stream.offline": EventType("1"),
    "channel.update": EventType("2"),
    "channel.follow": EventType("2", MODERATED, one("moderator:read:followers")),
    "channel.subscribe": SUBSCRIPTION,
    "channel.subscription.message": SUBSCRIPTION,
    "channel.subscription.gift": SUBSCRIPTION,
    "channel.subscription.end": SUBSCRIPTION,
    "channel.cheer": BITS,
    "channel.bits.use": BITS,
    "channel.raid": EventType("1", RAID),
    "channel.ban": BAN,
    "channel.unban": BAN,
    "channel.moderate": EventType("2", MODERATED, MODERATION),
    "channel.moderator.add": MODERATORS,
    "channel.moderator.remove": MODERATORS,
    "channel.vip.add": VIPS,
    "channel.vip.remove": VIPS,
    "user.update": EventType("1", ("user_id",)),
    "channel.shared_chat.begin": EventType("1"),
    "channel.shared_chat.update": EventType("1"),
    "channel.shared_chat.end": EventType("1"),
    "channel.channel_points_custom_reward_redemption.add": REDEMPTION,
    "channel.channel_points_custom_reward_redemption.update": REDEMPTION,
    "channel.channel_points_automatic_reward_redemption.add": REDEMPTION._replace(version="2"),
    **{f"channel.poll.{part}": POLL for part in ("begin", "progress", "end")},
    **{f"channel.prediction.{part}": PREDICTION for part in ("begin", "progress", "lock", "end")},
    **{f"channel.hype_train.{part}": HYPE_TRAIN for part in ("begin", "progress", "end")},
}
