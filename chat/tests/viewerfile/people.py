"""Moderators, and files for them to look at."""

from datetime import UTC, datetime
from typing import Any

from django.contrib.auth.models import User
from social_django.models import UserSocialAuth

from streams.models import Channel, ChannelModerator

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def make_moderator(name: str, *channels: Channel, **fields: Any) -> User:
    """Somebody who logged in with Twitch, and moderates these channels there."""
    user = User.objects.create_user(name, **fields)
    UserSocialAuth.objects.create(user=user, provider="twitch", uid=f"id-{name}", id_key="id")
    for channel in channels:
        ChannelModerator.objects.create(channel=channel, twitch_id=f"id-{name}", login=name, since=NOON, told_at=NOON)
    return user


def again(user: User) -> User:
    """The same user, as their next request has them: what they may is asked anew."""
    return User.objects.get(pk=user.pk)
