"""Asks Twitch which channels are live, and tells streams and presence."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import structlog
from django.db import DatabaseError, OperationalError, transaction
from django.db.models import Q

from chat.ingest.rooms import channel_of_room
from streams.broadcasts import observe
from streams.grants import NotConfigured, Token, app_token
from streams.helix import HelixStream, ask
from streams.models import Channel, Stream
from viewers.presence import settle

log = structlog.get_logger(__name__)

AT_ONCE = 20
"""Channels in one transaction: writers of all of them wait for its end."""


class Stored(NamedTuple):
    """What came of an answer. `failures` are of channels of which it could not be stored."""

    began: int = 0
    ended: int = 0
    failures: tuple[DatabaseError, ...] = ()

    def and_also(self, other: "Stored") -> "Stored":
        return Stored(self.began + other.began, self.ended + other.ended, self.failures + other.failures)


def poll(at: datetime) -> str:
    """Ask about every channel that is followed, or was live when that ended; say what came of it."""
    try:
        token = app_token()
    except NotConfigured as error:
        return str(error)
    _identify(token)
    channels = _channels()
    if not channels:
        return "no channels to ask about"
    live = ask(token, lambda api: api.streams([channel.twitch_id or "" for channel in channels]))
    stored = Stored()
    for first in range(0, len(channels), AT_ONCE):
        stored = stored.and_also(_store(live, channels[first : first + AT_ONCE], at))
    if len(stored.failures) == len(channels):
        raise stored.failures[0]
    did = f"{len(live):,} of {len(channels):,} channels live; {stored.began:,} streams began, {stored.ended:,} ended"
    failed = len(stored.failures)
    return f"{did}; {failed:,} channels could not be stored, see the log" if failed else did


def _store(live: Sequence[HelixStream], channels: Sequence[Channel], at: datetime) -> Stored:
    """Together, or one by one where that fails: one channel that cannot be stored must not stop the others.

    Raises OperationalError where the database is away, which no channel is to blame for.
    """
    try:
        with transaction.atomic():
            observed = observe(live, channels, at)
            settle(observed.touched, at)
    except OperationalError:
        raise
    except DatabaseError as error:
        if len(channels) > 1:
            stored = Stored()
            for channel in channels:
                stored = stored.and_also(_store(live, [channel], at))
            return stored
        # Not more than the first line: Postgres shows whole rows in those below.
        log.error("streams.not_storable", channel=str(channels[0]), error=str(error).partition("\n")[0])
        return Stored(failures=(error,))
    return Stored(observed.began, observed.ended)


def _channels() -> list[Channel]:
    """Those with an id. One that is followed no longer is asked about until its stream is over."""
    is_live = Q(pk__in=Stream.objects.live().values("channel"))
    channels = Channel.objects.filter(Q(is_followed=True) | is_live, twitch_id__isnull=False)
    return list(channels.order_by("pk"))


def _identify(token: Token) -> None:
    """Learn the ids of channels that are followed by name and have not been heard yet."""
    logins = [str(login) for login in Channel.objects.followed().filter(twitch_id=None).values_list("login", flat=True)]
    if logins:
        for user in ask(token, lambda api: api.users(logins=logins)):
            with transaction.atomic():
                channel_of_room(user.id, user.login)
