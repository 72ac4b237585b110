"""Where the administration begins: what happens now, who is new, what was moderated, and whether all of it arrives.

All of it is of channels within reach, of the few heard of last where there are many, and read from the ends of
indexes: nothing is counted to its end.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import CharField, Count, Exists, F, OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from chat.models import ChatMinute, ModerationEvent
from streams import grants
from streams.auditwords import told
from streams.models import (
    AuditEntry,
    Channel,
    ChannelModerator,
    EventSubscription,
    Gap,
    JobRun,
    Stream,
    TwitchGrant,
    Webhook,
)
from streams.reach import Reach
from viewers.models import Claim, Summary, Viewer, ViewerTotal, WikiRevision

CHANNELS = 8
ROWS = 8
OF_CLAIM, NAME = "summary__", "channel__display_name"
LATELY = timedelta(days=1)
TOLD = dict(ModerationEvent.Kind.choices)
NOT_CONNECTED = "Not connected: only chat is known, and its moderators cannot come in."


@dataclass(frozen=True)
class Board:
    """What the first page shows. `health` is for those who can do something about it."""

    channels: list[Any]
    live: list[Stream]
    newcomers: list[Any]
    deeds: list[Any]
    entries: list[Any]
    waiting: list[dict[str, Any]]
    shows_health: bool
    connections: list["Connection"]
    given_up: list[Webhook]
    failed_jobs: list[JobRun]
    more_channels: bool


@dataclass(frozen=True)
class Connection:
    """How a channel that one owns is connected, and what is wrong with that."""

    channel: Any
    grant: TwitchGrant | None
    problem: str
    refused: int


def of(reach: Reach) -> Board:
    now = timezone.now()
    found = list(_channels(reach, now)[: CHANNELS + 1])
    channels = found[:CHANNELS]
    keys = [channel.pk for channel in channels]
    owned = [channel for channel in channels if reach.owns(channel.pk)]
    return Board(
        channels=channels,
        more_channels=len(found) > CHANNELS,
        live=list(Stream.objects.live().filter(channel__in=keys).select_related("channel").order_by("-started_at")),
        newcomers=list(_newcomers(keys, now)),
        deeds=[deed | {"told": TOLD.get(deed["kind"], deed["kind"])} for deed in _deeds(keys)],
        entries=[entry | {"told": told(entry["action"])} for entry in _entries(reach, keys)],
        waiting=list(_waiting(keys)),
        shows_health=bool(owned),
        connections=_connections(owned),
        given_up=list(
            Webhook.objects.filter(channel__in=owned).exclude(disabled_at=None).order_by("-disabled_at")[:ROWS]
        ),
        failed_jobs=list(_failed_jobs(now)) if reach.is_superuser else [],
    )


def _channels(reach: Reach, now: datetime) -> QuerySet[Any]:
    """The channels heard of last, each with its last whole minute, its last gap and whether it has moderators here."""
    minute = now.replace(second=0, microsecond=0) - timedelta(minutes=1)
    of_minute = ChatMinute.objects.filter(channel=OuterRef("pk"), minute=minute)
    gap = Gap.objects.filter(channel=OuterRef("pk"), ended_at__gte=now - LATELY).order_by("-started_at", "-ended_at")
    channels = Channel.objects.lately_heard_first().annotate(
        a_minute=Coalesce(Subquery(of_minute.values("messages")[:1]), 0),
        chatters_now=Coalesce(Subquery(of_minute.values("chatters")[:1]), 0),
        gap_until=Subquery(gap.values("ended_at")[:1]),
        gap_reason=Subquery(gap.values("reason")[:1]),
        has_moderators=Exists(ChannelModerator.objects.filter(channel=OuterRef("pk"))),
    )
    return reach.limit(channels, "pk")


def _newcomers(keys: list[int], now: datetime) -> QuerySet[Any]:
    """Who came for the first time today, the last of them first: of each channel only the newest are looked at."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    here = ViewerTotal.objects.people().filter(first_seen_at__gte=midnight)
    newest = [here.filter(channel=key).order_by("-first_seen_at").values("pk")[:ROWS] for key in keys]
    if not newest:
        return here.none()
    of_all = newest[0].union(*newest[1:], all=True) if len(newest) > 1 else newest[0]
    found = ViewerTotal.objects.filter(pk__in=of_all).select_related("viewer", "channel")
    return found.order_by("-first_seen_at", "viewer")[:ROWS]


