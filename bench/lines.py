"""Chat lines for the benchmarks: as rich as Twitch sends them, the same for every run."""

import random
import uuid
from collections.abc import Iterator

from chat.providers import SetEntry

LOGIN, ROOM = "bench", "1001"
VIEWERS = 8_000
WORDS = (
    "that was so close I can not believe it what a play chat is this real clip it no way he is cracked good game"
    " well played lets go nice try one more please hello from the other side of the world first time here love it"
).split()
THIRD_PARTY = [f"benchEmote{number}" for number in range(200)]
TWITCH = [("25", "Kappa"), ("354", "4Head"), ("425618", "LUL"), ("305954156", "PogChamp"), ("88", "BibleThump")]
# Put in place of the time and of a part of each id, so that a block of lines can be sent again as new ones.
SENT = "@SENT-AT-MS@@"
CYCLE = "@CYCLE@@"


def sets() -> dict[str, list[SetEntry]]:
    """The third-party emotes that the lines use, by provider."""
    providers = ("7tv", "bttv", "ffz")
    return {
        provider: [
            SetEntry(provider, f"{number}", name, name, f"https://cdn.example/{number}.webp", False, False)
            for number, name in enumerate(THIRD_PARTY)
            if providers[number % 3] == provider
        ]
        for provider in providers
    }


def chat_lines(count: int, *, seed: int = 1) -> Iterator[str]:
    """Yield PRIVMSG lines with SENT and CYCLE in them; a few viewers write a lot, most of them little."""
    rng = random.Random(seed)
    weights = [1 / (rank + 30) for rank in range(VIEWERS)]
    for speaker in rng.choices(range(VIEWERS), weights, k=count):
        text, emotes = _text(rng)
        message_id = CYCLE + str(uuid.UUID(int=rng.getrandbits(128)))[8:]
        yield (
            f"@badge-info=subscriber/{speaker % 60};badges=subscriber/{speaker % 60 // 6 * 6},bits/1000;"
            f"client-nonce={rng.getrandbits(128):032x};color=#{speaker * 7919 % 0xFFFFFF:06X};"
            f"display-name=Viewer{speaker};emotes={emotes};first-msg=0;flags=;id={message_id};mod=0;"
            f"returning-chatter=0;room-id={ROOM};subscriber=1;tmi-sent-ts={SENT};turbo=0;"
            f"user-id={100_000_000 + speaker};user-type= "
            f":viewer{speaker}!viewer{speaker}@viewer{speaker}.tmi.twitch.tv PRIVMSG #{LOGIN} :{text}"
        )


def stamped(text: str, cycle: int, sent_ms: int) -> str:
    """Make lines new: ids of this cycle, sent at this time."""
    return text.replace(CYCLE, f"{cycle:08x}").replace(SENT, f"{sent_ms:013}")


def _text(rng: random.Random) -> tuple[str, str]:
    """A text, and its emotes tag."""
    words = rng.choices(WORDS, k=rng.randint(1, 12))
    if rng.random() < 0.45:
        words.insert(rng.randrange(len(words) + 1), rng.choice(THIRD_PARTY))
    if rng.random() >= 0.25:
        return " ".join(words), ""
    emote_id, name = rng.choice(TWITCH)
    place = rng.randrange(len(words) + 1)
    start = len(" ".join(words[:place])) + (1 if place else 0)
    words.insert(place, name)
    return " ".join(words), f"{emote_id}:{start}-{start + len(name) - 1}"
