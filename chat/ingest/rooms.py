"""Which of our channels a line belongs to: the room id is the identity, and the login only its present name."""

import re

import structlog
from django.db import IntegrityError, transaction

from streams import pages
from streams.models import Channel, Gap

log = structlog.get_logger(__name__)

LOGIN = re.compile(r"[a-z0-9_]{1,64}")
ROOM_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")


class Rooms:
    """Keys of channels by room id, learnt from the lines themselves and kept in memory."""

    def __init__(self) -> None:
        self._keys: dict[str, int] = {}

    def key(self, room_id: str) -> int:
        """Key of a channel that was learnt."""
        return self._keys[room_id]

    def all_keys(self) -> list[int]:
        """Keys of all channels that were learnt."""
        return list(self._keys.values())

    def room_of(self, key: int) -> str | None:
        """Room id of a channel, if it was learnt."""
        return next((room_id for room_id, known in self._keys.items() if known == key), None)

    def learn(self, rooms: dict[str, str]) -> list[str]:
        """Make sure of a channel for every room id -> login; return those not seen before."""
        unknown = [room_id for room_id in rooms if room_id not in self._keys]
        for room_id in unknown:
            try:
                self._keys[room_id] = _key(room_id, rooms[room_id])
            except IntegrityError:  # somebody else added it at the same moment
                self._keys[room_id] = _key(room_id, rooms[room_id])
        return unknown


@transaction.atomic
def _key(room_id: str, login: str) -> int:
    return channel_of_room(room_id, login).pk


def channel_of_room(room_id: str, login: str) -> Channel:
    """Find, complete or make the channel with this id, last seen under this login.

    Raises ValueError for what cannot be the id or the login of a channel: both end up in addresses.
    """
    login = login.lower()
    if not (LOGIN.fullmatch(login) and ROOM_ID.fullmatch(room_id)):
        raise ValueError(f"no channel can be called {login[:40]!r} and have the id {room_id[:40]!r}")
    known = Channel.objects.select_for_update().filter(twitch_id=room_id).first()
    namesake = Channel.objects.select_for_update().filter(login=login).exclude(twitch_id=room_id).first()
    if namesake is not None and namesake.twitch_id is None:
        return _merged(known, namesake) if known else _completed(namesake, room_id)
    if known:
        return known
    if namesake is None:
        return Channel.objects.create(twitch_id=room_id, login=login, display_name=login, is_followed=False)
    return _stranger(namesake, room_id, login)


def _completed(channel: Channel, room_id: str) -> Channel:
    """Give a channel that was followed by name the id its lines tell."""
    channel.twitch_id = room_id
    channel.save(update_fields=["twitch_id"])
    log.info("channel.identified", login=channel.login, twitch_id=room_id)
    return channel


def _merged(known: Channel, namesake: Channel) -> Channel:
    """A channel we know was followed again under its new name: one row stays, with the new name."""
    Gap.objects.filter(channel=namesake).update(channel=known)
    _passes_on(known.login, namesake.login)
    known.is_followed = known.is_followed or namesake.is_followed
    known.login, known.display_name = namesake.login, namesake.display_name
    namesake.delete()
    known.save(update_fields=["login", "display_name", "is_followed"])
    log.info("channel.renamed", login=known.login, twitch_id=known.twitch_id)
    return known


def _stranger(holder: Channel, room_id: str, login: str) -> Channel:
    """Another channel has this name here. One that is followed keeps it; nothing is ever mixed."""
    log.warning("channel.name_taken_over", login=login, new_id=room_id, old_id=holder.twitch_id)
    if holder.is_followed:
        return Channel.objects.create(twitch_id=room_id, login=None, display_name=login, is_followed=False)
    _passes_on(login)
    holder.login = None
    holder.save(update_fields=["login"])
    return Channel.objects.create(twitch_id=room_id, login=login, display_name=login, is_followed=False)


def _passes_on(*logins: str | None) -> None:
    """Have pages under these names forgotten once it is committed: they are of another channel then, or of none."""
    pages.forget_once_committed(logins)
