"""The events of the live feed: their names, what each tells, and how they are written. Rows are those of the lists."""

import json
from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from chat.api.events import Events, Redemptions
from chat.api.profiles import Awards
from chat.models.emote import Provider
from streams import sync
from streams.api.resources import Row, Synced
from streams.api.streams import Streams
from viewers.api import VIEWER, Viewers

TOLD: Mapping[str, tuple[str, Synced]] = {
    "streams": ("stream", Streams()),
    "events": ("event", Events()),
    "redemptions": ("redemption", Redemptions()),
    "awards": ("achievement", Awards()),
    sync.VISIBILITY: ("viewer", Viewers()),
}
"""What the log has, as what it is told, and what the API has of it. Of whoever is shown again, or no longer."""
LIST = "The list that it is about, such as `redemptions`."


class DeletedSerializer(serializers.Serializer[Any]):
    resource = serializers.CharField(help_text=LIST)
    id = serializers.CharField()


class GoneSerializer(serializers.Serializer[Any]):
    viewer = serializers.CharField(help_text=VIEWER)


class AnewSerializer(serializers.Serializer[Any]):
    resource = serializers.CharField(allow_null=True, help_text=f"{LIST} Null for all of them.")


class TotalSerializer(serializers.Serializer[Any]):
    messages = serializers.IntegerField()
    chatters = serializers.IntegerField()


class DaySerializer(TotalSerializer):
    day = serializers.DateField(help_text="UTC")
    emotes = serializers.IntegerField(help_text="Uses of them.")


class MinuteSerializer(TotalSerializer):
    at = serializers.DateTimeField(help_text="When it began.")


class LatelySerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField(help_text="Our id of an emote.")
    name = serializers.CharField()
    provider = serializers.ChoiceField(Provider.choices)
    url = serializers.CharField(allow_blank=True, help_text="Its picture.")
    uses = serializers.IntegerField()


class NumbersSerializer(serializers.Serializer[Any]):
    at = serializers.DateTimeField(help_text="When they were so.")
    total = TotalSerializer(help_text="Of all time.")
    today = DaySerializer(required=False, help_text="The UTC day.")
    minute = MinuteSerializer(required=False, help_text="The latest minute with messages.")
    emotes = LatelySerializer(many=True, help_text="Used most in the last ten minutes.")


EVENTS: Mapping[str, serializers.Serializer[Any]] = {
    **{name: resource.serializer() for name, resource in TOLD.values()},
    "deleted": DeletedSerializer(),
    "gone": GoneSerializer(),
    "anew": AnewSerializer(),
    "numbers": NumbersSerializer(),
}
"""By their names: what each tells."""

ABOUT = """What happens in the channel, as it happens. Server-sent events, which go on until their reader leaves.

`stream`, `event`, `redemption` and `achievement` tell a row as the list of it has it, now that it came or changed;
`viewer` tells of somebody who is shown again. `deleted` is a row that went, and `gone` somebody of whom every row is to
be deleted. `anew`: the channel shows others than before, so fetch that list again, or all of them. `numbers` come at
most twice a second, and without an id. `x-events` has the schema of what stands behind `data:` of each.

After a drop, send the last id that was told as `Last-Event-ID`, or as `since`, and hear everything since, once. With a
key, the stream ends when that is taken back, runs out, or may no longer read from there."""

EXAMPLES: Mapping[str, Row] = {
    **{name: resource.example for name, resource in TOLD.values()},
    "deleted": {"resource": "redemptions", "id": "r1"},
    "gone": {"viewer": "1001"},
    "anew": {"resource": None},
    "numbers": {
        "at": "2026-05-01T12:30:02.250000+00:00",
        "total": {"messages": 1204, "chatters": 96},
        "today": {"day": "2026-05-01", "messages": 310, "chatters": 41, "emotes": 58},
        "minute": {"at": "2026-05-01T12:30:00+00:00", "messages": 7, "chatters": 5},
        "emotes": [
            {
                "id": 1,
                "name": "breadDance",
                "url": "https://cdn.7tv.app/emote/01GGCQHKF0000ABW8DZSQ0GWT1/2x.webp",
                "provider": "7tv",
                "uses": 4,
            }
        ],
    },
}


def written(name: str, data: Mapping[str, Any], cursor: str = "") -> bytes:
    lines = [f"id: {cursor}"] if cursor else []
    lines += [f"event: {name}", f"data: {json.dumps(data, ensure_ascii=False, separators=(',', ':'))}"]
    return ("\n".join(lines) + "\n\n").encode()


def beginning(cursor: str, retry_s: float) -> bytes:
    """What every stream begins with: when to come again after a drop, and where to go on."""
    return f"retry: {retry_s * 1000:.0f}\nid: {cursor}\n\n".encode()


def example(cursor: str, retry_s: float) -> str:
    """A stream with one event of each kind; each id is of another place, so they look alike and differ."""
    ids = {name: f"{cursor[:-2]}{number:02}" for number, name in enumerate(EXAMPLES) if name != "numbers"}
    told = [written(name, data, ids.get(name, "")) for name, data in EXAMPLES.items()]
    return b"".join([beginning(cursor, retry_s), *told]).decode().rstrip() + "\n"
