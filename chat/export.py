"""Everything that is kept about a viewer, written into one file that only they can fetch.

A line of JSON for each row, packed while it is read: however much somebody wrote, no more than a few hundred rows are
in memory. Of each table everything is written but what is said to be left out below, so a new column cannot be
forgotten; a test holds the tables here to the register of what is personal (chat/personal.py).
"""

import gzip
import json
import os
import secrets
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TextIO

from django.apps import apps
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Case, Exists, F, ForeignKey, OuterRef, Q, QuerySet, Value, When
from social_django.models import UserSocialAuth

from chat.models import Message
from chat.summaries.page import who_mind
from streams.models import Channel
from streams.reach import PROVIDER
from viewers.models import Claim, Export, Progress, Summary, Viewer, ViewerName

FOLDER = "exports"
KEPT_FOR = timedelta(days=7)
PAUSE = timedelta(hours=1)
AT_ONCE = 500
"""Rows fetched at a time."""
NOTED_EVERY = 5000
"""Rows after which the page that waits is told how far it is."""
BEING_MADE = "Your export is being made already. It appears here when it is ready."
OPEN = (Progress.WAITING, Progress.RUNNING, Progress.FAILED)


class TooSoon(Exception):
    """No export is made now; the text says why, and what to do."""


class Overtaken(Exception):
    """What is written so far is not wanted any more: its viewer was erased, or somebody else, whom it may name."""


@dataclass(frozen=True)
class Subject:
    """Whom it is about: a viewer, every channel they may have been in, and the user they log in as."""

    viewer: str
    channels: list[int]
    users: list[int]


# What stands for another row, in words that say something without our tables.
TOLD_AS = {
    "channel": {"channel": "channel__login"},
    "emote": {"emote": "emote__name", "provider": "emote__provider"},
    "reward": {"reward": "reward__title"},
    "tag": {"tag": "tag__name", "channel": "tag__channel__login"},
}
Condition = Callable[[Subject], Q]


def _by(path: str, *, in_channels: bool = True) -> Condition:
    """Rows whose `path` is the viewer. Their indexes begin with the channel, so the channels are named, too."""

    def condition(subject: Subject) -> Q:
        return Q(channel__in=subject.channels, **{path: subject.viewer}) if in_channels else Q(**{path: subject.viewer})

    return condition


def _deeds_about(subject: Subject) -> Q:
    """Where chat tells a deed without the id of whom it met, the message that it met says whether it was theirs."""
    names = list(ViewerName.objects.filter(viewer=subject.viewer).values_list("login", flat=True))
    theirs = Message.objects.filter(id=OuterRef("message_id"), channel=OuterRef("channel"), viewer=subject.viewer)
    named = Q(target_id="", target_login__in=names) & ~Q(message_id="") & Q(Exists(theirs))
    return Q(channel__in=subject.channels) & (Q(target_id=subject.viewer) | named)


def _recaps_about(subject: Subject) -> Q:
    """What recaps that are shown say of them, without claims that somebody else minds who is in them, too."""
    claims = Claim.objects.filter(people=subject.viewer, summary__viewer=None, summary__state=Summary.State.SHOWN)
    found: list[int] = []
    for channel in Channel.objects.filter(pk__in=claims.values("summary__channel")):
        others = who_mind(channel).exclude(viewer=subject.viewer)
        found += claims.filter(~Exists(others), summary__channel=channel).values_list("pk", flat=True)
    return Q(pk__in=found)


