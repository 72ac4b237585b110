"""Emote sets in the database: written whole or change by change, and loaded, with their past."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import NamedTuple

import redis
from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from chat.ingest.emotes import SetRow
from chat.ingest.rooms import channel_of_room
from chat.models import Cheermote, Emote, EmoteSet, EmoteSetEntry
from chat.providers import PROVIDERS, Change, ParsedSet, SetEntry, mapping, with_changes
from chat.providers.sources import Sources, login_in, twitch_id_of
from streams.models import Channel

CHANGED = "streamstats:emotes"
EVERYWHERE = "global"


class SetChange(NamedTuple):
    """How many names came and went in a set, and of how many emotes something else is new."""

    added: int = 0
    removed: int = 0
    updated: int = 0

    def __bool__(self) -> bool:
        return any(self)


# Writing.


def apply_set(
    channel: Channel | None, provider: str, entries: Sequence[SetEntry], at: datetime | None = None
) -> SetChange:
    """Make a set what the provider says it is, and tell the writers if that changed anything.

    What is there at the first read has no beginning: it is taken to have been there before.
    """
    at = at or timezone.now()
    with transaction.atomic():
        _, is_first = EmoteSet.objects.select_for_update().get_or_create(
            channel=channel, provider=provider, defaults={"first_read_at": at}
        )
        present = _present(channel, provider)
        change = _write(channel, present, entries, since=None if is_first else at, until=at)
        if change:
            transaction.on_commit(partial(announce, channel.pk if channel else None))
    return change


def apply_changes(
    channel: Channel | None, provider: str, changes: Iterable[Change], at: datetime | None = None
) -> SetChange:
    """Change a set that has been read before. One that has not will be read, with these changes in it."""
    at = at or timezone.now()
    with transaction.atomic():
        if not EmoteSet.objects.select_for_update().filter(channel=channel, provider=provider).first():
            return SetChange()
        present = _present(channel, provider)
        entries = with_changes([_entry(row) for row in present], changes)
        change = _write(channel, present, entries, since=at, until=at)
        if change:
            transaction.on_commit(partial(announce, channel.pk if channel else None))
    return change


def announce(channel_pk: int | None) -> None:
    """Tell the writers that a set has changed, so that they load it again."""
    with redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=2, socket_timeout=5) as client:
        client.publish(CHANGED, str(channel_pk or EVERYWHERE))


def _present(channel: Channel | None, provider: str) -> list[EmoteSetEntry]:
    rows = EmoteSetEntry.objects.filter(channel=channel, provider=provider, until=None)
    return list(rows.select_related("emote"))


def _entry(row: EmoteSetEntry) -> SetEntry:
    emote = row.emote
    return SetEntry(
        provider=row.provider,
        provider_id=emote.provider_id,
        name=row.name,
        base_name=emote.name,
        image_url=emote.image_url,
        is_zero_width=emote.is_zero_width,
        is_animated=emote.is_animated,
    )


def _write(
    channel: Channel | None,
    present: list[EmoteSetEntry],
    entries: Sequence[SetEntry],
    *,
    since: datetime | None,
    until: datetime,
) -> SetChange:
    """Write what differs. An entry is never changed: under another name, or another emote, it is another entry."""
    wanted = {entry.name: entry for entry in entries}
    gone = [row.pk for row in present if not _is_same(row, wanted.get(row.name))]
    stays = {row.name for row in present if _is_same(row, wanted.get(row.name))}
    emotes, updated = _write_emotes(wanted.values(), [row.emote for row in present])
    if gone:
        EmoteSetEntry.objects.filter(pk__in=gone).update(until=until)
    fresh = [
        EmoteSetEntry(channel=channel, emote=emotes[e.provider_id], provider=e.provider, name=e.name, since=since)
        for e in wanted.values()
        if e.name not in stays
    ]
    EmoteSetEntry.objects.bulk_create(fresh)
    return SetChange(len(fresh), len(gone), updated)


def _is_same(row: EmoteSetEntry, entry: SetEntry | None) -> bool:
    return entry is not None and row.emote.provider_id == entry.provider_id


def _write_emotes(entries: Iterable[SetEntry], known: Iterable[Emote]) -> tuple[dict[str, Emote], int]:
    """Make sure of every entry's emote; return them by the provider's id, and how many known ones were updated."""
    by_id = {entry.provider_id: entry for entry in entries}
    emotes = {emote.provider_id: emote for emote in known if emote.provider_id in by_id}
    missing = [entry for entry in by_id.values() if entry.provider_id not in emotes]
    if missing:
        found = Emote.objects.filter(
            provider=missing[0].provider, provider_id__in=[entry.provider_id for entry in missing]
        )
        emotes |= {emote.provider_id: emote for emote in found}
    updated = [emotes[entry.provider_id] for entry in by_id.values() if _update(emotes.get(entry.provider_id), entry)]
    created = [_emote(entry) for entry in missing if entry.provider_id not in emotes]
    # Sorted: two sets with the same new emotes, written at once, must not wait for each other.
    written = Emote.objects.bulk_create(
        sorted([*created, *updated], key=lambda emote: emote.provider_id),
        update_conflicts=True,
        unique_fields=["provider", "provider_id"],
        update_fields=["name", "image_url", "is_zero_width", "is_animated"],
    )
    return emotes | {emote.provider_id: emote for emote in written}, len(updated)


def _emote(entry: SetEntry) -> Emote:
    return Emote(
        provider=entry.provider,
        provider_id=entry.provider_id,
        name=entry.base_name,
        image_url=entry.image_url,
        is_zero_width=entry.is_zero_width,
        is_animated=entry.is_animated,
    )


def _update(emote: Emote | None, entry: SetEntry) -> bool:
    """Take over what an entry says of a known emote; say whether that was new.

    One set may use as an overlay what another does not. Once an overlay, always one: else two sets would
    overwrite each other at every read. A picture is not given up for none.
    """
    if emote is None:
        return False
    new = (
        entry.base_name,
        entry.image_url or emote.image_url,
        entry.is_zero_width or emote.is_zero_width,
        entry.is_animated,
    )
    if new == (emote.name, emote.image_url, emote.is_zero_width, emote.is_animated):
        return False
    emote.name, emote.image_url, emote.is_zero_width, emote.is_animated = new
    return True


# Reading.


def load_entries(channel_pk: int | None) -> list[SetRow]:
    """Load a channel's sets, or those for everybody, with their past: what the ingest's index is made of.

    Without Twitch's own: where those are in a text is told with each message.
    """
    rows = EmoteSetEntry.objects.filter(channel=channel_pk, provider__in=PROVIDERS).order_by("pk")
    return [
        SetRow(provider, provider_id, name, _ms(since), _ms(until))
        for provider, provider_id, name, since, until in rows.values_list(
            "provider", "emote__provider_id", "name", "since", "until"
        )
    ]


def load_cheers(channel_pk: int | None) -> list[str]:
    """Load the words that, with a number behind them, give bits in a channel, or everywhere."""
    return list(Cheermote.objects.filter(channel=channel_pk).values_list("prefix", flat=True))


def _ms(at: datetime | None) -> int | None:
    return None if at is None else round(at.timestamp() * 1000)


# Sets from a file, in the shape provider -> path -> body.


class FileSet(NamedTuple):
    """What a file says of one set."""

    provider: str
    twitch_id: str | None
    login: str
    parsed: ParsedSet


def read_bodies(bodies: object) -> list[FileSet]:
    """Read all sets of a file. Raises ValueError for what is none."""
    sources = sources_from_settings()
    found = []
    for provider, by_path in mapping(bodies).items():
        for path, body in mapping(by_path).items():
            twitch_id = twitch_id_of(provider, path)
            parsed = sources.parse(provider, twitch_id, body)
            if parsed is None:
                raise ValueError(f"{provider} would not send what is at {path!r}")
            found.append(FileSet(provider, twitch_id, login_in(provider, body), parsed))
    if not found:
        raise ValueError("there are no sets in it")
    return found


def apply_file(sets: Sequence[FileSet]) -> list[tuple[FileSet, Channel | None, SetChange]]:
    """Write the sets of a file. Raises ValueError for a channel that is not known, and that no set names."""
    logins = {found.twitch_id: found.login for found in sets if found.login}
    with transaction.atomic():
        channels = {id_: _channel(id_, logins.get(id_, "")) for id_ in {found.twitch_id for found in sets} if id_}
    with transaction.atomic():
        # All at first: a keeper that holds one of these must not wait for emotes that are written here.
        theirs = EmoteSet.objects.filter(Q(channel__in=channels.values()) | Q(channel=None))
        list(theirs.select_for_update().order_by("pk"))
        return [_apply_found(found, channels.get(found.twitch_id or "")) for found in sets]


def apply_unread(sets: Sequence[FileSet]) -> None:
    """Write those sets of a file that were never read: what is known of the others is newer."""
    read = set(EmoteSet.objects.values_list("channel__twitch_id", "provider"))
    apply_file([found for found in sets if (found.twitch_id, found.provider) not in read])


def rows_of(sets: Sequence[FileSet]) -> dict[str | None, list[SetRow]]:
    """The sets of a file as the index wants them, by room, valid at any time; None is everywhere."""
    rows: dict[str | None, list[SetRow]] = {}
    for found in sets:
        told = [SetRow(entry.provider, entry.provider_id, entry.name, None, None) for entry in found.parsed.entries]
        rows.setdefault(found.twitch_id, []).extend(told)
    return rows


def _apply_found(found: FileSet, channel: Channel | None) -> tuple[FileSet, Channel | None, SetChange]:
    return found, channel, apply_set(channel, found.provider, found.parsed.entries)


def _channel(twitch_id: str, login: str) -> Channel:
    if login:
        return channel_of_room(twitch_id, login)
    channel = Channel.objects.filter(twitch_id=twitch_id).first()
    if channel is None:
        raise ValueError(f"no channel with the Twitch id {twitch_id} is known, and its sets do not tell its name")
    return channel


def sources_from_settings() -> Sources:
    return Sources(
        seventv_url=settings.SEVENTV_URL,
        seventv_events_url=settings.SEVENTV_EVENTS_URL,
        bttv_url=settings.BTTV_URL,
        bttv_ws_url=settings.BTTV_WS_URL,
        bttv_cdn_url=settings.BTTV_CDN_URL,
        ffz_url=settings.FFZ_URL,
    )
