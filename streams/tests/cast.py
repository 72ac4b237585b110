"""Channels for tests."""

from typing import Any

from streams.models import Channel


def make_channel(login: str = "lantern", **fields: Any) -> Channel:
    number = Channel.objects.count() + 1
    return Channel.objects.create(
        **{"login": login, "display_name": login.title(), "twitch_id": f"c{number}", **fields}
    )
