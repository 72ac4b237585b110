"""What an erasure did, in words."""

from collections.abc import Mapping
from typing import NamedTuple

from chat import personal
from chat.eraser import KEPT
from chat.leaving import MENTION

NOBODYS = "chat.Message"


class Line(NamedTuple):
    """So many of something."""

    number: int
    words: str


class Receipt(NamedTuple):
    """What was removed, in how many texts of others a name was replaced, and what is theirs and stays."""

    removed: list[Line]
    cleaned: list[Line]
    kept: list[str]


# What others wrote or did, in which the account was named.
TEXTS = {
    "chat.Message": "messages",
    "chat.ChatEvent": "subscriptions, gifts and the like",
    "chat.ModerationEvent": "deeds of moderators",
    "chat.Redemption": "words that came with channel points",
    "chat.Reward": "rewards",
    "viewers.WikiRevision": "versions of texts on pages",
    "viewers.SessionCorrection": "reasons for corrections",
    "streams.Stream": "titles of streams",
    "streams.StreamSegment": "titles within streams",
    "streams.StreamReport": "reports of titles",
}

# What stays of whoever owns a channel that is known here.
STAYS = {
    "streams.TwitchGrant": (
        "Your channel is connected to this site, and stays connected: that is not about you as a viewer. To end it,"
        " disconnect StreamStats at Twitch under Settings, Connections, or ask whoever runs this site."
    ),
    "streams.Channel": (
        "Your own channel is known here, with its name, its streams and the numbers of its chat. To end that, ask"
        " whoever runs this site to stop following it."
    ),
}


def read(removed: Mapping[str, int]) -> Receipt:
    """Say what `Erasure.removed` says, the largest numbers first."""
    own, texts = [], []
    for name, rows in sorted(removed.items(), key=lambda pair: (-pair[1], pair[0])):
        if name.startswith(MENTION):
            texts.append(Line(rows, TEXTS.get(name.removeprefix(MENTION), "other notes")))
        elif name == NOBODYS:
            own.append(Line(rows, "messages: they still count for their channel, without text and without you"))
        elif not name.startswith(KEPT):
            own.append(Line(rows, _words(name)))
    kept = [words for label, words in STAYS.items() if removed.get(f"{KEPT}{label}")]
    return Receipt(own, texts, kept)


def _words(label: str) -> str:
    return personal.words_for(label) if label in personal.TABLES else label
