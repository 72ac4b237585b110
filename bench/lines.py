"""Chat lines for the benchmarks: as rich as Twitch sends them, the same for every run."""

import random
import uuid
from collections.abc import Iterator

WORDS = (
    "that was so close I can not believe it what a play chat is this real clip it no way he is cracked good game"
    " well played lets go nice try one more please hello from the other side of the world first time here love it"
).split()
THIRD_PARTY = [f"benchEmote{number}" for number in range(200)]
TWITCH = [("25", "Kappa"), ("354", "4Head"), ("425618", "LUL"), ("305954156", "PogChamp"), ("88", "BibleThump")]
VIEWERS = 8_000


def emote_rows(room_id: str) -> dict[str, tuple[str, str]]:
    """Name -> (provider, id) of the third-party emotes that the lines use."""
    providers = ("7tv", "bttv", "ffz")
    return {name: (providers[n % 3], f"{room_id}{n:04}") for n, name in enumerate(THIRD_PARTY)}


def chat_lines(count: int, *, start_ms: int, per_second: int, rooms: int = 1, seed: int = 1) -> Iterator[bytes]:
    """Yield PRIVMSG lines with unique ids; a few viewers write a lot, most of them little."""
    rng = random.Random(seed)
    weights = [1 / (rank + 30) for rank in range(VIEWERS)]
    speakers = rng.choices(range(VIEWERS), weights, k=count)
    for number, speaker in enumerate(speakers):
        room = 1001 + rng.randrange(rooms)
        text, emotes = _text(rng)
        sent_ms = start_ms + number * 1000 // per_second
        yield (
            f"@badge-info=subscriber/{speaker % 60};badges=subscriber/{speaker % 60 // 6 * 6},bits/1000;"
            f"client-nonce={rng.getrandbits(128):032x};color=#{speaker * 7919 % 0xFFFFFF:06X};"
            f"display-name=Viewer{speaker};emotes={emotes};first-msg=0;flags=;"
            f"id={uuid.UUID(int=rng.getrandbits(128))};mod=0;returning-chatter=0;room-id={room};subscriber=1;"
            f"tmi-sent-ts={sent_ms};turbo=0;user-id={100_000_000 + speaker};user-type= "
            f":viewer{speaker}!viewer{speaker}@viewer{speaker}.tmi.twitch.tv PRIVMSG #bench{room} :{text}"
        ).encode()


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
