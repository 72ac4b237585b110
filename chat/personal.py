"""Everything in the database that can say something of a person, and what becomes of it when they are erased.

One entry for each table, one line for each treatment. A test holds every column that could hold a name, an id or
somebody's words to this register, so a new one has to be thought of here first. What carries it out: chat/erasure.py;
why it is so: docs/decisions/erasure.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from django.apps import apps
from django.db.models import ForeignKey, Model, Q, QuerySet


class Treatment(Enum):
    """What becomes of a column's row, or of its value."""

    OWN = "the id of whose row it is: the row is deleted"
    KEPT_WITHOUT = "the id of whose row it is: the row stays, and is nobody's"
    EMPTIED = "emptied in rows that stay and are nobody's"
    BLANK = "the id of somebody in a row of others: emptied there"
    MENTION = "words of others: where the names or the id stand in them, they become an ellipsis"
    ADDRESSED = "words of the channel, which are public at Twitch: only @name becomes an ellipsis"
    FOUND = "rows in which the names or the id stand are deleted"
    LOGIN = "belongs to the login here: deleted with it"
    AUTHOR = "the login that wrote a row about others: emptied, or deleted with it where it must have one"
    MARK = "stays to prove the erasure and to honour it, and tells nobody who it was"


OWN, KEPT_WITHOUT, EMPTIED, BLANK, MENTION, ADDRESSED, FOUND, LOGIN, AUTHOR, MARK = Treatment


@dataclass(frozen=True)
class Nothing:
    """Nothing is done, because nothing personal can stand there, or because it is not theirs."""

    because: str


Columns = Mapping[str, Treatment | Nothing]
"""Names of fields, separated by spaces, and what becomes of them."""


@dataclass(frozen=True)
class Entry:
    """One table: what its rows are called, for the receipt, and its columns."""

    rows: str
    columns: Columns

    def fields(self, treatment: Treatment) -> list[str]:
        return [name for names, each in self.columns.items() if each is treatment for name in names.split()]


OURS = Nothing("words and codes of ours")
TWITCHS = Nothing("codes of Twitch, which name nobody")
CHANNELS = Nothing("the channel's, or everybody's: pictures, names of emotes, categories")
OF_A_CHANNEL = Nothing("names a channel. Whoever owns it and connected it disconnects it: the receipt says how")
COUNTS = Nothing("numbers of everybody together")