@dataclass(frozen=True)
class Part:
    """The rows of one table that are about a viewer. `without` are columns that are not: others, and keys of ours."""

    name: str
    label: str
    about: str
    whose: Condition
    order: str = "pk"
    without: str = ""

    @property
    def model(self) -> Any:
        return apps.get_model(self.label)

    def columns(self) -> dict[str, str]:
        """What each value is called in the file, and where it is."""
        found: dict[str, str] = {}
        for field in self.model._meta.concrete_fields:  # noqa: SLF001 (public, whatever its name)
            if field.name in {"viewer", *self.without.split()}:
                continue
            found |= (
                TOLD_AS.get(field.name, {field.name: field.attname})
                if isinstance(field, ForeignKey)
                else {field.name: field.attname}
            )
        return found

    def rows(self, subject: Subject) -> Generator[dict[str, Any]]:
        columns = self.columns()
        found = self.model.objects.filter(self.whose(subject)).order_by(*self.order.split())
        for values in found.values_list(*columns.values()).iterator(chunk_size=AT_ONCE):
            yield dict(zip(columns, values, strict=True))


OWN = _by("viewer")
OF_VIEWER = _by("viewer", in_channels=False)

PARTS = (
    Part(
        "account",
        "viewers.Viewer",
        "Your Twitch account as this site knows it: names, picture, and since when you are hidden or stopped.",
        _by("pk", in_channels=False),
    ),
    Part(
        "names",
        "viewers.ViewerName",
        "Every name that you were seen with, and from when to when.",
        OF_VIEWER,
        "first_seen_at",
        "id",
    ),
    Part(
        "totals",
        "viewers.ViewerTotal",
        "What was counted of you in each channel, all time. Watch time is in seconds.",
        OWN,
        "channel",
        "id",
    ),
    Part("days", "viewers.ViewerDay", "The same for each day (UTC).", OWN, "channel day", "id"),
    Part("streams", "viewers.ViewerStream", "The same for each stream that you came to.", OWN, "channel stream", "id"),
    Part(
        "visits",
        "viewers.ViewSession",
        "When you were seen in a chat, and how that was known: watch time is made of these.",
        OWN,
        "channel started_at",
    ),
    Part(
        "corrections",
        "viewers.SessionCorrection",
        "Visits that a moderator put right: what they were, what they became, and why.",
        OF_VIEWER,
        "made_at",
        "made_by",
    ),
    Part(
        "standings",
        "viewers.Standing",
        "The numbers that leaderboards are read from, for all time and each year, month and week.",
        OWN,
        "channel period",
        "id",
    ),
    Part("achievements", "viewers.Award", "What you earned, when, and by how much.", OWN, "channel earned_at", "id"),
    Part(
        "messages",
        "chat.Message",
        "What you wrote, as long as a channel keeps text. Where `removed_at` is set, a moderator removed it.",
        OWN,
        "channel sent_at",
        "emotes reply_to_viewer_id",
    ),
    Part(
        "emotes",
        "chat.ViewerEmote",
        "The emotes that you used in each channel, and how often.",
        OWN,
        "channel emote",
        "id",
    ),
    Part("emote_days", "chat.EmoteUsage", "The same for each day.", OWN, "channel emote day", "id"),
    Part("points", "chat.Redemption", "Channel points that you spent, and on what.", OWN, "channel redeemed_at"),
    Part(
        "events",
        "chat.ChatEvent",
        "Your subscriptions, gifts, cheers, raids and whatever else Twitch announced. `params` is as Twitch told it.",
        OWN,
        "channel occurred_at",
        "borrowed",
    ),
    Part(
        "gifts_received",
        "chat.ChatEvent",
        "Gifts that were announced as given to you. Who gave them is theirs to know.",
        _by("recipient_id"),
        "channel occurred_at",
        "recipient_id text system_text params bomb_id borrowed",
    ),
    Part(
        "moderation",
        "chat.ModerationEvent",
        "What moderators did about you: bans, timeouts, deleted messages. Who did it is not told.",
        _deeds_about,
        "channel occurred_at",
        "moderator_id same_as borrowed",
    ),
    Part(
        "pages",
        "viewers.Profile",
        "What was decided about your page in each channel: whether it is shown, and whether its text is locked.",
        OF_VIEWER,
        "channel",
        "locked_by",
    ),
    Part(
        "page_texts",
        "viewers.WikiRevision",
        "Every version of the text on your pages. Where `role` is moderator, a moderator wrote it.",
        _by("profile__viewer", in_channels=False),
        "profile number",
        "author withdrawn_by",
    ),
    Part(
        "texts_written",
        "viewers.WikiRevision",
        "Every version that you wrote yourself, also as a moderator on pages of others.",
        lambda subject: Q(author__in=subject.users),
        "made_at",
        "author withdrawn_by",
    ),
    Part(
        "summaries",
        "viewers.Summary",
        "Every version of the summaries of you: who wrote it, from how many messages, and what became of it.",
        OWN,
        "channel number",
        "stream decided_by",
    ),
    Part(
        "summary_claims",
        "viewers.Claim",
        "What they say of you, and which of your messages it rests on.",
        _by("summary__viewer", in_channels=False),
        "summary position",
    ),
    Part(
        "recap_claims",
        "viewers.Claim",
        "What recaps of streams say of you, as far as it is shown. What names somebody who is not is left out.",
        _recaps_about,
        "summary position",
        "source_ids source_times",
    ),
    Part("summary_turns", "viewers.SummaryTurn", "When your next summary is due.", OWN, "channel", "id"),
    Part(
        "notes",
        "viewers.Note",
        "That moderators of a channel wrote something down about you for each other. Who did is not told.",
        OWN,
        "channel made_at",
        "withdrawn_by",
    ),
    Part(
        "note_versions",
        "viewers.NoteVersion",
        "What they wrote, every version of it.",
        _by("note__viewer", in_channels=False),
        "note number",
        "author",
    ),
    Part(
        "tags",
        "viewers.Tagging",
        'Words that moderators of a channel put on you, such as "regular".',
        OF_VIEWER,
        "made_at",
        "made_by",
    ),
    Part(
        "account_links",
        "viewers.AccountLink",
        "That moderators took this account and another one for the same person's, and why. Which one is not told, for"
        " they may be wrong.",
        lambda subject: Q(channel__in=subject.channels) & (Q(viewer=subject.viewer) | Q(main=subject.viewer)),
        "linked_at",
        "main linked_by unlinked_by",
    ),
    Part("consents", "viewers.Consent", "What you agreed to, in which words, and how long.", OF_VIEWER, "given_at"),
    Part(
        "exports",
        "viewers.Export",
        "Files like this one.",
        OF_VIEWER,
        "asked_at",
        "file",  # opens nothing for anybody else, but is nobody's business
    ),
    Part(
        "login",
        "auth.User",
        "That you logged in here. There is no e-mail address and no password, unless you work on this site.",
        lambda subject: Q(pk__in=subject.users),
        "pk",
        "password",
    ),
    Part(
        "login_with_twitch",
        "social_django.UserSocialAuth",
        "The Twitch id that your login belongs to.",
        lambda subject: Q(user__in=subject.users),
    ),
    Part(
        "api_keys",
        "streams.ApiKey",
        "Keys of the API that you made, and the address that is told about them. The keys themselves are not kept.",
        lambda subject: Q(made_by__in=subject.users),
        "made_at",
        "digest made_by replaced_by",
    ),
    Part(
        "webhooks",
        "streams.Webhook",
        "Addresses that you had told of what happens in a channel, and who is written to about that.",
        lambda subject: Q(made_by__in=subject.users),
        "made_at",
        "secret old_secret made_by told_until",
    ),
    Part(
        "channels_you_moderate",
        "streams.ChannelModerator",
        "Where Twitch says that you are a moderator.",
        _by("twitch_id"),
        without="twitch_id",
    ),
    Part(
        "done_about_you",
        "streams.AuditEntry",
        "What moderators and owners of channels did about you here. Who it was is left out.",
        _by("viewer_id"),
        without="by viewer_id detail",
    ),
    Part(
        "own_channel",
        "streams.Channel",
        "Your own channel, if it is followed here, and how its pages are set.",
        _by("twitch_id", in_channels=False),
    ),
    Part(
        "connections",
        "streams.TwitchGrant",
        "What you allowed this site to read at Twitch. The keys are left out: they are as good as a password.",
        _by("twitch_id", in_channels=False),
        "pk",
        "access_token refresh_token",
    ),
)

