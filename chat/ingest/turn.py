"""Something that only one process may do at a time, on whichever host."""

from contextlib import suppress

import redis.asyncio
import structlog
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)

KEY = "streamstats:ingest:turn:{}"
KEEPS_MS = 15_000  # a process that died without a word is followed by another after so long
# Take it if it is free or ours already, and have it for another while.
TAKE = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end"


class Turn:
    """A lease in Redis. Who has it keeps it while Redis is away: nobody else can take it then either."""

    def __init__(self, client: "redis.asyncio.Redis", name: str, holder: str, keeps_ms: int = KEEPS_MS) -> None:
        self.client = client
        self.key = KEY.format(name)
        self.holder = holder
        self.keeps_ms = keeps_ms
        self.is_ours = False

    async def take(self) -> bool:
        """Take the turn, or keep it; true while it is ours."""
        try:
            had = self.is_ours
            self.is_ours = bool(await self.client.eval(TAKE, 1, self.key, self.holder, str(self.keeps_ms)))
            if self.is_ours != had:
                log.info("turn.ours" if self.is_ours else "turn.lost", turn=self.key, holder=self.holder)
        except (RedisError, OSError):  # the queue says that Redis is away
            pass
        return self.is_ours

    async def release(self) -> None:
        """Let the next one have it at once."""
        if self.is_ours:
            self.is_ours = False
            with suppress(RedisError, OSError):  # then it runs out by itself
                await self.client.eval(RELEASE, 1, self.key, self.holder)
