"""Asks who is in a channel's chat, and tells presence. Who wrote something is known here, and is proof as well."""

import time
from collections.abc import Sequence
from datetime import datetime, timedelta

from streams import grants, helix
from streams.broadcasts import on_air
from streams.grants import GrantDead, NotConfigured
from streams.helix import Chatter, HelixError, NotAllowed
from streams.models import PresenceSource, Stream, TwitchGrant
from streams.oauth import OAuthError
from viewers import presence
from viewers.presence import Reconciled

SPEECH = """
SELECT viewer_id, sent_at AS at FROM chat_message
WHERE channel_id = %(channel)s AND sent_at > %(after)s AND sent_at <= %(at)s AND source_channel_id = ''
    AND viewer_id <> ''
"""

# The timetable's own step: what falls due before the next one is due now.
SLACK = timedelta(seconds=20)


def due(now: datetime) -> list[Stream]:
    """Live streams whose chatters have not been asked for since an interval ago, or since they came (back) on air."""
    live = (
        Stream.objects.live().filter(channel__is_followed=True).select_related("channel").prefetch_related("segments")
    )
    return [stream for stream in live if is_due(stream, now)]


def is_due(stream: Stream, now: datetime) -> bool:
    """Whether it is time to ask about a stream that is live."""
    spans = on_air(stream)
    if not spans or spans[-1][1] is not None:
        return False
    asked_at = stream.presence_at
    return asked_at is None or asked_at < spans[-1][0] or now - asked_at >= presence.interval() - SLACK


def unsettled() -> list[int]:
    """Channels with sessions that are still open although their stream is over."""
    over = Stream.objects.exclude(ended_at=None).filter(sessions__isnull=False, sessions__ended_at=None)
    return sorted(set(over.values_list("channel", flat=True)))


def poll(stream: Stream, at: datetime) -> str:
    """Look who is in chat, and say what came of it. Without a list, those are there who write."""
    grant = grants.chatters_grant(stream.channel)
    if grant is None:
        return _by_speech(stream, at, "nobody connected the channel")
    began = time.monotonic()
    try:
        chatters = _ask(stream, grant)
    except NotAllowed:
        grants.not_moderator(grant, stream.channel)
        return _by_speech(stream, at, f"{grant} may not see who is in chat: it is no moderator there")
    except (GrantDead, NotConfigured) as error:
        return _by_speech(stream, at, str(error))
    except (OAuthError, HelixError) as error:
        presence.poll_failed(stream, at, str(error), took_ms=round((time.monotonic() - began) * 1000))
        return f"failed: {error}"
    return _told(presence.reconcile(stream, at, chatters, speech=SPEECH))


def _ask(stream: Stream, grant: TwitchGrant) -> Sequence[Chatter]:
    room = stream.channel.twitch_id or ""
    return helix.ask(grants.token_of(grant), lambda api: api.chatters(room, grant.twitch_id))


def _by_speech(stream: Stream, at: datetime, why: str) -> str:
    """Go by who writes. Right after the list was lost that would end everybody who only watches: it waits a while."""
    was_listed = stream.presence_source == PresenceSource.CHATTERS and stream.presence_at
    if was_listed and at - was_listed <= presence.trusted():
        presence.poll_failed(stream, at, why)
        return f"failed: {why}"
    return _told(presence.reconcile(stream, at, (), source=PresenceSource.SPOKE, speech=SPEECH))


def _told(found: Reconciled | None) -> str:
    if found is None:
        return "off air by now"
    return f"{found.present:,} there, {found.opened:,} came, {found.closed:,} left"
