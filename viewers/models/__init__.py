"""Viewers, the names they had, what was counted of them, and when they watched."""

from viewers.models.session import PresencePoll, SessionCorrection, ViewSession
from viewers.models.viewer import (
    RANKED,
    BotSource,
    Viewer,
    ViewerCounts,
    ViewerDay,
    ViewerName,
    ViewerStream,
    ViewerTotal,
)

__all__ = [
    "RANKED",
    "BotSource",
    "PresencePoll",
    "SessionCorrection",
    "ViewSession",
    "Viewer",
    "ViewerCounts",
    "ViewerDay",
    "ViewerName",
    "ViewerStream",
    "ViewerTotal",
]
