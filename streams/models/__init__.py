"""Channels, their streams, what their owners allowed, the jobs, and what others may know and do."""

from streams.models.audit import AuditEntry
from streams.models.change import Change, ChangeMark
from streams.models.channel import Channel, ChannelDay, ChannelTotal, ChatCounts, Gap
from streams.models.grant import EventSubscription, TwitchGrant
from streams.models.job import JobRun, last_runs
from streams.models.key import ApiKey, ApiRequest, Scope
from streams.models.moderator import ChannelModerator
from streams.models.stream import PresenceSource, Stream, StreamReport, StreamSample, StreamSegment
from streams.models.webhook import Delivery, Webhook

__all__ = [
    "ApiKey",
    "ApiRequest",
    "AuditEntry",
    "Change",
    "ChangeMark",
    "Channel",
    "ChannelDay",
    "ChannelModerator",
    "ChannelTotal",
    "ChatCounts",
    "Delivery",
    "EventSubscription",
    "Gap",
    "JobRun",
    "PresenceSource",
    "Scope",
    "Stream",
    "StreamReport",
    "StreamSample",
    "StreamSegment",
    "TwitchGrant",
    "Webhook",
    "last_runs",
]
