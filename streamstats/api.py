"""The addresses of the API, and of what describes it."""

from typing import Any

from django.urls import path, re_path

from chat import synced
from chat.api.emotes import Emotes, Usage
from chat.api.events import Deeds, Events, Redemptions
from chat.api.live import Live
from chat.api.messages import Messages
from chat.api.profiles import Awards, Leaderboards, Profiles
from streams import sync
from streams.api.document import Document, docs
from streams.api.resources import Resource, Synced
from streams.api.streams import Channels, CountedChannel, Samples, Segments, Streams
from streams.api.views import ApiView, ListView, Nowhere, OfStreamView, OneView
from viewers.api import Sessions, Viewers
from viewers.api.search import Search


def changes(resource: Synced, channel: Any, since: sync.Cursor, most: int) -> sync.Changes:
    """What changed of a resource: the log of changes knows of viewers only who is shown, and of messages only when."""
    if resource.name == Messages.name:
        return synced.messages(channel.pk, since, most)
    of_viewer = synced.of_viewer(resource.logged, channel) if resource.is_of_viewers else None
    return sync.changed(channel.pk if channel else None, resource.logged, since, most, of_viewer)


def _list(resource: Resource, base: type[ListView] = ListView, *, is_of_channel: bool = True) -> type[ListView]:
    own = {
        "operation": f"list_{resource.name}",
        "tag": "streams" if base is OfStreamView else resource.name,
        "resource": resource,
        "scope": resource.scope,
        "is_of_channel": is_of_channel,
        "changes": staticmethod(changes),
    }
    return type(f"{type(resource).__name__}List", (base,), own)


def _one(resource: Synced, of: str, *, is_of_channel: bool = True) -> type[OneView]:
    own = {
        "operation": f"get_{of}",
        "tag": f"{of}s",
        "resource": resource,
        "scope": resource.scope,
        "is_of_channel": is_of_channel,
    }
    return type(f"One{type(resource).__name__}", (OneView,), own)


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

OPERATIONS: list[tuple[str, type[ApiView]]] = [
    ("channels/", _list(Channels(), is_of_channel=False)),
    ("channels/<slug:id>/", _one(CountedChannel(), "channel", is_of_channel=False)),
    *((f"{OF_CHANNEL}{each.name}/", _list(each)) for each in LISTS),
    (f"{OF_CHANNEL}streams/<slug:id>/", _one(Streams(), "stream")),
    (f"{OF_CHANNEL}streams/<slug:stream>/segments/", _list(Segments(), OfStreamView)),
    (f"{OF_CHANNEL}streams/<slug:stream>/samples/", _list(Samples(), OfStreamView)),
    (f"{OF_CHANNEL}viewers/<slug:id>/", _one(Viewers(), "viewer")),
    (f"{OF_CHANNEL}profiles/<slug:id>/", _one(Profiles(), "profile")),
    (f"{OF_CHANNEL}live/", Live),
]

app_name = "api"
urlpatterns: list[Any] = [
    *(path(f"v1/{route}", view.as_view(), name=view.operation) for route, view in OPERATIONS),
    path("v1/openapi.json", Document.as_view(), {"written": "json"}, name="openapi_json"),
    path("v1/openapi.yaml", Document.as_view(), {"written": "yaml"}, name="openapi_yaml"),
    path("docs/", docs, name="docs"),
    re_path("", Nowhere.as_view(), name="nowhere"),
]
