"""Viewers, the names they had, what was counted of them, when they watched, and what they decided."""

from viewers.models.award import Award, AwardRule
from viewers.models.casefile import AccountLink, Note, NoteVersion, Tag, Tagging
from viewers.models.choice import ChoiceClock, Consent, Erasure, Export, Progress
from viewers.models.job import ListFile, Purge
from viewers.models.profile import Profile, Verdict, WikiRevision
from viewers.models.session import PresencePoll, SessionCorrection, ViewSession
from viewers.models.standing import Standing
from viewers.models.summary import Claim, ModelCall, Summary, SummaryPolicy, SummaryTurn
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
    "AccountLink",
    "Award",
    "AwardRule",
    "BotSource",
    "ChoiceClock",
    "Claim",
    "Consent",
    "Erasure",
    "Export",
    "ListFile",
    "ModelCall",
    "Note",
    "NoteVersion",
    "PresencePoll",
    "Profile",
    "Progress",
    "Purge",
    "SessionCorrection",
    "Standing",
    "Summary",
    "SummaryPolicy",
    "SummaryTurn",
    "Tag",
    "Tagging",
    "Verdict",
    "ViewSession",
    "Viewer",
    "ViewerCounts",
    "ViewerDay",
    "ViewerName",
    "ViewerStream",
    "ViewerTotal",
    "WikiRevision",
]
