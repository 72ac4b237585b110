"""Keeps the emote index of a store as the database has it, told over Redis when a set changes."""

import redis
import structlog
from redis.client import PubSub
from redis.exceptions import RedisError

from chat.ingest.store import Store

log = structlog.get_logger(__name__)

TOPIC = "streamstats:emotes"
GLOBAL = b"global"


class EmoteUpdates:
    """Listens for changed sets. What was missed while Redis was away is made up for by loading all again."""

    def __init__(self, client: "redis.Redis") -> None:
        self.client = client
        self._listening: PubSub | None = None

    def apply(self, store: Store) -> None:
        """Load again what has changed since the last call, without waiting."""
        try:
            changed = self._changed()
        except (RedisError, OSError) as error:
            if self._listening is not None:
                log.warning("emotes.unheard", error=str(error))
            self._listening = None
            return
        if changed is None:
            store.load_all_sets()
        for key in changed or ():
            store.load_set(None if key == GLOBAL else int(key))

    def _changed(self) -> set[bytes] | None:
        """Keys of channels whose set changed; None if anything may have."""
        if self._listening is None:
            pubsub: PubSub = self.client.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
            pubsub.subscribe(TOPIC)
            self._listening = pubsub
            return None
        changed: set[bytes] = set()
        while (message := self._listening.get_message(timeout=0)) is not None:
            changed.add(message["data"])
        return changed
