"""Where the open pages of a channel are told what changed: Redis pub/sub."""

PREFIX = "streamstats:live:"


def topic(channel_id: int) -> str:
    """Pub/sub channel of one of our channels."""
    return f"{PREFIX}{channel_id}"
