"""Which channels have pages, said once for every page."""

from django.http import Http404

from streams.models import Channel


def listed_channel(login: str) -> Channel:
    """The channel with a page at this login, with its totals."""
    channel = Channel.objects.listed().select_related("total").filter(login=login).first()
    if channel is None:
        raise Http404(f"Nobody follows a channel called {login} here.")
    return channel