LEFT_OUT = {
    "viewers.Verdict": "of who was erased, and gone when they come back",
    "viewers.Claim_people": "what recaps say of you is there itself; what rests on answers to you is of who answered",
    "viewers.Erasure": "once an erasure is done it names nobody; until then there is no export",
    "sessions.Session": "which browsers are logged in; what is in them is here",
    "social_django.Partial": "logins that were never finished",
    "viewers.ListFile": "files about others, which somebody asked for who moderates a channel",
    "admin.LogEntry": "what staff did to others",
    "auth.User_groups": "rights of staff",
    "auth.User_user_permissions": "rights of staff",
}
"""Tables with something of a person in them that is not part of it, and why."""


# Asking for one.


def ask(viewer: Viewer, now: datetime) -> Export:
    """Have an export made; TooSoon while one is being made, and for an hour after one was."""
    if reason := why_not(_last(viewer), now):
        raise TooSoon(reason)
    try:
        with transaction.atomic():
            return Export.objects.create(viewer=viewer, parts=len(PARTS))
    except IntegrityError:
        raise TooSoon(BEING_MADE) from None


def why_not(last: Export | None, now: datetime) -> str:
    """Why no other export is made after this one yet; empty where one may be asked for."""
    if last and last.state in OPEN:
        return BEING_MADE
    if last and not last.withdrawn_at and last.finished_at and last.finished_at > now - PAUSE:
        return "Your last export is less than an hour old. Fetch that one, or ask again in an hour."
    return ""


