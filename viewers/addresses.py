"""Where the page of a viewer is."""

from django.utils.http import urlencode

from streams.converters import ViewerLogin
from streams.models import Channel
from streamstats.lib.addresses import address
from viewers.models import Viewer


def viewer_address(channel: Channel, viewer: Viewer, *, by_id: bool = False) -> str:
    """The page of a viewer in a channel; a link by id also where the login cannot stand in an address."""
    page = address("chat:viewer", channel.login, viewer.login)
    if by_id or not ViewerLogin.can_be_in_address(viewer.login):
        return f"{page}?{urlencode({'id': viewer.pk})}"
    return page
