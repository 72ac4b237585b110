"""What viewers decide about themselves, and moderators about pages: hide, stop, erase, agree, and all of it back.

A choice is one transaction, and holds the moment it is committed: pages that were kept ready are forgotten before and
after, and the ingest waits until it knows (see viewers/unkept.py). Where that cannot be, for Redis is away, the choice
is refused and nothing has changed. What is agreed to is on no page before anything was made of it, and needs none of
that. Call them outside of any transaction. What each means for what is counted: docs/decisions/choices.md.
"""

import secrets
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import OperationalError, connection, transaction
from django.db.models import Value
from django.db.models.functions import Coalesce
from psycopg.errors import LockNotAvailable
from redis.exceptions import RedisError

from streams import audit
from streams.locks import lock_channels
from streams.models import Channel
from streams.pages import AWAY, NotNow, forgetting
from viewers import heldpages, presence, summaries, verdicts
from viewers.access import let_moderate
from viewers.marks import anonymous_id, mark_of
from viewers.models import Consent, Erasure, Profile, Progress, Viewer
from viewers.unkept import LOCK_ALONE

__all__ = [
    "AWAY",
    "WORDING",
    "NotNow",
    "TooSoon",
    "agree",
    "allow_again",
    "anonymous_id",
    "ask_to_erase",
    "hide",
    "mark_of",
    "remove_page",
    "remove_pages",
    "restore_page",
    "restore_pages",
    "resume",
    "show",
    "stop",
    "withdraw",
]

WORDING = {
    Consent.Kind.SUMMARY: (
        "StreamStats may give what I wrote in the chats that it follows to a language model, which makes a short"
        " summary of it for my page in each channel. Whoever can see my page can read the summary. Where somebody who"
        " agreed to the same answers what I wrote, it may be given along with their answer, for their summary. I can"
        " take this back at any time; the summaries are deleted then, with what those of others say by my words, and no"
        " more are made."
    ),
    Consent.Kind.RECAP: (
        "StreamStats may give what I wrote during a stream to a language model, which makes a short recap of the stream"
        " for everybody, and the recap may name me. I can take this back at any time; what recaps say of me is deleted"
        " then, and no other is made of what I write."
    ),
}
"""The words that are agreed to. Whoever agreed to others before did not agree to these."""

DAY = timedelta(days=1)

REMOVED = Profile.Visibility.REMOVED
HIDDEN_BY_MODERATORS = (
    "Moderators of {channel} have hidden your page there. Only they can show it again: please ask them."
)
IS_BEING_ERASED = "Your account is being erased. Nothing can be changed before that is done."
ERASED_TODAY = (
    "Your account was erased within the last day already. To find your name in what others wrote, every text here is"
    " read, so that can be asked for once a day. Nothing was changed: please ask again tomorrow. Until then you can"
    " hide your pages, and have nothing more kept of you."
)

# While a choice waits for those who write, everybody else who wants to write waits for the choice.
WAIT_NO_LONGER = "SET LOCAL lock_timeout = '5s'"
RAISE_CLOCK = """
INSERT INTO viewers_choiceclock AS known (id, version) VALUES (1, 1)
ON CONFLICT (id) DO UPDATE SET version = known.version + 1
"""


class TooSoon(NotNow):
    """A choice that is not kept, because it was made not long ago."""


# Whether there is a page


def hide(viewer: Viewer, channel: Channel | None = None) -> None:
    """Show no page of a viewer to strangers, in one channel or anywhere. Raises NotNow."""
    with _chosen_by(viewer, channel):
        if channel is None:
            _of(viewer).update(hidden_at=Coalesce("hidden_at", Value(_now())))
        else:
            profile = _profile(viewer, channel)
            if profile.visibility == Profile.Visibility.REMOVED:
                _set(profile, chosen=Profile.Visibility.HIDDEN)  # or it would be theirs to show it again
            else:
                _set(profile, visibility=Profile.Visibility.HIDDEN)


def show(viewer: Viewer, channel: Channel | None = None) -> None:
    """Take that back; where pages are opt-in, ask for one. Raises NotNow, also where moderators hid the page."""
    with _chosen_by(viewer, channel):
        _refuse_while_erased(viewer)
        if channel is None:
            _of(viewer).update(hidden_at=None)
        else:
            profile = _profile(viewer, channel)
            if profile.visibility == Profile.Visibility.REMOVED:
                raise NotNow(HIDDEN_BY_MODERATORS.format(channel=channel))
            shown = Profile.Visibility.AS_CHANNEL if channel.is_open else Profile.Visibility.SHOWN
            _set(profile, visibility=shown)