TABLES: dict[str, Entry] = {
    # What was counted of a viewer, and what they decided
    "viewers.Viewer": Entry(
        "the account itself", {"twitch_id": OWN, "login display_name color avatar_url": OWN, "bot_source": OURS}
    ),
    "viewers.ViewerName": Entry("names", {"viewer": OWN, "login display_name": OWN}),
    "viewers.ViewerDay": Entry("days of your numbers", {"viewer": OWN}),
    "viewers.ViewerTotal": Entry("channels' totals of you", {"viewer": OWN}),
    "viewers.ViewerStream": Entry("streams you came to", {"viewer": OWN}),
    "viewers.ViewSession": Entry("visits to streams", {"viewer": OWN, "source ended_by": OURS}),
    "viewers.SessionCorrection": Entry("corrections of visits", {"viewer": OWN, "made_by": AUTHOR, "reason": MENTION}),
    "viewers.Standing": Entry("places on leaderboards", {"viewer": OWN, "period": OURS}),
    "viewers.Award": Entry("achievements", {"viewer": OWN, "achievement": OURS}),
    "viewers.Profile": Entry("pages", {"viewer": OWN, "visibility chosen": OURS, "locked_by": AUTHOR}),
    "viewers.WikiRevision": Entry(
        "versions of the text on your pages",
        {"profile__viewer": OWN, "text note": MENTION, "author withdrawn_by": AUTHOR, "role withdrawn_as": OURS},
    ),
    "viewers.SummaryPolicy": Entry("what channels decided about summaries", {"blocked_words": MENTION}),
    "viewers.SummaryTurn": Entry("turns of summaries", {"viewer": OWN}),
    "viewers.Summary": Entry(
        "summaries of you",
        {
            "viewer": OWN,
            "decided_by": AUTHOR,
            "state made_by provider model prompt_version reason decided_as": OURS,
            "dropped": COUNTS,
        },
    ),
    "viewers.Claim": Entry(
        "sentences of summaries",
        {"summary__viewer": OWN, "text": MENTION, "source_ids source_times": TWITCHS, "part": OURS},
    ),
    "viewers.Claim_people": Entry("sentences of recaps and of others' summaries that concern you", {"viewer": OWN}),
    "viewers.ModelCall": Entry("calls of language models", {"provider model outcome": OURS, "detail": OURS}),
    "viewers.Consent": Entry("consents", {"viewer": OWN, "kind wording": OURS}),
    "viewers.Export": Entry("exports, with their files", {"viewer": OWN, "state": OURS, "file": OWN}),
    "viewers.Erasure": Entry("erasures", {"mark receipt viewer_id": MARK, "state step removed": MARK}),
    "viewers.Verdict": Entry("decisions of moderators about pages of erased accounts", {"mark": MARK}),
    # What moderators keep about a viewer, and the long work they ask for
    "viewers.Note": Entry("notes of moderators about you", {"viewer": OWN, "withdrawn_by": AUTHOR}),
    "viewers.NoteVersion": Entry(
        "versions of notes of moderators", {"note__viewer": OWN, "text": MENTION, "author": AUTHOR}
    ),
    # Not cleaned, for two that name somebody in other ways would become the same.
    "viewers.Tag": Entry("tags of channels", {"name": FOUND}),
    "viewers.Tagging": Entry("tags on you", {"viewer": OWN, "made_by": AUTHOR}),
    "viewers.AccountLink": Entry(
        "links between your accounts",
        {"viewer main": OWN, "reason": MENTION, "linked_by unlinked_by": AUTHOR},
    ),
    "viewers.Purge": Entry(
        "purges of channels", {"asked_by confirmed_by": AUTHOR, "state problem": OURS, "would_meet removed": COUNTS}
    ),
    "viewers.ListFile": Entry(
        "files of lists", {"asked_by": LOGIN, "query": FOUND, "what format state problem file": OURS}
    ),
    "viewers.AwardRule": Entry("rules", {"achievement version": OURS, "holders": COUNTS}),
    "viewers.PresencePoll": Entry("looks at who is there", {"source": OURS, "problem": MENTION}),
    # What was said and done in chat
    "chat.Message": Entry(
        "messages",
        {
            "viewer": KEPT_WITHOUT,
            "id": EMPTIED,
            "text": MENTION,
            "badges badge_info notice reward_id thread_id source_id": EMPTIED,
            "reply_to_viewer_id": BLANK,
            "reply_to_id": BLANK,
            "source_channel_id": OF_A_CHANNEL,
            "emotes": COUNTS,
        },
    ),
    "chat.ChatEvent": Entry(
        "subscriptions, gifts and the like",
        {
            "viewer": OWN,
            "recipient_id": BLANK,
            "text system_text params": MENTION,
            "id kind told_by same_as borrowed": TWITCHS,
            "bomb_id": Nothing("begins with the id of who gave it: their own rows, which are deleted"),
            "source_channel_id": OF_A_CHANNEL,
        },
    ),
    "chat.ModerationEvent": Entry(
        "deeds of moderators against you",
        {
            "target_id target_login": OWN,
            "moderator_id": BLANK,
            "reason": MENTION,
            "kind message_id told_by borrowed": TWITCHS,
        },
    ),
    "chat.Redemption": Entry("channel points spent", {"viewer": OWN, "text": MENTION, "id status": TWITCHS}),
    "chat.EmoteUsage": Entry("days of your emotes", {"viewer": OWN}),
    "chat.ViewerEmote": Entry("emotes of yours", {"viewer": OWN}),
    "chat.DeadLetter": Entry("lines that could not be used", {"raw error": FOUND, "source": OURS}),
    "chat.Replay": Entry("files read", {"digest name": Nothing("a file of whoever runs this, as they named it")}),
    # Channels and their streams
    "streams.Channel": Entry("channels", {"twitch_id login display_name": OF_A_CHANNEL, "page_policy": OURS}),
    "streams.Stream": Entry(
        "streams",
        {
            "title": ADDRESSED,
            "id twitch_ids language": TWITCHS,
            "category_id category": CHANNELS,
            "presence_source": OURS,
        },
    ),
    "streams.StreamSegment": Entry("titles", {"title": ADDRESSED, "category_id category": CHANNELS}),
    "streams.StreamReport": Entry(
        "reports of streams",
        {"title": ADDRESSED, "kind": OURS, "twitch_id language": TWITCHS, "category_id category": CHANNELS},
    ),
    "streams.Gap": Entry("gaps", {"reason": OURS}),
    "streams.TwitchGrant": Entry(
        "connections as a bot",
        {
            "twitch_id": OWN,
            "login display_name": OWN,
            "scopes state": TWITCHS,
            "access_token refresh_token": OWN,
            "problem": OURS,
        },
    ),
    "streams.EventSubscription": Entry(
        "kinds of events asked for",
        {"type version state twitch_id": TWITCHS, "condition": OF_A_CHANNEL, "reason": OURS},
    ),
    "streams.JobRun": Entry("runs of jobs", {"name outcome": OURS, "detail": MENTION}),
    "chat.Reward": Entry("rewards", {"twitch_id": TWITCHS, "title prompt": ADDRESSED}),
    "chat.Badge": Entry("badges", {"set_id version title image_url": CHANNELS}),
    "chat.Cheermote": Entry("cheers", {"prefix tiers": CHANNELS}),
    "chat.Emote": Entry("emotes", {"provider provider_id name image_url": CHANNELS}),
    "chat.EmoteSet": Entry("emote sets", {"provider": CHANNELS}),
    "chat.EmoteSetEntry": Entry("emotes of sets", {"provider name": CHANNELS}),
    # Who looks after channels, and who reads them by program
    "streams.ChannelModerator": Entry("channels you moderate", {"twitch_id": OWN, "login": OWN}),
    "streams.AuditEntry": Entry(
        "entries in the audit log",
        {"by": AUTHOR, "role action": OURS, "viewer_id": BLANK, "target detail": MENTION},
    ),
    "streams.ApiKey": Entry(
        "keys of the API",
        {
            "name": MENTION,
            "prefix digest": Nothing("random"),
            "scopes networks": OURS,
            "made_by": AUTHOR,
            "mail": LOGIN,
        },
    ),
    "streams.ApiRequest": Entry("requests with a key", {"method route": OURS}),
    "streams.Change": Entry(
        "notes of what changed",
        {"key whose": FOUND, "resource": OURS, "sealed": MARK},
    ),
    "streams.Webhook": Entry(
        "webhooks",
        {
            "url": Nothing("an address of the channel's owner"),
            "events problem": OURS,
            "secret old_secret": OURS,
            "made_by": AUTHOR,
            "mail": LOGIN,
        },
    ),
    "streams.Delivery": Entry(
        "what webhooks were told",
        {"viewer_id key body answer problem": FOUND, "sealed": MARK, "event_id event state": OURS},
    ),
    # The login
    "auth.User": Entry("login", {"username first_name last_name email password": LOGIN}),
    "social_django.UserSocialAuth": Entry(
        "link to Twitch", {"uid": LOGIN, "user": LOGIN, "provider id_key extra_data": LOGIN}
    ),
    "social_django.Partial": Entry("logins begun", {"token backend": TWITCHS, "data": FOUND}),
    "sessions.Session": Entry("sessions", {"session_key session_data": LOGIN}),
    "admin.LogEntry": Entry(
        "entries in the administration's log",
        {"user": AUTHOR, "object_id object_repr": FOUND, "change_message": MENTION},
    ),
    "auth.User_groups": Entry("memberships", {"user": LOGIN}),
    "auth.User_user_permissions": Entry("permissions", {"user": LOGIN}),
    "auth.Permission": Entry("permissions", {"name codename": OURS}),
    "auth.Group": Entry("groups", {"name": OURS}),
    "contenttypes.ContentType": Entry("tables", {"app_label model": OURS}),
    "social_django.Nonce": Entry("states of logins", {"server_url salt": Nothing("random, kept for a day")}),
    "social_django.Association": Entry(
        "associations of OpenID", {"server_url handle secret assoc_type": Nothing("not used: for OpenID")}
    ),
    "social_django.Code": Entry("codes by mail", {"email code": Nothing("not used: nobody is asked for an address")}),
}
"""Tables that are not here have no column that could say anything: they are numbers by channel."""


