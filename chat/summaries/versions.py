"""What viewers and moderators do with summaries: ask for one, hide, restore, let through, say that it is wrong."""

from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Max, Q, QuerySet
from django.utils import timezone

from chat.summaries import checks, due
from chat.summaries.reading import agreed
from chat.summaries.skeleton import words_of
from streams import audit
from streams.models import Channel
from streams.pages import NotNow, forgetting
from viewers.models import Claim, Consent, Summary, SummaryPolicy, SummaryTurn, Viewer, ViewerTotal

State, Role = Summary.State, Summary.Role
PAUSE = timedelta(days=1)
"""From one that a viewer asked for to the next."""
PAUSE_OF_FAILED = timedelta(hours=1)
"""The same where it failed: they have nothing of it, but models may have been paid."""
VERSIONS = 200

OFF = "Summaries are switched off in {channel}."
NOT_AGREED = "A summary is made only after you agreed to it, in your account."
GOING_ON = "A summary of you is being written already."
TOO_SOON = "You asked for one within the last day. Please ask again tomorrow; after 100 more messages one comes anyway."
FAILED_LATELY = "The one you asked for could not be written. Please ask again in an hour."
BUSY = "As many summaries as {channel} makes in a minute were just begun. Please ask again in a minute."
FULL = "As many summaries as {channel} makes in a day were made today. Please ask again tomorrow."
NOTHING = "You have not written anything in {channel} yet."
THEIRS = "A moderator hid this version. Only they can show it again: please ask them."
BLOCKED = "This version says something that the channel has blocked since. Only a moderator can show it again."
NOT_SHOWN = "This version is not shown, so there is nothing to hide."
NOT_HIDDEN = "Only a version that was hidden can be shown again."
NOT_WAITING = "This version does not wait for anybody."


def of_viewer(channel: Channel, viewer: Viewer) -> QuerySet[Summary]:
    """Every version that was written, and the one that is being written, the newest first."""
    return Summary.objects.of_viewer(channel, viewer).order_by("-number")[:VERSIONS]


def why_not(channel: Channel, viewer: Viewer, now: datetime) -> str:
    """Why this viewer gets no fresh summary now, in a sentence; empty where they may ask."""
    if not SummaryPolicy.objects.filter(channel=channel, is_on=True).exists():
        return OFF.format(channel=channel)
    if not Viewer.objects.filter(agreed(Consent.Kind.SUMMARY, "pk"), pk=viewer.pk, stopped_at=None).exists():
        return NOT_AGREED
    versions = Summary.objects.of_viewer(channel, viewer)
    if versions.filter(state__in=(State.WAITING, State.RUNNING)).exists():
        return GOING_ON
    if reason := _too_soon(versions, SummaryTurn.objects.filter(channel=channel, viewer=viewer).first(), now):
        return reason
    in_this_minute, today = due.room(channel, now)
    if today <= 0:
        return FULL.format(channel=channel)
    return BUSY.format(channel=channel) if in_this_minute <= 0 else ""


def _too_soon(versions: QuerySet[Summary], turn: SummaryTurn | None, now: datetime) -> str:
    """By when they asked, not by what is left of it: all versions are deleted when a viewer no longer agrees."""
    if turn is None or turn.asked_at is None or turn.asked_at <= now - PAUSE:
        return ""
    if not versions.filter(is_asked=True, begun_at=turn.asked_at, state=State.FAILED).exists():
        return TOO_SOON
    return FAILED_LATELY if turn.asked_at > now - PAUSE_OF_FAILED else ""


def ask_for(channel: Channel, viewer: Viewer, now: datetime) -> Summary:
    """Have a fresh summary written of a viewer who asks for it. Raises NotNow. A job writes it."""
    with transaction.atomic():
        Viewer.objects.select_for_update(no_key=True).get(pk=viewer.pk)  # until it is begun, they cannot take it back
        due.hold()
        if reason := why_not(channel, viewer, now):
            raise NotNow(reason)
        total = ViewerTotal.objects.filter(channel=channel, viewer=viewer).first()
        if total is None or not total.messages:
            raise NotNow(NOTHING.format(channel=channel))
        last = Summary.objects.of_viewer(channel, viewer).aggregate(last=Max("number"))["last"] or 0
        begun = {"messages": total.messages, "asked_at": now}
        SummaryTurn.objects.update_or_create(channel=channel, viewer=viewer, defaults=begun)
        return Summary.objects.create(
            channel=channel,
            viewer=viewer,
            number=last + 1,
            is_asked=True,
            begun_at=now,
            messages_then=total.messages,
        )


