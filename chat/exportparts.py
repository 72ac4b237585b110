"""What an export has in it: everything that is kept about a viewer, table by table.

Of each table everything is written but what is said to be left out here, so a new column cannot be forgotten; a test
holds the tables to the register of what is personal (chat/personal.py).
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db.models import Exists, ForeignKey, OuterRef, Q
from social_django.models import UserSocialAuth

from chat import packedfiles
from chat.models import Message
from chat.summaries.page import who_mind
from streams.models import Channel
from streams.reach import PROVIDER
from viewers.models import Claim, Summary, ViewerName


@dataclass(frozen=True)
class Subject:
    """Whom it is about: a viewer, every channel they may have been in, and the user they log in as."""

    viewer: str
    channels: list[int]
    users: list[int]


def subject_of(viewer_id: str) -> Subject:
    channels = list(Channel.objects.values_list("pk", flat=True))
    users = UserSocialAuth.objects.filter(provider=PROVIDER, uid=viewer_id).values_list("user_id", flat=True)
    return Subject(viewer_id, channels, list(users))


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
        for values in found.values_list(*columns.values()).iterator(chunk_size=packedfiles.AT_ONCE):
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
