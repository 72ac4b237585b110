"""Purges: a channel keeps nothing more of whoever meets a rule. First it is counted whom that would be, then confirmed.

What goes is what an erasure would take out of the channel (chat/leaving.py): the account and other channels keep
theirs, what the channel counted of everybody together stays, and a recount agrees. One viewer goes in one transaction,
under the locks that an erasure takes, so a purge may be killed anywhere and goes on with who is left. Whoever was seen
again since it was counted is left out. Why it is so: docs/decisions/purges.md.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import Q, QuerySet

from chat import copied, folds, listfiles, personal
from chat.leaving import MENTION, Leaver, names_of, path_to_channel, plain_tables
from chat.mentions import Mentions
from streams import audit, pages
from streams.locks import PURGES, alone, lock_all_counts, lock_channels
from streams.models import Channel, Stream
from streams.reach import reach_of
from viewers import summaries
from viewers.models import ListFile, Profile, Progress, Purge, Viewer, ViewerTotal, ViewSession

log = structlog.get_logger(__name__)

TOGETHER, MESSAGES_TOGETHER = 25, 2000
"""So many viewers go in one transaction, or fewer who wrote more: the ingest waits for it."""
LOOKED_UP_TOGETHER = 500
"""Of so many viewers it is looked up together where the log of changes names them, which reads all of the channel's."""
COUNT_HOLDS = timedelta(days=1)
"""Who confirms has seen whom it meets; by then it may be others."""
KEPT_FOR = timedelta(days=90)
NAMED = 20
"""Of whom it would meet, so many are shown to whoever confirms."""

LARGEST = 2**31 - 1
"""Of a number in a rule."""

NO_RULE = "Say at least one thing that has to hold: last seen before a day, fewer hours, or fewer messages."
NOT_COUNTED = "It is not known yet whom this would meet. Wait until it is counted."
TOO_OLD = "This was counted more than a day ago. Make a new purge with the same rule, and look again whom it meets."
ASKED_ALREADY = "This purge was confirmed already."
ANOTHER = "Another purge of this channel is going on. Wait until it is done."
WRONG_NAME = "That is not the name of the channel. Nothing was deleted: type {name} to confirm."
NOT_OWNER = "Only the owner of a channel purges its viewers."

OF_CHANNEL = frozenset({"streams.ChannelModerator"})
"""Rows about an account that say something of the channel: who moderates it is for Twitch to say."""
WITH_STEPS = (
    *("viewers.ViewerTotal", "chat.Message", "chat.ChatEvent", "chat.ModerationEvent"),
    *("viewers.ViewerStream", "viewers.ViewSession", "viewers.ViewerDay"),
)


class Refused(Exception):
    """A purge that is not made or confirmed; the text says why."""


Show = Callable[[int, int], None]
"""Told how many viewers are done, of about how many."""


def _show_nobody(_done: int, _about: int) -> None:
    """Nobody looks at it."""


# Asking, and confirming


def ask(
    channel: Channel,
    by: User | None,
    *,
    not_seen_since: date | None = None,
    fewer_hours: int | None = None,
    fewer_messages: int | None = None,
) -> Purge:
    """Note a rule whose viewers are to be counted; all that is given has to hold. Raises Refused, PermissionDenied.

    Nobody is whoever runs a command.
    """
    _let_owners(by, channel.pk)
    rule = {"not_seen_since": not_seen_since, "fewer_hours": fewer_hours, "fewer_messages": fewer_messages}
    if all(value is None for value in rule.values()):
        raise Refused(NO_RULE)
    with transaction.atomic():
        purge = Purge.objects.create(channel=channel, asked_by=by, **rule)
        audit.note(by, "purge.ask", channel=channel, target=purge, detail=rule_of(purge))
    return purge


def confirm(purge: Purge, by: User | None, typed: str, now: datetime) -> None:
    """Have it carried out. `typed` is the login of the channel. Raises Refused, PermissionDenied."""
    _let_owners(by, purge.channel_id)
    with transaction.atomic():
        Channel.objects.select_for_update(no_key=True, of=("self",)).get(pk=purge.channel_id)  # one of a channel
        purge = Purge.objects.select_for_update(of=("self",)).select_related("channel").get(pk=purge.pk)
        if reason := _why_not(purge, typed, now):
            raise Refused(reason)
        purge.confirmed_by, purge.confirmed_at = by, now
        purge.save(update_fields=["confirmed_by", "confirmed_at"])
        detail = rule_of(purge) | {"would_meet": purge.would_meet}
        audit.note(by, "purge.confirm", channel=purge.channel_id, target=purge, detail=detail)