def _last(viewer: Viewer) -> Export | None:
    return Export.objects.filter(viewer=viewer).order_by("-asked_at").first()


# Making it.


def make(export_id: int) -> str:
    """Write the file of an export, and delete those before it. What it says names nobody: it stands in a log.

    Where somebody is erased meanwhile, it begins again.
    """
    export = Export.objects.filter(pk=export_id, state__in=OPEN).first()
    while export is not None:
        try:
            return _made(export)
        except Overtaken:
            export = Export.objects.filter(pk=export_id, state=Progress.WAITING).first()
    return "not wanted any more"


def _made(export: Export) -> str:
    path = _begun(export)
    try:
        rows = _write(export, path)
        now = datetime.now(UTC)
        done = {"size": path.stat().st_size, "rows": rows, "parts_done": len(PARTS)}
        _note(export, state=Progress.DONE, finished_at=now, expires_at=now + KEPT_FOR, **done)
    except Overtaken:
        path.unlink(missing_ok=True)
        raise
    except BaseException:
        path.unlink(missing_ok=True)
        Export.objects.filter(pk=export.pk, file=export.file).update(state=Progress.FAILED, file="")
        raise
    discard(Export.objects.filter(viewer=export.viewer_id, state=Progress.DONE).exclude(pk=export.pk))
    return f"{rows:,} rows, {done['size']:,} bytes"


def _begun(export: Export) -> Path:
    """Where to write it. The row names the file before it is there, so that it can be deleted whoever is killed."""
    if export.file:
        place(export.file).unlink(missing_ok=True)
    begun = {"file": f"{FOLDER}/{secrets.token_urlsafe(24)}.json.gz", "parts": len(PARTS), "parts_done": 0, "rows": 0}
    if not Export.objects.filter(pk=export.pk, state__in=OPEN).update(state=Progress.RUNNING, **begun):
        raise Overtaken
    export.file = str(begun["file"])
    path = place(export.file)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return path


def place(name: str) -> Path:
    """Where a file is. Names are ours alone."""
    return Path(settings.MEDIA_ROOT) / name


def discard(exports: QuerySet[Export]) -> int:
    """Delete exports and their files, the files first: a row without a file can be deleted again."""
    for name in exports.exclude(file="").values_list("file", flat=True):
        place(name).unlink(missing_ok=True)
    return exports.delete()[0]


