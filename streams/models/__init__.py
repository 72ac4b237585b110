"""Channels, their streams, what their owners allowed, and the jobs."""

from streams.models.channel import Channel, ChannelDay, ChannelTotal, ChatCounts, Gap
from streams.models.grant import EventSubscription, TwitchGrant
from streams.models.job import JobRun, last_runs
from streams.models.stream import PresenceSource, Stream, StreamReport, StreamSample, StreamSegment

__all__ = [
    "Channel",
    "ChannelDay",
    "ChannelTotal",
    "ChatCounts",
    "EventSubscription",
    "Gap",
    "JobRun",
    "PresenceSource",
    "Stream",
    "StreamReport",
    "StreamSample",
    "StreamSegment",
    "TwitchGrant",
    "last_runs",
]
