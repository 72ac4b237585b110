"""What Twitch itself has for a chat: emotes, badges and the words that give bits, everywhere and in each channel.

The emotes are for pages and for names; the ingest finds them where each message says that they are.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import TypeVar

import structlog
from django.db import transaction
from django.db.models import Exists, Model, OuterRef, Q, QuerySet
from django.utils import timezone

from chat import providers
from chat.emotesets import EVERYWHERE, announce, apply_set
from chat.models import Badge, Cheermote, EmoteSet
from chat.models.emote import Provider
from chat.providers import SetEntry
from streams import helix
from streams.grants import Token
from streams.helix import Helix, HelixBadge, HelixCheermote, HelixEmote, NotAllowed, Refused
from streams.models import Channel

log = structlog.get_logger(__name__)

Row = TypeVar("Row", Badge, Cheermote)


@dataclass(frozen=True)
class Told:
    """What Twitch told of one channel, or of everywhere."""

    emotes: Sequence[HelixEmote]
    badges: Sequence[HelixBadge]
    cheermotes: Sequence[HelixCheermote]


@dataclass
class Kept:
    """What became of the catalogue in one round."""

    channels: int = 0
    changes: int = 0
    refused: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        told = f"{self.channels:,} channels read, {self.changes:,} rows changed"
        return told + (f"; Twitch would not tell of {', '.join(self.refused)}" if self.refused else "")


def read_all(token: Token) -> Kept:
    """Read what there is everywhere, then in every channel that is followed or connected."""
    return _read(token, [None, *_channels()])


def read_new(token_of: Callable[[], Token]) -> Kept:
    """Read what was never read: of everywhere at the very first, then of channels that came since."""
    of_twitch = EmoteSet.objects.filter(provider=Provider.TWITCH)
    places: list[Channel | None] = [] if of_twitch.filter(channel=None).exists() else [None]
    places += _channels().filter(~Exists(of_twitch.filter(channel=OuterRef("pk"))))
    return _read(token_of(), places) if places else Kept()


def _channels() -> QuerySet[Channel]:
    wanted = Channel.objects.filter(Q(is_followed=True) | Q(grant__isnull=False))
    return wanted.exclude(twitch_id=None).order_by("pk")


def _read(token: Token, places: Sequence[Channel | None]) -> Kept:
    """One after another, each kept at once: Twitch may go away in between. A channel it refuses stops no other."""
    kept = Kept()
    for channel in places:
        try:
            told = helix.ask(token, partial(_ask, channel=channel))
        except (NotAllowed, Refused) as error:
            where = str(channel or EVERYWHERE)
            log.warning("catalogue.refused", channel=where, reason=str(error))
            kept.refused.append(where)
            _note_as_read(channel)
            continue
        kept.channels += channel is not None
        kept.changes += keep(channel, told)
    return kept


async def _ask(api: Helix, channel: Channel | None) -> Told:
    twitch_id = channel.twitch_id if channel else None
    emotes = await (api.channel_emotes(twitch_id) if twitch_id else api.global_emotes())
    return Told(emotes, await api.badges(twitch_id), await api.cheermotes(twitch_id))


def _note_as_read(channel: Channel | None) -> None:
    """From now on it is asked for once a day as all others are, and not as new."""
    EmoteSet.objects.get_or_create(
        channel=channel, provider=Provider.TWITCH, defaults={"first_read_at": timezone.now()}
    )


def keep(channel: Channel | None, told: Told) -> int:
    """Make the rows of a channel, or of everywhere, what Twitch told; return how many that changed."""
    changed = sum(apply_set(channel, Provider.TWITCH, list(filter(None, map(_entry, told.emotes)))))
    badges = [Badge(channel=channel, **asdict(badge)) for badge in told.badges]
    changed += _replace(Badge.objects.filter(channel=channel), badges, ["set_id", "version"], ["title", "image_url"])
    # A channel is told with the words of everywhere.
    others = set(Cheermote.objects.filter(channel=None).values_list("prefix", flat=True)) if channel else set()
    cheermotes = [_cheermote(channel, found) for found in told.cheermotes if found.prefix not in others]
    changed += _replace(Cheermote.objects.filter(channel=channel), cheermotes, ["prefix"], ["tiers"])
    # Whether or not anything changed: the job may be here for the second time, because nobody could be told.
    announce(channel.pk if channel else None)
    return changed


def _entry(emote: HelixEmote) -> SetEntry | None:
    """Without the picture's address, which follows from the id. A name that nobody could type is none."""
    if not providers.name(emote.name):
        return None
    return SetEntry(Provider.TWITCH, emote.id, emote.name, emote.name, "", is_animated=emote.is_animated)


def _cheermote(channel: Channel | None, cheermote: HelixCheermote) -> Cheermote:
    return Cheermote(channel=channel, prefix=cheermote.prefix, tiers=[asdict(tier) for tier in cheermote.tiers])


@transaction.atomic
def _replace(rows: QuerySet[Row], wanted: Iterable[Row], key: Sequence[str], values: Sequence[str]) -> int:
    """Write what differs from these rows of a place, delete what is wanted no more; return how many that were."""
    by_key = {_columns(row, key): row for row in wanted}
    present = {_columns(row, key): row for row in rows}
    gone = [row.pk for found, row in present.items() if found not in by_key]
    different = [
        row
        for found, row in by_key.items()
        if found not in present or _columns(row, values) != _columns(present[found], values)
    ]
    if gone:
        rows.filter(pk__in=gone).delete()
    if different:
        rows.bulk_create(different, update_conflicts=True, unique_fields=["channel", *key], update_fields=values)
    return len(different) + len(gone)


def _columns(row: Model, names: Iterable[str]) -> tuple[object, ...]:
    return tuple(getattr(row, column) for column in names)
