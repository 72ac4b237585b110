"""What was said and done in chat, one file per subject."""

from chat.models.badge import Badge, Cheermote
from chat.models.emote import (
    Emote,
    EmoteDay,
    EmoteSet,
    EmoteSetEntry,
    EmoteStream,
    EmoteTotal,
    EmoteUsage,
    EmoteYear,
    ViewerEmote,
)
from chat.models.event import ChatEvent, ModerationEvent
from chat.models.ingest import DeadLetter, Replay
from chat.models.message import ChatMinute, Message
from chat.models.points import Redemption, Reward

__all__ = [
    "Badge",
    "ChatEvent",
    "ChatMinute",
    "Cheermote",
    "DeadLetter",
    "Emote",
    "EmoteDay",
    "EmoteSet",
    "EmoteSetEntry",
    "EmoteStream",
    "EmoteTotal",
    "EmoteUsage",
    "EmoteYear",
    "Message",
    "ModerationEvent",
    "Redemption",
    "Replay",
    "Reward",
    "ViewerEmote",
]