def name_to_type(channel: Channel) -> str:
    return channel.login or str(channel.twitch_id)


def _why_not(purge: Purge, typed: str, now: datetime) -> str:
    if purge.counted_at is None:
        return NOT_COUNTED
    if purge.confirmed_at is not None:
        return ASKED_ALREADY
    if purge.counted_at < now - COUNT_HOLDS:
        return TOO_OLD
    name = name_to_type(purge.channel)
    if typed.strip().removeprefix("#").lower() != name.lower():
        return WRONG_NAME.format(name=name)
    others = Purge.objects.filter(channel=purge.channel_id, confirmed_at__isnull=False, finished_at=None)
    return ANOTHER if others.exists() else ""


def _let_owners(by: User | None, channel_id: int) -> None:
    if by is not None and not reach_of(by).owns(channel_id):
        raise PermissionDenied(NOT_OWNER)


def rule_of(purge: Purge) -> dict[str, object]:
    """What was given of the rule, as JSON."""
    since = purge.not_seen_since
    rule = {
        "not_seen_since": since.isoformat() if since else None,
        "fewer_hours": purge.fewer_hours,
        "fewer_messages": purge.fewer_messages,
    }
    return {name: value for name, value in rule.items() if value is not None}


# Whom it meets


def met_by(purge: Purge) -> QuerySet[ViewerTotal]:
    """The viewers of the channel whom the rule meets, and who are not there just now; once counted, not seen since."""
    given = Q()
    if purge.not_seen_since is not None:
        given &= Q(last_seen_at__lt=datetime.combine(purge.not_seen_since, time.min, UTC))
    if purge.fewer_hours is not None:
        given &= Q(watch_seconds__lt=purge.fewer_hours * 3600)
    if purge.fewer_messages is not None:
        given &= Q(messages__lt=purge.fewer_messages)
    if not given:
        raise ValueError(NO_RULE)
    if purge.counted_at is not None:
        given &= Q(last_seen_at__lt=purge.counted_at)
    live = Stream.objects.filter(channel=purge.channel_id, ended_at=None)
    are_there = ViewSession.objects.filter(stream__in=live, ended_at=None).values("viewer")
    return ViewerTotal.objects.filter(given, channel=purge.channel_id).exclude(viewer__in=are_there)


def sample(purge: Purge) -> list[ViewerTotal]:
    """Some of them: who wrote most, for those would be missed first."""
    return list(met_by(purge).select_related("viewer").order_by("-messages", "viewer")[:NAMED])


def count(purge: Purge) -> dict[str, int]:
    """How many viewers it would meet, and how many rows of each table; nothing is changed.

    It reads what it counts, which takes seconds with millions of rows: for a job.
    """
    now = datetime.now(UTC)
    found = {label: _rows_of_all(label, purge).count() for label in tables()}
    met = {label: rows for label, rows in found.items() if rows}
    known = Purge.objects.filter(pk=purge.pk, counted_at=None, confirmed_at=None)
    if known.update(counted_at=now, would_meet=met, state=Progress.WAITING, problem=""):
        purge.refresh_from_db()
    return met


def tables() -> list[str]:
    """The tables a purge takes rows out of; the first has one of each viewer."""
    return [*WITH_STEPS, *_plain_tables(), "viewers.Summary", "viewers.Profile"]


def in_words(rows: dict[str, int]) -> list[tuple[str, int]]:
    """How many rows of which kind, the viewers first: what is kept as JSON has no order."""
    order = {label: place for place, label in enumerate(tables())}
    known = sorted(rows.items(), key=lambda row: (order.get(row[0], len(order)), row[0]))
    return [(words_for(label), number) for label, number in known]


def words_for(label: str) -> str:
    """What the rows of a table are called."""
    if label.startswith(MENTION):
        return "names in gifts of others"
    return WORDS.get(label) or str(personal.model_of(label)._meta.verbose_name_plural)  # noqa: SLF001 (public)


