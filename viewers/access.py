"""Whose pages a stranger may see, said once for every page."""

from django.http import Http404

from streams.access import listed_channel
from streams.models import Channel


def channel_with_viewers(login: str) -> Channel:
    """The channel at this login, if it shows its viewers to everybody."""
    channel = listed_channel(login)
    if not channel.is_open:
        raise Http404(f"{channel} shows only viewers who asked for a page, and nobody has yet.")
    return channel
