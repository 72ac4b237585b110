"""Keeps the emote index of a store as the database has it, told over Redis when a set changes."""

from collections.abc import Mapping
from typing import Any

import redis
import structlog
from redis.client import PubSub
from redis.exceptions import RedisError

from chat.emotesets import CHANGED, EVERYWHERE
from chat.ingest.store import Store

log = structlog.get_logger(__name__)

CONFIRM_SECONDS = 1.0


class EmoteUpdates:
    """Listens for changed sets. What was missed while Redis was away is made up for by loading all again."""

    def __init__(self, client: "redis.Redis") -> None:
        self.client = client
        self._listening: PubSub | None = None
        self._is_all_due = True
        self._due: set[int | None] = set()

    def apply(self, store: Store) -> None:
        """Load again what has changed since the last call, without waiting. What cannot be loaded stays due."""
        try:
            self._hear()
        except (RedisError, OSError) as error:
            if self._listening is not None:
                log.warning("emotes.unheard", error=str(error))
            self._listening = None
        if self._is_all_due:
            store.load_all_sets()
            self._is_all_due = False
            self._due.clear()
        for channel in list(self._due):
            store.load_set(channel)
            self._due.discard(channel)

    def _hear(self) -> None:
        if self._listening is None:
            pubsub: PubSub = self.client.pubsub()  # type: ignore[no-untyped-call]
            pubsub.subscribe(CHANGED)
            self._take(pubsub.get_message(timeout=CONFIRM_SECONDS))
            self._listening = pubsub
        while (message := self._listening.get_message(timeout=0)) is not None:
            self._take(message)

    def _take(self, message: Mapping[str, Any] | None) -> None:
        if message is None or message["type"] == "subscribe":  # nobody knows what was said before that
            self._is_all_due = True
        else:
            self._due.add(None if message["data"] == EVERYWHERE.encode() else int(message["data"]))