WORDS = {
    "viewers.ViewerTotal": "viewers",
    "chat.Message": "messages, which become nobody's",
    "chat.ChatEvent": "subscriptions, gifts and the like",
    "chat.ModerationEvent": "bans, timeouts and deletions",
    "viewers.ViewerStream": "streams they came to",
    "viewers.ViewSession": "visits",
    "viewers.ViewerDay": "days of their numbers",
    "viewers.SessionCorrection": "corrections of visits",
    "viewers.Standing": "places on leaderboards",
    "viewers.Award": "achievements",
    "viewers.WikiRevision": "versions of texts on pages",
    "viewers.SummaryTurn": "turns of summaries",
    "viewers.Claim_people": "sentences of recaps and summaries that name them",
    "viewers.Claim": "sentences of summaries",
    "viewers.Note": "notes of moderators",
    "viewers.NoteVersion": "versions of notes",
    "viewers.Tagging": "tags on them",
    "viewers.AccountLink": "links between accounts",
    "chat.Redemption": "channel points spent",
    "chat.EmoteUsage": "days of their emotes",
    "chat.ViewerEmote": "emotes of theirs",
    "viewers.Summary": "summaries of them",
    "viewers.Profile": "pages about which nothing was decided",
}


def _rows_of_all(label: str, purge: Purge) -> QuerySet[Any]:
    model, viewers = personal.model_of(label), met_by(purge).values("viewer")
    whose = Q()
    for name in personal.keys_of(label):
        whose |= Q(**{f"{name}__in": viewers})
    in_channel = Q(**{path_to_channel(model): purge.channel_id})
    rows: QuerySet[Any] = QuerySet(model).filter(whose & in_channel)
    return rows.filter(UNDECIDED) if label == "viewers.Profile" else rows


def _plain_tables() -> list[str]:
    """Those of an erasure that are of a channel; summaries have a step of their own."""
    own = (label for label in plain_tables() if path_to_channel(personal.model_of(label)))
    return [label for label in own if label not in OF_CHANNEL and label not in WITH_STEPS and label not in SUMMARIES]


SUMMARIES = frozenset({"viewers.Summary", "viewers.Claim"})

# What was decided about a page holds when they come back, or one could be shown again by having been away.
UNDECIDED = Q(visibility=Profile.Visibility.AS_CHANNEL, locked_at=None, is_bot=False)


# Carrying it out


def carry_out(purge_id: int, show: Show = _show_nobody) -> str:
    """Count it, or purge where it was confirmed, from where it stopped; say what was done. Raises GoesOn."""
    with alone(PURGES, purge_id):  # two would do no harm, but wait for each other all the time
        purge = Purge.objects.select_related("channel").filter(pk=purge_id, finished_at=None).first()
        if purge is None or (purge.counted_at is not None and purge.confirmed_at is None):
            return "nothing to do"
        Purge.objects.filter(pk=purge_id).update(state=Progress.RUNNING, problem="")
        try:
            if purge.counted_at is None:
                return f"{count(purge).get('viewers.ViewerTotal', 0):,} viewers counted"
            return f"{_purge_all(purge, show):,} viewers purged"
        except SoftTimeLimitExceeded:
            raise  # it goes on with the next run
        except Exception as error:
            # Not what the error says: it may be a row.
            log.error("purge.failed", purge=purge_id, error=type(error).__name__)
            if not connection.in_atomic_block:
                connection.close_if_unusable_or_obsolete()
            failed = {"state": Progress.FAILED, "problem": "Something went wrong; it is tried again within minutes."}
            Purge.objects.filter(pk=purge_id, finished_at=None).update(**failed)
            raise


def unfinished() -> list[int]:
    """Purges that are to be counted, or go on: nobody began them, or something went wrong."""
    waits = Q(counted_at=None) | Q(confirmed_at__isnull=False)
    return list(Purge.objects.filter(waits, finished_at=None).order_by("pk").values_list("pk", flat=True))


def forget(now: datetime) -> int:
    """Delete purges that nobody confirmed and those that are long done: the audit log says what they were."""
    past = Q(finished_at__lt=now - KEPT_FOR) | Q(confirmed_at=None, asked_at__lt=now - KEPT_FOR)
    return Purge.objects.filter(past).delete()[0]


