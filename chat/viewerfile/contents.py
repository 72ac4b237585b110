"""What is on a viewer's file. Each part is one question, bounded, and found by an index however long the tables are."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain, groupby
from typing import Any, NamedTuple

from django.contrib.auth.models import User
from django.db.models import Exists, F, FilteredRelation, OuterRef, Q, Subquery, Value, prefetch_related_objects
from django.db.models.functions import Coalesce, NullIf
from social_django.models import UserSocialAuth

from chat import search
from chat.models import Message, ModerationEvent
from chat.viewerfile import links
from chat.viewerfile.deeds import File
from streams.models import AuditEntry, Channel
from streams.reach import PROVIDER, Reach
from viewers.marks import mark_of
from viewers.models import (
    AccountLink,
    Consent,
    Erasure,
    Note,
    NoteVersion,
    Profile,
    Progress,
    Tag,
    Viewer,
    ViewerName,
    ViewerTotal,
    ViewSession,
    WikiRevision,
)

SESSIONS = 10
MESSAGES = 20
DEEDS = 30
VERSIONS = 10
ENTRIES = 20
NAMES = 100
NOTE_VERSIONS = 1000
"""Notes are bounded where they are written; versions of them are not, and the newest are read."""


class Account(NamedTuple):
    """One account of the person: the file's own, or one that is linked to it."""

    viewer: Viewer
    total: ViewerTotal | None
    names: list[ViewerName]

    @property
    def former(self) -> list[ViewerName]:
        return [name for name in self.names if name.login != self.viewer.login]


class NoteOnFile(NamedTuple):
    """A note, and its versions, the newest first."""

    note: Note
    versions: list[NoteVersion]

    @property
    def newest(self) -> NoteVersion:
        return self.versions[0]

    @property
    def earlier(self) -> list[NoteVersion]:
        return self.versions[1:]


class Some(NamedTuple):
    """The newest rows of a list, and whether there are more."""

    rows: list[Any]
    is_more: bool

    @classmethod
    def of(cls, rows: Iterable[Any], most: int) -> "Some":
        found = list(rows)
        return cls(found[:most], len(found) > most)


@dataclass(frozen=True)
class Contents:
    """A file, read once."""

    file: File
    accounts: list[Account]
    links: list[AccountLink]
    sessions: Some
    messages: search.Found
    deeds: Some
    notes: list[NoteOnFile]
    tags: list[dict[str, Any]]
    profile: Profile | None
    revisions: Some
    consents: list[Consent]
    entries: Some
    is_being_erased: bool
    names: dict[int, str] = field(default_factory=dict)
    """Of everybody who did something on it, by user."""

    @property
    def main(self) -> Account:
        return self.accounts[0]

    @property
    def others(self) -> list[Account]:
        return self.accounts[1:]

    @property
    def main_link(self) -> AccountLink | None:
        """The link that shows this account with another."""
        here = (one for one in self.links if one.unlinked_at is None and one.viewer_id == self.file.viewer.pk)
        return next(here, None)

    @property
    def present_links(self) -> list[AccountLink]:
        return [link for link in self.links if link.unlinked_at is None]

    @property
    def past_links(self) -> list[AccountLink]:
        return [link for link in self.links if link.unlinked_at is not None]

    @property
    def standing_notes(self) -> list[NoteOnFile]:
        return [note for note in self.notes if note.note.withdrawn_at is None]

    @property
    def withdrawn_notes(self) -> list[NoteOnFile]:
        return [note for note in self.notes if note.note.withdrawn_at is not None]

    @property
    def tags_on(self) -> list[dict[str, Any]]:
        return [tag for tag in self.tags if tag["since"]]

    @property
    def tags_to_put_on(self) -> list[dict[str, Any]]:
        return [tag for tag in self.tags if not tag["since"]]


def channels_of(viewer: Viewer, reach: Reach) -> list[ViewerTotal]:
    """Where the viewer was seen within somebody's reach, the latest first; each with its channel."""
    channels = reach.limit(Channel.objects.all(), "pk")
    totals = ViewerTotal.objects.filter(viewer=viewer, channel__in=channels).select_related("channel")
    return list(totals.order_by("-last_seen_at", "channel"))


def read(file: File, total: ViewerTotal, reach: Reach, words: str = "") -> Contents:
    """The whole file; of messages those with these words."""
    channel, viewer = file
    linked = links.of(channel, viewer)
    people = links.people(viewer, linked)
    ids = [each.pk for each in people]
    accounts = _accounts(channel, people, total)
    revisions = _revisions(channel, viewer)
    profile = revisions[0]
    messages = search.find(channel.pk, search.Query(words, author_ids=ids), None, MESSAGES)
    prefetch_related_objects(messages.rows, "viewer")
    contents = Contents(
        file=file,
        accounts=accounts,
        links=linked,
        sessions=Some.of(_sessions(channel, ids)[: SESSIONS + 1], SESSIONS),
        messages=messages,
        deeds=Some.of(deeds_about(channel, accounts)[: DEEDS + 1], DEEDS),
        notes=list(_notes(channel, ids)),
        tags=_tags(channel, viewer),
        profile=profile,
        revisions=revisions[1],
        consents=list(Consent.objects.filter(viewer=viewer).defer("wording").order_by("-pk")[:20]),
        entries=Some.of(_entries(channel, viewer, reach)[: ENTRIES + 1], ENTRIES),
        is_being_erased=_is_being_erased(viewer),
    )
    contents.names.update(names_of(_users_in(contents)))
    return contents