def model_of(label: str) -> type[Model]:
    return apps.get_model(label)


def words_for(label: str) -> str:
    """What the rows of a table are called."""
    return TABLES[label].rows


def keys_of(label: str) -> list[str]:
    """The fields that say whose a row is: those that lead to a viewer, else the first of those that say so."""
    entry = TABLES[label]
    fields = entry.fields(OWN) + entry.fields(KEPT_WITHOUT)
    return [name for name in fields if _is_key(model_of(label), name)] or fields[:1]


def _is_key(model: type[Model], path: str) -> bool:
    """Whether a path of names ends in a foreign key to a viewer."""
    name, _, rest = path.partition("__")
    field = model._meta.get_field(name)  # noqa: SLF001 (public, whatever its name)
    if rest:
        related: Any = field.related_model
        return _is_key(related, rest)
    return isinstance(field, ForeignKey) and field.related_model is model_of("viewers.Viewer")


def own_tables() -> list[str]:
    """The tables whose rows are somebody's."""
    return [label for label, entry in TABLES.items() if entry.fields(OWN) or entry.fields(KEPT_WITHOUT)]


def rows_of(label: str, viewer_id: str) -> QuerySet[Any]:
    """The rows of a viewer in one of those."""
    whose = Q()
    for name in keys_of(label):
        whose |= Q(**{name: viewer_id})
    return QuerySet(model_of(label)).filter(whose)