def remove_page(viewer: Viewer, channel: Channel, by: User | None = None) -> None:
    """Hide a viewer's page, by a moderator, until one restores it. Raises NotNow, PermissionDenied."""
    remove_pages(channel, [viewer.pk], by)


def remove_pages(channel: Channel, viewers: Collection[str], by: User | None) -> int:
    """Hide the pages of viewers (their ids), and return how many were not hidden by moderators already."""
    let_moderate(by, channel)
    with _told_to_pages([channel.login]):
        pages = [page for page in heldpages.hold(channel, viewers) if page.visibility != REMOVED]
        for page in pages:
            page.visibility, page.chosen = REMOVED, Profile.Visibility(page.visibility)
        _save(pages)
        audit.note_each(by, "page.hide", channel, (_about(page, page.chosen, REMOVED) for page in pages))
    return len(pages)


def restore_page(viewer: Viewer, channel: Channel, by: User | None = None) -> None:
    """Take that back: what the viewer chose holds again. Raises NotNow, PermissionDenied."""
    restore_pages(channel, [viewer.pk], by)


def restore_pages(channel: Channel, viewers: Collection[str], by: User | None) -> int:
    """The same of many; how many were hidden by moderators."""
    let_moderate(by, channel)
    with _told_to_pages([channel.login]):
        pages = [page for page in heldpages.hold(channel, viewers) if page.visibility == REMOVED]
        for page in pages:
            page.visibility, page.chosen = page.chosen, Profile.Visibility.AS_CHANNEL
        _save(pages)
        audit.note_each(by, "page.restore", channel, (_about(page, REMOVED, page.visibility) for page in pages))
    return len(pages)


def _save(pages: Collection[Profile]) -> None:
    now = _now()
    for page in pages:
        page.changed_at = now
    Profile.objects.bulk_update(pages, ["visibility", "chosen", "changed_at"])


def _about(page: Profile, before: str, after: str) -> audit.About:
    return audit.About(page.viewer_id, str(page.viewer), {"before": before, "after": after})


# Whether anything is kept


def stop(viewer: Viewer) -> None:
    """Keep nothing more of a viewer from now on. Raises NotNow."""
    with _chosen_by(viewer), _told_to_the_ingest(viewer):
        _of(viewer).update(stopped_at=Coalesce("stopped_at", Value(_now())))


def resume(viewer: Viewer) -> None:
    """Keep again what a viewer does from now on. Raises NotNow."""
    with _chosen_by(viewer), _told_to_the_ingest():
        _refuse_while_erased(viewer)
        _of(viewer).filter(stopped_at__isnull=False).update(stopped_at=None, resumed_at=_now())


def ask_to_erase(viewer: Viewer) -> Erasure:
    """Have a viewer erased, and show and keep nothing of them meanwhile. Raises NotNow.

    There is one erasure of an account: asked for again, it is the one that goes on, or it begins anew with a new
    receipt. That raises TooSoon within a day after the last was done, since each reads all texts there are.
    """
    mark = mark_of(viewer.pk)
    if (going_on := _unfinished(mark)) is not None:
        return going_on
    if Erasure.objects.filter(mark=mark, finished_at__gt=_now() - DAY).exists():
        raise TooSoon(ERASED_TODAY)
    with _told_to_pages(_every_channel()), _told_to_the_ingest(viewer):
        if (going_on := _unfinished(mark)) is not None:  # asked twice at once
            return going_on
        now = _now()
        anew = {
            "receipt": secrets.token_urlsafe(24),
            "viewer_id": viewer.pk,
            "state": Progress.WAITING,
            "asked_at": now,
            "step": "",
            "steps_done": 0,
            "steps": 0,
            "removed": {},
            "finished_at": None,
            "lifted_at": None,
        }
        erasure, _ = Erasure.objects.update_or_create(mark=mark, defaults=anew)
        _of(viewer).update(hidden_at=Coalesce("hidden_at", Value(now)), stopped_at=Coalesce("stopped_at", Value(now)))
    return erasure


