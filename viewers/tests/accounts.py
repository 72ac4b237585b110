"""People who log in with Twitch."""

from typing import Any

from django.contrib.auth.models import User
from social_django.models import UserSocialAuth

from streams.reach import PROVIDER


def make_user(twitch_id: str, **fields: Any) -> User:
    """Who logged in with this Twitch account once."""
    user = User.objects.create_user(twitch_id, **fields)
    UserSocialAuth.objects.create(user=user, provider=PROVIDER, uid=twitch_id)
    return user
