"""What we ask people to allow, feature by feature, and why. Nothing is asked for that is not switched on."""

from collections.abc import Iterable
from typing import NamedTuple

from django.conf import settings

CHATTERS = "moderator:read:chatters"


class Feature(NamedTuple):
    """What a channel's owner allows for one thing we show."""

    why: str
    scopes: tuple[str, ...]


FEATURES = {
    "presence": Feature("who is in chat, and so for how long people watch", (CHATTERS,)),
    "follows": Feature("who followed, and when", ("moderator:read:followers",)),
    "subs": Feature("subscriptions, gifts and their ends", ("channel:read:subscriptions",)),
    "bits": Feature("bits and power-ups", ("bits:read",)),
    "points": Feature("what channel points were spent on", ("channel:read:redemptions",)),
    "polls": Feature("how polls ended", ("channel:read:polls",)),
    "predictions": Feature("how predictions ended", ("channel:read:predictions",)),
    "hype-trains": Feature("hype trains", ("channel:read:hype_train",)),
    "roles": Feature("who is moderator or VIP", ("moderation:read", "channel:read:vips")),
    "moderation": Feature(
        "what moderators did, and why",
        (
            "channel:moderate",
            "moderator:read:blocked_terms",
            "moderator:read:chat_settings",
            "moderator:read:unban_requests",
            "moderator:read:banned_users",
            "moderator:read:chat_messages",
            "moderator:read:warnings",
            "moderator:read:moderators",
            "moderator:read:vips",
        ),
    ),
}
BOT = Feature("who is in the chats it moderates, where the channel itself is not connected", (CHATTERS,))


def switched_on() -> dict[str, Feature]:
    """The features named by `settings.TWITCH_FEATURES`; all of them where it names none."""
    wanted = settings.TWITCH_FEATURES
    return {name: feature for name, feature in FEATURES.items() if not wanted or name in wanted}


def for_channel() -> tuple[str, ...]:
    """What a channel's owner is asked for."""
    return _each(scope for feature in switched_on().values() for scope in feature.scopes)


def for_bot() -> tuple[str, ...]:
    return BOT.scopes


def needed(*, is_bot: bool, is_channel: bool) -> tuple[str, ...]:
    """What an account needs for all that it is here."""
    return _each([*(for_channel() if is_channel else ()), *(for_bot() if is_bot else ())])


def why(scope: str) -> str:
    """What a scope is for; empty for one that we never ask for."""
    return "; ".join(feature.why for feature in FEATURES.values() if scope in feature.scopes)


def without(scopes: Iterable[str]) -> list[str]:
    """The switched-on features that cannot work with no more than these."""
    had = set(scopes)
    return [name for name, feature in switched_on().items() if not had.issuperset(feature.scopes)]


def _each(scopes: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(scopes))
