"""Which bots channels have: their owners tell BetterTTV, and BetterTTV tells us."""

import asyncio
import random
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

import structlog

from chat.emotesets import sources_from_settings
from chat.providers import BTTV, bttv
from chat.providers.etiquette import Absent, Fetched
from chat.providers.http import Asker, open_session
from streams.models import Channel
from viewers import bots
from viewers.models import BotSource

log = structlog.get_logger(__name__)

BETWEEN_READS_S = (0.05, 0.25)


class Found(NamedTuple):
    """Names that channels gave, and how many channels could not be read."""

    names: list[str]
    unread: int


def mark_bots_of_channels() -> str:
    """Mark whom any followed channel names. Who is named no more is unmarked only if all channels could be read."""
    channels = Channel.objects.followed().exclude(twitch_id=None).order_by("pk")
    found = asyncio.run(_ask([str(twitch_id) for twitch_id in channels.values_list("twitch_id", flat=True)]))
    marked = bots.mark(found.names, BotSource.CHANNEL, are_all=not found.unread)
    return str(marked) + (f"; {found.unread} channels could not be read" if found.unread else "")


async def _ask(twitch_ids: Iterable[str]) -> Found:
    sources = sources_from_settings()
    names: list[str] = []
    unread = 0
    async with open_session() as session:
        asker = Asker(session, now=lambda: datetime.now(UTC))
        for twitch_id in twitch_ids:
            answer = await asker.ask(sources.url(BTTV, twitch_id))
            told = bttv.parse_bots(answer.body) if isinstance(answer, Fetched) else None
            if told is not None:
                names += told
            elif not isinstance(answer, Absent):
                log.warning("bots.not_read", twitch_id=twitch_id, answer=type(answer).__name__)
                unread += 1
            await asyncio.sleep(random.uniform(*BETWEEN_READS_S))  # noqa: S311 - not to ask for all at once
    return Found(names, unread)