def allow_again(twitch_id: str) -> bool:
    """Keep again what an erased account does from now on; whether there was one. Raises NotNow."""
    mark = mark_of(twitch_id)
    if not Erasure.objects.filter(mark=mark, lifted_at=None).exists():
        return False
    with _told_to_pages([]), _told_to_the_ingest():
        if _unfinished(mark) is not None:
            raise NotNow(IS_BEING_ERASED)
        verdicts.hold_again(twitch_id)
        return bool(Erasure.objects.filter(mark=mark, lifted_at=None).update(lifted_at=_now()))


# What was agreed to


def agree(viewer: Viewer, kind: str) -> Consent:
    """Write down that a viewer agrees to the words of this kind as they are today. Raises NotNow."""
    kind = Consent.Kind(kind)
    with transaction.atomic():
        _refuse_while_erased(viewer)
        present = Consent.objects.select_for_update().filter(viewer=viewer, kind=kind, withdrawn_at=None)
        present.exclude(wording=WORDING[kind]).update(withdrawn_at=_now())
        return present.get_or_create(viewer=viewer, kind=kind, withdrawn_at=None, defaults={"wording": WORDING[kind]})[
            0
        ]


def withdraw(viewer: Viewer, kind: str) -> bool:
    """Write down that a viewer no longer agrees, and delete what was made of it; whether they did. Raises NotNow."""
    present = Consent.objects.filter(viewer=viewer, kind=Consent.Kind(kind), withdrawn_at=None)
    try:
        with _chosen_by(viewer):
            Viewer.objects.select_for_update(no_key=True).get(pk=viewer.pk)
            did = bool(present.update(withdrawn_at=_now()))
            summaries.forget(viewer.pk, Consent.Kind(kind))
            return did
    except RedisError as error:
        raise NotNow(AWAY) from error


# How a choice is made


@contextmanager
def _chosen_by(viewer: Viewer, channel: Channel | None = None) -> Iterator[None]:
    with _told_to_pages(_every_channel() if channel is None else [channel.login]):
        yield


@contextmanager
def _told_to_pages(logins: Iterable[str | None]) -> Iterator[None]:
    with transaction.atomic(durable=True), forgetting(logins):
        yield


@contextmanager
def _told_to_the_ingest(of_whom_no_more: Viewer | None = None) -> Iterator[None]:
    """What is decided while nobody writes about viewers, and is known to all who do so later.

    Sessions of whom no more is kept end where they were last proven.
    """
    try:
        with connection.cursor() as cursor:
            cursor.execute(WAIT_NO_LONGER)
            channels = presence.channels_of_open_sessions(cursor, of_whom_no_more.pk) if of_whom_no_more else []
            lock_channels(cursor, channels)
            cursor.execute(LOCK_ALONE)
            yield
            if of_whom_no_more and channels:
                presence.end_sessions(cursor, of_whom_no_more.pk, channels)
            cursor.execute(RAISE_CLOCK)
    except OperationalError as error:
        if isinstance(error.__cause__, LockNotAvailable):
            raise NotNow(AWAY) from error
        raise


def _refuse_while_erased(viewer: Viewer) -> None:
    if _unfinished(mark_of(viewer.pk)) is not None:
        raise NotNow(IS_BEING_ERASED)


def _unfinished(mark: str) -> Erasure | None:
    return Erasure.objects.filter(mark=mark).exclude(state=Progress.DONE).first()


def _every_channel() -> list[str | None]:
    """A viewer may be named where nothing was counted of them, such as by a raid: a choice is known everywhere."""
    return list(Channel.objects.listed().values_list("login", flat=True))


def _of(viewer: Viewer) -> Any:
    return Viewer.objects.filter(pk=viewer.pk)


def _profile(viewer: Viewer, channel: Channel) -> Profile:
    """What was decided about a page so far, held until it is decided anew."""
    known, _ = Profile.objects.get_or_create(viewer_id=viewer.pk, channel_id=channel.pk)
    return Profile.objects.select_for_update().get(pk=known.pk)


def _set(profile: Profile, **decided: str) -> None:
    for name, value in decided.items():
        setattr(profile, name, value)
    profile.save(update_fields=[*decided, "changed_at"])


def _now() -> datetime:
    return datetime.now(UTC)
