"""Asks Twitch which channels are live, and tells streams and presence."""

from datetime import datetime

from django.db import transaction
from django.db.models import Q

from chat.ingest.rooms import channel_of_room
from streams.broadcasts import observe
from streams.grants import NotConfigured, Token, app_token
from streams.helix import ask
from streams.models import Channel, Stream
from viewers.presence import settle

AT_ONCE = 100
"""Channels in one transaction: writers wait for its end."""


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
    began = ended = 0
    for first in range(0, len(channels), AT_ONCE):
        some = channels[first : first + AT_ONCE]
        with transaction.atomic():
            observed = observe(live, some, at)
            settle(observed.touched, at)
        began, ended = began + observed.began, ended + observed.ended
    return f"{len(live):,} of {len(channels):,} channels live; {began:,} streams began, {ended:,} ended"


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