def _accounts(channel: Channel, people: Sequence[Viewer], total: ViewerTotal) -> list[Account]:
    totals = {total.viewer_id: total}
    if others := [each.pk for each in people[1:]]:
        totals |= {row.viewer_id: row for row in ViewerTotal.objects.filter(channel=channel, viewer__in=others)}
    names = ViewerName.objects.filter(viewer__in=people).order_by("viewer", "-last_seen_at", "-pk")
    named = {key: list(rows) for key, rows in groupby(names[: NAMES * len(people)], lambda row: row.viewer_id)}
    return [Account(each, totals.get(each.pk), named.get(each.pk, [])) for each in people]


def _sessions(channel: Channel, ids: Sequence[str]) -> Any:
    sessions = ViewSession.objects.filter(channel=channel, viewer__in=ids)
    return sessions.select_related("stream", "viewer").order_by("-started_at", "-pk")


def deeds_about(channel: Channel, accounts: Sequence[Account]) -> Any:
    """What moderators did about them at Twitch, the newest first, each once.

    Chat tells of a deleted message by the name of whose it was: that counts where the message is theirs, for names pass
    to others.
    """
    ids = [account.viewer.pk for account in accounts]
    logins = [name.login for account in accounts for name in account.names]
    by = Viewer.objects.filter(pk=OuterRef("moderator_id")).values("display_name")
    deeds: Any = ModerationEvent.objects.facts().filter(channel=channel).annotate(moderator=Subquery(by))
    theirs = Message.objects.filter(id=OuterRef("message_id"), channel=OuterRef("channel"), viewer__in=ids)
    named = deeds.filter(Exists(theirs), target_id="", target_login__in=logins).exclude(message_id="")
    return deeds.filter(target_id__in=ids).union(named).order_by("-occurred_at", "-id")


def _notes(channel: Channel, ids: Sequence[str]) -> Iterator[NoteOnFile]:
    versions = NoteVersion.objects.filter(note__channel=channel, note__viewer__in=ids).select_related("note__viewer")
    newest = versions.order_by("-note__made_at", "-note", "-number")[:NOTE_VERSIONS]
    for _, rows in groupby(newest, lambda row: row.note_id):
        found = list(rows)
        yield NoteOnFile(found[0].note, found)


def _tags(channel: Channel, viewer: Viewer) -> list[dict[str, Any]]:
    """Every tag of the channel; those that are on the viewer say since when and by whom."""
    mine = FilteredRelation("taggings", condition=Q(taggings__viewer=viewer))
    tags: Any = Tag.objects.filter(channel=channel).annotate(mine=mine)
    known = tags.annotate(since=F("mine__made_at"), by=F("mine__made_by"))
    return list(known.order_by("name").values("pk", "name", "since", "by"))


def _revisions(channel: Channel, viewer: Viewer) -> tuple[Profile | None, Some]:
    """What was decided about the page, and the versions of its text."""
    profile = Profile.objects.filter(channel=channel, viewer=viewer).first()
    if profile is None:
        return None, Some([], is_more=False)
    revisions = WikiRevision.objects.filter(profile=profile).defer("text").order_by("-number")
    return profile, Some.of(revisions[: VERSIONS + 1], VERSIONS)


def _entries(channel: Channel, viewer: Viewer, reach: Reach) -> Any:
    """What was done about them in the administration, here; superusers also see what was done everywhere."""
    where = Q(channel=channel) | Q(channel=None) if reach.is_superuser else Q(channel=channel)
    return AuditEntry.objects.filter(where, viewer_id=viewer.pk).order_by("-at", "-pk")


def _is_being_erased(viewer: Viewer) -> bool:
    """Whoever is being erased is stopped and hidden, so most need no question."""
    if viewer.stopped_at is None or viewer.hidden_at is None:
        return False
    return Erasure.objects.filter(mark=mark_of(viewer.pk)).exclude(state=Progress.DONE).exists()


def _users_in(contents: Contents) -> set[int]:
    notes = ((note.note.withdrawn_by_id, *(row.author_id for row in note.versions)) for note in contents.notes)
    made = ((link.linked_by_id, link.unlinked_by_id) for link in contents.links)
    written = ((row.author_id, row.withdrawn_by_id) for row in contents.revisions.rows)
    tagged = ((tag["by"],) for tag in contents.tags)
    done = ((entry.by_id,) for entry in contents.entries.rows)
    locked = [contents.profile.locked_by_id if contents.profile else None]
    return {user for user in chain(locked, *notes, *made, *written, *tagged, *done) if user}


def names_of(users: Iterable[int]) -> dict[int, str]:
    """What to call people who did something here: by their name at Twitch, or that of their login."""
    wanted = set(users)
    if not wanted:
        return {}
    accounts = UserSocialAuth.objects.filter(user=OuterRef(OuterRef("pk")), provider=PROVIDER).values("uid")[:1]
    at_twitch = Viewer.objects.filter(pk=Subquery(accounts)).values("display_name")
    known = User.objects.filter(pk__in=wanted)
    return dict(known.values_list("pk", Coalesce(NullIf(Subquery(at_twitch), Value("")), "username")))


def lasted(seconds: int) -> timedelta:
    return timedelta(seconds=seconds)


def age_of(viewer: Viewer, now: datetime) -> timedelta | None:
    return now - viewer.account_created_at if viewer.account_created_at else None
