"""Tells the pages what just changed: a small summary per channel on Redis pub/sub, after the commit."""

import json
from datetime import datetime
from typing import Any

import redis

from chat.ingest.transaction import ChannelNow, Counted
from streams.topics import topic


def publish(client: "redis.Redis", channels: dict[int, ChannelNow], at: datetime) -> None:
    """Publish what a batch changed. Nobody is named in it, so no choice of a viewer can be missed."""
    if not channels:
        return
    with client.pipeline(transaction=False) as pipeline:
        for channel_id, now in channels.items():
            pipeline.publish(topic(channel_id), json.dumps(summary(now, at)))
        pipeline.execute()


def summary(now: ChannelNow, at: datetime) -> dict[str, Any]:
    """The summary of one channel, as the pages get it."""
    told: dict[str, Any] = {
        "at": at.isoformat(),
        "new": {"messages": now.new.messages, "emotes": now.new.emotes},
        "total": {"messages": now.total.messages, "chatters": now.total.chatters},
        "emotes": [emote._asdict() for emote in now.emotes],
    }
    if now.day:
        day, counted = now.day
        told["today"] = {"day": day.isoformat(), **_counts(counted), "emotes": counted.emotes}
    if now.minute:
        minute, counted = now.minute
        told["minute"] = {"at": minute.isoformat(), **_counts(counted)}
    return told


def _counts(counted: Counted) -> dict[str, int]:
    return {"messages": counted.messages, "chatters": counted.chatters}
