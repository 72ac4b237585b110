"""The addresses of the API, and of what describes it."""

from typing import Any

from django.urls import path, re_path

from chat import synced
from chat.api.emotes import Emotes, Usage
from chat.api.events import Deeds, Events, Redemptions
from chat.api.messages import Messages
from chat.api.profiles import Awards, Leaderboards, Profiles
from streams import sync
from streams.api.resources import Resource
from streams.api.streams import Channels, CountedChannel, Samples, Segments, Streams
from streams.api.views import ApiView, ListView, Nowhere, OfStreamView, OneView
from viewers.api import Sessions, Viewers
from viewers.api.search import Search


def changes(resource: Resource, channel_id: int, since: sync.Cursor, most: int) -> sync.Changes:
    """What changed of a resource: the log of changes knows of viewers only who is shown, and of messages only when."""
    if resource.name == Messages.name:
        return synced.messages(channel_id, since, most)
    of_viewer = synced.of_viewer(resource.logged, channel_id) if resource.is_of_viewers else None
    return sync.changed(channel_id, resource.logged, since, most, of_viewer)


class ChannelList(ListView):
    resource = Channels()
    is_of_channel = False


class OneChannel(OneView):
    resource = CountedChannel()
    is_of_channel = False


def _list(resource: Resource) -> type[ListView]:
    own = {"resource": resource, "scope": resource.scope, "changes": staticmethod(changes)}
    return type(f"{type(resource).__name__}List", (ListView,), own)


def _one(resource: Resource, name: str) -> type[OneView]:
    return type(name, (OneView,), {"resource": resource, "scope": resource.scope})


class SegmentList(OfStreamView):
    resource = Segments()


class SampleList(OfStreamView):
    resource = Samples()


LISTS: tuple[Resource, ...] = (
    Streams(),
    Viewers(),
    Sessions(),
    Emotes(),
    Usage(),
    Redemptions(),
    Events(),
    Awards(),
    Leaderboards(),
    Profiles(),
    Search(),
    Messages(),
    Deeds(),
)
RESOURCES: dict[str, Resource] = {each.name: each for each in (Channels(), *LISTS, Segments(), Samples())}
"""Every resource by its name, for whoever tells of changes."""

OF_CHANNEL = "channels/<slug:channel>/"

operations: list[tuple[str, type[ApiView], str]] = [
    ("channels/", ChannelList, "channels"),
    ("channels/<slug:id>/", OneChannel, "channel"),
    *((f"{OF_CHANNEL}{each.name}/", _list(each), each.name) for each in LISTS),
    (f"{OF_CHANNEL}streams/<slug:id>/", _one(Streams(), "OneStream"), "stream"),
    (f"{OF_CHANNEL}streams/<slug:stream>/segments/", SegmentList, "segments"),
    (f"{OF_CHANNEL}streams/<slug:stream>/samples/", SampleList, "samples"),
    (f"{OF_CHANNEL}viewers/<slug:id>/", _one(Viewers(), "OneViewer"), "viewer"),
    (f"{OF_CHANNEL}profiles/<slug:id>/", _one(Profiles(), "OneProfile"), "profile"),
]

urlpatterns: list[Any] = [path(f"v1/{route}", view.as_view(), name=name) for route, view, name in operations]
urlpatterns += [re_path("", Nowhere.as_view(), name="nowhere")]