def withdraw_all(now: datetime) -> None:
    """Withdraw every export that was written so far, and have those begin again that are being written.

    For when somebody was erased: exports of others name who was given something, and who was written about. Their
    rows stay, to say what became of them. Killed in between, it is to be done again: files go before their names do.
    """
    is_done = Q(state=Progress.DONE)
    Export.objects.filter(is_done & Q(withdrawn_at=None) | Q(state=Progress.RUNNING)).update(
        state=Case(When(is_done, then=F("state")), default=Value(Progress.WAITING)),
        withdrawn_at=Case(When(is_done, then=Value(now))),
    )
    unwanted = Export.objects.filter(Q(state=Progress.WAITING) | Q(withdrawn_at__isnull=False)).exclude(file="")
    names = list(unwanted.values_list("file", flat=True))
    for name in names:
        place(name).unlink(missing_ok=True)
    Export.objects.filter(file__in=names).update(file="")


def forget(now: datetime) -> int:
    """Delete what is past its time, and files that no export names; return how many exports they were."""
    past = Q(expires_at__lt=now) | Q(asked_at__lt=now - KEPT_FOR, state__in=OPEN)
    forgotten = discard(Export.objects.filter(past))
    named = set(Export.objects.exclude(file="").values_list("file", flat=True))
    folder = place(FOLDER)
    for path in folder.iterdir() if folder.is_dir() else ():
        is_old = path.stat().st_mtime < (now - timedelta(days=1)).timestamp()
        if is_old and f"{FOLDER}/{path.name}" not in named:
            path.unlink(missing_ok=True)
    return forgotten


def unfinished() -> list[int]:
    """Exports that wait, or that something went wrong with."""
    return list(Export.objects.filter(state__in=OPEN).order_by("asked_at").values_list("pk", flat=True))


def _note(export: Export, **fields: Any) -> None:
    if not Export.objects.filter(pk=export.pk, state=Progress.RUNNING, file=export.file).update(**fields):
        raise Overtaken


def _write(export: Export, path: Path) -> int:
    subject = _subject(export.viewer_id)
    written = 0
    with (
        os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as raw,
        gzip.open(raw, "wt", encoding="utf-8") as file,
    ):
        file.write(f'{{"about": {_json(_about(export))},\n"parts": {{')
        for number, part in enumerate(PARTS):
            file.write(f'{"," if number else ""}\n{_json(part.name)}: {{"about": {_json(part.about)}, "rows": [')
            # One that is left half read would be closed when garbage is collected, perhaps in the middle of the next.
            with closing(part.rows(subject)) as rows:
                written = _write_rows(export, rows, file, written)
            file.write("]}")
            _note(export, parts_done=number + 1, rows=written)
        file.write("\n}}\n")
    return written


def _write_rows(export: Export, rows: Iterator[Mapping[str, Any]], file: TextIO, written: int) -> int:
    for number, row in enumerate(rows):
        file.write(f"{',' if number else ''}\n{_json(row)}")
        written += 1
        if written % NOTED_EVERY == 0:
            _note(export, rows=written)
    return written


def _subject(viewer_id: str) -> Subject:
    channels = list(Channel.objects.values_list("pk", flat=True))
    users = UserSocialAuth.objects.filter(provider=PROVIDER, uid=viewer_id).values_list("user_id", flat=True)
    return Subject(viewer_id, channels, list(users))


def _about(export: Export) -> dict[str, str]:
    return {
        "what": "Everything that this StreamStats keeps about one Twitch account.",
        "twitch_id": export.viewer_id,
        "made_at": datetime.now(UTC).isoformat(),
        "times": "All times are UTC. Days are UTC days.",
        "not_in_it": "Numbers that are counted of everybody together, and what others wrote.",
    }


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=_text)


def _text(value: Any) -> str:
    """Dates, times and money. Anything else would be a column that nobody thought of."""
    return str(value) if isinstance(value, Decimal) else str(value.isoformat())
