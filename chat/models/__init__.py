"""What was said and done in chat, one file per subject."""

from chat.models.emote import Emote, EmoteDay, EmoteSet, EmoteSetEntry, EmoteUsage
from chat.models.event import ChatEvent, ModerationEvent
from chat.models.ingest import DeadLetter, Replay
from chat.models.message import ChatMinute, Message

__all__ = [
    "ChatEvent",
    "ChatMinute",
    "DeadLetter",
    "Emote",
    "EmoteDay",
    "EmoteSet",
    "EmoteSetEntry",
    "EmoteUsage",
    "Message",
    "ModerationEvent",
    "Replay",
]
