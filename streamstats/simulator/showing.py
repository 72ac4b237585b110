"""What a broadcast is called, and what it shows: a streamer changes both on the way."""

import zlib
from typing import Any, NamedTuple

from streamstats.simulator.moments import MINUTE, chance
from streamstats.simulator.schedule import Broadcast
from streamstats.simulator.words import WORDS


class Showing(NamedTuple):
    """Title and category from a moment on."""

    at_ms: int
    title: str
    category_id: str
    category: str


def showings(broadcast: Broadcast) -> list[Showing]:
    """What is shown, in order of time: the first from the beginning, then one to three others."""
    dice = chance("showing", broadcast.id)
    length_ms = broadcast.ended_ms - broadcast.started_ms
    found = [_showing(broadcast.started_ms, broadcast.title, broadcast.game)]
    game, count = broadcast.game, dice.randrange(1, 4)
    for part in range(count):
        after = dice.uniform(part + 0.3, part + 0.9) / count
        at_ms = broadcast.started_ms + int(length_ms * (0.1 + 0.8 * after)) // MINUTE * MINUTE
        if dice.random() < 0.6:
            game = dice.choice([other for other in WORDS["games"] if other is not game])
        title = dice.choice(WORDS["titles"]).format(
            game=game["name"], boss=game["boss"], thing=dice.choice(game["things"])
        )
        found.append(_showing(at_ms, title, game))
    return found


def showing_at(broadcast: Broadcast, at_ms: int) -> Showing:
    """What is shown at a moment of the broadcast."""
    found = showings(broadcast)
    return next((showing for showing in reversed(found) if showing.at_ms <= at_ms), found[0])


def _showing(at_ms: int, title: str, game: dict[str, Any]) -> Showing:
    return Showing(at_ms, title, str(zlib.crc32(game["name"].encode()) % 2_000_000), game["name"])
