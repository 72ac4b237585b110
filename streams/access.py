"""Which channels have pages, said once for every page."""

from django.db.models import QuerySet
from django.http import Http404

from streams.models import Channel
from streams.statement import Given, Statement


def listed_channel(login: str) -> Channel:
    """The channel with a page at this login, with its totals."""
    channel: Channel | None = LISTED.first(login=login)
    if channel is None:
        raise Http404(f"Nobody follows a channel called {login} here.")
    return channel


def _listed() -> QuerySet[Channel]:
    return Channel.objects.listed().select_related("total").filter(login=Given("login"))


LISTED = Statement(_listed)