def hide(summary: Summary, user: User, role: str) -> None:
    """Show a version no more: the one before it is shown again, if there is one. Raises NotNow.

    A moderator hides what its viewer hid, too: then the viewer cannot show it again.
    """
    hideable = Q(state=State.SHOWN)
    if role == Role.MODERATOR:
        hideable |= Q(state=State.REVIEW) | Q(state=State.HIDDEN, decided_as=Role.VIEWER)
    _decide(summary, hideable, State.HIDDEN, user, role, NOT_SHOWN, "hide")


def restore(summary: Summary, user: User, role: str) -> Summary.State:
    """Show a version again, in place of newer ones; return what became of it. Raises NotNow.

    A viewer does so by the rules of today: it may have to be read by a moderator first.
    """
    with transaction.atomic(durable=True), forgetting([summary.channel.login]):
        hidden = Q(state=State.HIDDEN)
        if role == Role.MODERATOR:
            _change(summary, hidden, State.SHOWN, user, role, NOT_HIDDEN, "restore")
            return _take_the_page(summary, user, role)
        if Summary.objects.filter(hidden, pk=summary.pk, decided_as=Role.MODERATOR).exists():
            raise NotNow(THEIRS)
        policy = SummaryPolicy.objects.filter(channel=summary.channel_id).first()
        if policy and _says_blocked(summary, policy.blocked_words):
            raise NotNow(BLOCKED)
        to_be_read = needs_review(summary)
        state = State.REVIEW if to_be_read else State.SHOWN
        _change(summary, hidden & ~Q(decided_as=Role.MODERATOR), state, user, role, NOT_HIDDEN, "restore")
        return state if to_be_read else _take_the_page(summary, user, role)


def _take_the_page(summary: Summary, user: User, role: str) -> Summary.State:
    newer = Summary.objects.filter(
        channel=summary.channel_id, viewer=summary.viewer_id, stream=summary.stream_id, number__gt=summary.number
    )
    newer.filter(state=State.SHOWN).update(
        state=State.HIDDEN, decided_at=timezone.now(), decided_by=user, decided_as=role
    )
    return State.SHOWN


def _says_blocked(summary: Summary, blocked_words: str) -> bool:
    return any(checks.is_blocked(claim, blocked_words) for claim in summary.claims.values_list("text", flat=True))


def needs_review(summary: Summary) -> bool:
    """Whether a moderator reads it first: in this channel all, or of a viewer of whom they hid the last."""
    if SummaryPolicy.objects.filter(channel=summary.channel_id, needs_review=True).exists():
        return True
    if summary.viewer_id is None:
        return False
    decided = Summary.objects.filter(channel=summary.channel_id, viewer=summary.viewer_id, decided_at__isnull=False)
    last = decided.exclude(pk=summary.pk).order_by("-number").first()
    return last is not None and (last.state, last.decided_as) == (State.HIDDEN, Role.MODERATOR)


def let_through(summary: Summary, user: User) -> None:
    """Show a version that a moderator has read. Raises NotNow."""
    _decide(summary, Q(state=State.REVIEW), State.SHOWN, user, Role.MODERATOR, NOT_WAITING, "let-through")


def report(claim: Claim) -> None:
    """Show no more what its viewer says is wrong, in whichever version it stands. Raises NotNow."""
    wrong = words_of(claim.text)
    with transaction.atomic(durable=True), forgetting([claim.summary.channel.login]):
        theirs = Claim.objects.filter(
            summary__channel=claim.summary.channel_id, summary__viewer=claim.summary.viewer_id, reported_at=None
        )
        same = [pk for pk, text in theirs.values_list("pk", "text").iterator() if words_of(text) == wrong]
        Claim.objects.filter(pk__in=same, reported_at=None).update(reported_at=timezone.now())


def _decide(summary: Summary, present: Q, state: Summary.State, user: User, role: str, problem: str, deed: str) -> None:
    with transaction.atomic(durable=True), forgetting([summary.channel.login]):
        _change(summary, present, state, user, role, problem, deed)


def _change(summary: Summary, present: Q, state: Summary.State, user: User, role: str, problem: str, deed: str) -> None:
    """What a moderator did is in the audit log, by the number of the version: the words are in that."""
    held = Summary.objects.select_for_update(of=("self",)).filter(present, pk=summary.pk).first()
    if held is None:
        raise NotNow(problem)
    before, held.state = held.state, state
    held.decided_at, held.decided_by, held.decided_as = timezone.now(), user, role
    held.save(update_fields=["state", "decided_at", "decided_by", "decided_as"])
    if role == Role.MODERATOR:
        audit.note(
            user,
            f"{'recap' if summary.stream_id else 'summary'}.{deed}",
            channel=summary.channel_id,
            viewer_id=summary.viewer_id or "",
            target=f"version {summary.number} of {summary.viewer or summary.stream}",
            detail={"before": before, "after": state},
        )