def _of_each(keys: list[int], rows: Callable[[int], QuerySet[Any]]) -> list[QuerySet[Any]]:
    """The newest of each channel: an index has them in order for one channel, not for several."""
    return [rows(key)[:ROWS] for key in keys]


def _joined(parts: list[QuerySet[Any]], none: QuerySet[Any], *order: str) -> QuerySet[Any]:
    if len(parts) < 2:
        return parts[0] if parts else none
    found: QuerySet[Any] = parts[0].union(*parts[1:], all=True).order_by(*order)[:ROWS]
    return found


def _deeds(keys: list[int]) -> QuerySet[Any]:
    """What moderators did in chat, the newest first, with their names."""
    moderator = Viewer.objects.filter(pk=OuterRef("moderator_id")).values("display_name")[:1]
    known = Viewer.objects.filter(pk=OuterRef("target_id")).values("pk")[:1]
    facts = ModerationEvent.objects.facts().annotate(
        by=Coalesce(Subquery(moderator), F("moderator_id"), output_field=CharField()),
        target_known=Subquery(known),
        channel_name=F("channel__display_name"),
    )
    fields = (
        *("pk", "kind", "occurred_at", "target_id", "target_login", "target_known"),
        *("duration_seconds", "reason", "by", "channel_name"),
    )
    parts = _of_each(keys, lambda key: facts.filter(channel=key).order_by("-occurred_at", "-pk").values(*fields))
    return _joined(parts, facts.none(), "-occurred_at", "-pk")


def _entries(reach: Reach, keys: list[int]) -> QuerySet[Any]:
    """What was done in the administration; by whom is on the page of the entry."""
    entries = AuditEntry.objects.annotate(channel_name=F("channel__display_name"))
    fields = ("pk", "at", "action", "target", "role", "channel_name")
    if reach.is_superuser:
        newest: QuerySet[Any] = entries.order_by("-at", "-pk").values(*fields)[:ROWS]
        return newest
    parts = _of_each(keys, lambda key: entries.filter(channel=key).order_by("-at", "-pk").values(*fields))
    return _joined(parts, entries.none(), "-at", "-pk")


def _waiting(keys: list[int]) -> QuerySet[Any]:
    """What somebody should read: summaries before they are shown, sentences that viewers call wrong, new texts."""
    read = Summary.objects.filter(state=Summary.State.REVIEW, channel__in=keys)
    wrong = Claim.objects.filter(reported_at__isnull=False, summary__channel__in=keys)
    texts = WikiRevision.objects.filter(profile__channel__in=keys, withdrawn_at=None)
    parts = [
        rows.annotate(what=Value(what), when=F(at), login=F(viewer), channel_name=F(channel), row=F(row))
        .order_by(f"-{order}")
        .values("what", "when", "login", "channel_name", "row")[:ROWS]
        for what, rows, at, order, viewer, channel, row in (
            ("summary", read, "begun_at", "begun_at", "viewer__login", "channel__display_name", "pk"),
            ("claim", wrong, "reported_at", "reported_at", f"{OF_CLAIM}viewer__login", f"{OF_CLAIM}{NAME}", "summary"),
            ("text", texts, "made_at", "pk", "profile__viewer__login", f"profile__{NAME}", "pk"),
        )
    ]
    found: QuerySet[Any] = parts[0].union(*parts[1:], all=True).order_by("-when")
    return found


def _connections(owned: list[Any]) -> list[Connection]:
    refused = EventSubscription.objects.filter(grant=OuterRef("pk")).exclude(state=EventSubscription.State.ENABLED)
    counted = refused.order_by().values("grant").annotate(count=Count("pk")).values("count")
    found = TwitchGrant.objects.filter(channel__in=owned).annotate(refused=Coalesce(Subquery(counted), 0))
    of_channel: dict[int | None, Any] = {grant.channel_id: grant for grant in found}
    return [
        Connection(channel, grant, grants.problem_of(grant) if grant else NOT_CONNECTED, grant.refused if grant else 0)
        for channel in owned
        for grant in [of_channel.get(channel.pk)]
    ]


def _failed_jobs(now: datetime) -> QuerySet[JobRun]:
    failed = JobRun.objects.filter(outcome=JobRun.Outcome.FAILED, started_at__gte=now - LATELY)
    return failed.order_by("-started_at")[:ROWS]