def _purge_all(purge: Purge, show: Show) -> int:
    about = purge.would_meet.get("viewers.ViewerTotal", 0)
    after = ""
    while some := _next(purge, after):
        named = copied.find_named([viewer_id for viewer_id, _ in some], purge.channel_id)
        for group in _groups(some):
            _purge_some(purge, group, named)
            show(purge.viewers_done, about)
        after, _ = some[-1]
    listfiles.withdraw(ListFile.objects.filter(channel=purge.channel_id), datetime.now(UTC))
    with transaction.atomic():
        purge.state, purge.finished_at = Progress.DONE, datetime.now(UTC)
        purge.save(update_fields=["state", "finished_at"])
        done = {"viewers": purge.viewers_done, "removed": purge.removed}
        audit.note(None, "purge.done", channel=purge.channel_id, target=purge, detail=rule_of(purge) | done)
    return purge.viewers_done


def _next(purge: Purge, after: str) -> list[tuple[str, int]]:
    """The next of them after a viewer, and how many messages each wrote."""
    rows = met_by(purge).filter(viewer__gt=after).order_by("viewer").values_list("viewer_id", "messages")
    return list(rows[:LOOKED_UP_TOGETHER])


def _groups(some: Iterable[tuple[str, int]]) -> Iterator[list[str]]:
    """Who goes together: as many as may, whose messages are not too many."""
    group: list[str] = []
    messages = 0
    for viewer_id, wrote in some:
        messages += wrote
        if group and (len(group) == TOGETHER or messages > MESSAGES_TOGETHER):
            yield group
            group, messages = [], wrote
        group.append(viewer_id)
    if group:
        yield group


def _purge_some(purge: Purge, group: Sequence[str], named: copied.Named) -> None:
    """Purge those of them who still meet the rule once nobody writes about them any more."""
    channel = purge.channel_id
    removed: Counter[str] = Counter()
    with transaction.atomic(), connection.cursor() as cursor:
        lock_all_counts(cursor, channel)  # before the lock of the channel, as who counts does
        lock_channels(cursor, [channel])
        folds.hold(cursor, [channel])
        known = met_by(purge).filter(viewer__in=group).order_by("viewer").values_list("viewer_id", flat=True)
        still = list(known)
        list(Viewer.objects.select_for_update(no_key=True).filter(pk__in=still).order_by("pk").values_list("pk"))
        copied.seal_departures(cursor, purge.channel, still)
        for viewer_id in still:
            removed += _Leaving(viewer_id, cursor).leave(channel)
        # Whoever copied it is told so; who it was nobody can read there.
        copied.seal_written(cursor)
        copied.forget_named(cursor, still, named)
        copied.hold_webhooks(cursor, channel)
        was = Purge.objects.select_for_update().get(pk=purge.pk)
        purge.viewers_done = was.viewers_done + len(still)
        purge.removed = dict(sorted((Counter(was.removed) + removed).items()))
        purge.save(update_fields=["viewers_done", "removed"])
        pages.forget_once_committed([purge.channel.login])


class _Leaving(Leaver):
    """One viewer leaves one channel, within a transaction that has its locks."""

    def __init__(self, viewer_id: str, cursor: CursorWrapper) -> None:
        self.viewer_id = viewer_id
        self.mentions = Mentions(viewer_id, names_of(viewer_id))
        self._cursor = cursor
        self._removed: Counter[str] = Counter()

    @contextmanager
    def _batch(self, channels: Sequence[int] = ()) -> Iterator[tuple[CursorWrapper, Counter[str]]]:
        yield self._cursor, self._removed

    def _tables(self) -> list[str]:
        return _plain_tables()

    def leave(self, channel: int) -> Counter[str]:
        """Take out what is theirs; how many rows of each table that were."""
        self._leave_messages(channel)
        self._leave_events(channel)
        self._give_to_nobody(channel)
        self._delete_deeds(channel)
        self._leave_streams(channel)
        self._leave_days(channel)
        self._removed.update(summaries.erase(self.viewer_id, channel))
        self._delete_rows(channel)
        self._leave_page(channel)
        return +self._removed

    def _leave_page(self, channel: int) -> None:
        page = Profile.objects.filter(channel=channel, viewer=self.viewer_id)
        self._removed.update(page.filter(UNDECIDED).delete()[1])
