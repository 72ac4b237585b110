"""Where the page of a viewer is."""

from functools import lru_cache

from django.urls import reverse
from django.utils.http import urlencode

from streams.converters import ViewerLogin
from streams.models import Channel
from viewers.models import Viewer


def viewer_address(channel: Channel, viewer: Viewer, *, by_id: bool = False) -> str:
    """The page of a viewer in a channel; a link by id also where the login cannot stand in an address."""
    address = _page(channel.login, viewer.login)
    if by_id or not ViewerLogin.can_be_in_address(viewer.login):
        return f"{address}?{urlencode({'id': viewer.pk})}"
    return address


@lru_cache(maxsize=4096)
def _page(channel: str, login: str) -> str:
    """Lists name the same people again and again, and an address takes longer to make than the rest of a line."""
    return reverse("chat:viewer", args=[channel, login])
