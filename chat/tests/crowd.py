"""Messages and emotes for tests."""

from datetime import datetime
from itertools import count
from typing import Any

from chat.models import Emote, Message
from streams.models import Channel
from viewers.models import Viewer

numbers = count(1)


def make_message(channel: Channel, viewer: Viewer, at: datetime, **fields: Any) -> Message:
    known = {"id": f"m{next(numbers)}", "channel": channel, "viewer": viewer, "sent_at": at, "text": "secret words"}
    return Message.objects.create(**{**known, **fields})


def make_emote(name: str = "Kappa", **fields: Any) -> Emote:
    known = {"provider": "7tv", "provider_id": f"e{next(numbers)}", "name": name}
    return Emote.objects.create(**{**known, "image_url": f"https://cdn.7tv.app/emote/{name}/1x.webp", **fields})
