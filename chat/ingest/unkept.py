"""A batch without those of whom nothing is kept. Pure: no database, no clock.

What they write still counts, and says no more than that somebody wrote (see chat/anonymous.py). What Twitch tells of
them beside that is left out as a whole: each thing that is told twice is about one viewer, so that both tellings of
it are left out, and what was told of others is decided as ever. What others did stays, without their name. Why:
docs/decisions/choices.md.
"""

import re
from collections.abc import Iterator, Mapping, Set
from dataclasses import replace

from chat.anonymous import COLUMNS, anonymous_id
from chat.ingest.batch import Batch, Dead, Moderation
from chat.ingest.events import ChatMessage, MessageDeleted, UserNotice, ViewerCleared
from chat.ingest.eventsub_events import Deed, Notification, Redeemed, Told
from viewers.unkept import Unkept

# Names of fields that are called otherwise than their columns.
_FIELDS = {"viewer_id": "user_id", "reply_to_viewer_id": "reply_to_user_id"}
_SAYS_NOTHING = {_FIELDS.get(name, name): value for name, value in COLUMNS.items()}
_SAYS_NOTHING |= {"login": "", "display_name": "", "color": ""}

# Of a gift that somebody goes on paying for, Twitch tells who gave it by name alone.
NAMES_ALONE = ("sender-login", "sender-name")
NUMBER = re.compile(rb"[0-9]+")
QUOTED = re.compile(r"""'[^']*'|"[^"]*"|«[^»]*»""")


def people_of(batch: Batch) -> set[str]:
    """Everybody whom a batch names by id, and some ids of other things."""
    ids = {message.user_id for message in batch.messages.values()}
    ids.update([message.reply_to_user_id for message in batch.messages.values()])
    for notice in batch.notices.values():
        ids.add(notice.user_id)
        ids.update(_ids(notice.params))
    ids.update(deed.user_id for _, deed in batch.moderation if isinstance(deed, ViewerCleared))
    for told in batch.told:
        ids.update(person.id for person in told.people)
        ids.update(_people_of_fact(told))
    ids.discard("")
    return ids


def without(batch: Batch, gone: frozenset[str]) -> Batch:
    """The batch without what says something of these people. Keys of messages stay those of their lines.

    Names that come without an id could be anybody's, and are left out too.
    """
    if not gone:
        return replace(batch, notices={key: _unnamed(notice, gone) for key, notice in batch.notices.items()})
    return replace(
        batch,
        messages={key: _kept_of_message(message, gone) for key, message in batch.messages.items()},
        notices={key: _unnamed(notice, gone) for key, notice in batch.notices.items() if notice.user_id not in gone},
        moderation=[
            (line, deed)
            for line, deed in batch.moderation
            if not (isinstance(deed, ViewerCleared) and deed.user_id in gone)
        ],
        told=[_kept_of_notification(told, gone) for told in batch.told],
    )


def _kept_of_message(message: ChatMessage, gone: frozenset[str]) -> ChatMessage:
    if message.user_id in gone:
        return message._replace(id=anonymous_id(message.id), **_SAYS_NOTHING)
    if message.reply_to_user_id in gone:
        return message._replace(reply_to_id="", reply_to_user_id="", thread_id="", text=unaddressed(message.text))
    return message


def answered(batch: Batch) -> set[str]:
    """The messages that others answer, and those that their threads began with, but for those of this batch."""
    ids = {id_ for message in batch.messages.values() for id_ in (message.reply_to_id, message.thread_id) if id_}
    return ids.difference(message.id for message in batch.messages.values())


def untied(batch: Batch, missing: Set[str]) -> Batch:
    """The batch without the ids of these messages in answers."""
    if not missing:
        return batch
    messages = {
        key: message._replace(
            reply_to_id="" if message.reply_to_id in missing else message.reply_to_id,
            thread_id="" if message.thread_id in missing else message.thread_id,
        )
        for key, message in batch.messages.items()
    }
    return replace(batch, messages=messages)


def unaddressed(text: str) -> str:
    """What an answer says, without the "@name" that Twitch puts before it."""
    return text.partition(" ")[2] if text.startswith("@") else text


def _unnamed(notice: UserNotice, gone: frozenset[str]) -> UserNotice:
    """What somebody else did, without whom they did it to: a gift is still given."""
    whose = tuple(f"{prefix}-" for prefix, viewer_id in _named(notice.params) if viewer_id in gone)
    params = {
        name: value for name, value in notice.params.items() if not (name.startswith(whose) or name in NAMES_ALONE)
    }
    return notice if len(params) == len(notice.params) else notice._replace(params=params, system_text="")


def _named(params: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What begins the names of parameters about somebody, and who it is: `recipient-id`, `recipient-display-name`."""
    for name, value in params.items():
        if name.endswith("-id"):
            yield name.removesuffix("-id").removesuffix("-user"), value


def _ids(params: Mapping[str, str]) -> Iterator[str]:
    return (viewer_id for _, viewer_id in _named(params))


def _people_of_fact(told: Notification) -> tuple[str, ...]:
    match told.fact:
        case Told(viewer_id=viewer_id, recipient_id=recipient_id):
            return viewer_id, recipient_id
        case Redeemed(viewer_id=viewer_id):
            return (viewer_id,)
        case Deed(target_id=target_id, moderator_id=moderator_id):
            return target_id, moderator_id
    return ()


def _kept_of_notification(told: Notification, gone: frozenset[str]) -> Notification:
    people = tuple(person for person in told.people if person.id not in gone)
    fact = told.fact
    if isinstance(fact, Deed) and fact.moderator_id in gone:
        fact = fact._replace(moderator_id="", reason="")
    if isinstance(fact, Deed) and fact.target_id in gone:
        fact = None
    if isinstance(fact, Told | Redeemed) and gone.intersection(_people_of_fact(told)):
        fact = None
    return told._replace(people=people, fact=fact)


# What comes without an id of whose it is.


def nameless(batch: Batch, authors: Mapping[str, str], unkept: Unkept) -> Batch:
    """The batch without the name of whoever a deed is about, where it comes alone and nobody knows whose it is.

    That is so of a deleted message, unless it is known who wrote it: `authors`, by message.
    """
    gone = unkept.among(authors.values())
    known = {message_id for message_id, author in authors.items() if author not in gone}
    return replace(batch, moderation=[(line, _kept_of_deed(deed, known)) for line, deed in batch.moderation])


def _kept_of_deed(deed: Moderation, known: Set[str]) -> Moderation:
    match deed:
        case MessageDeleted(message_id=message_id) if message_id not in known:
            return deed._replace(login="")
        case ViewerCleared(user_id=""):
            return deed._replace(login="")
    return deed


def buried(dead: Dead, unkept: Unkept) -> Dead:
    """A line that nobody could use: of whoever is not kept, only that there was one, and why."""
    is_of_anybody = isinstance(dead.line.event, MessageDeleted)  # by name alone, with what they wrote
    if not is_of_anybody and not unkept.among(number.decode() for number in NUMBER.findall(dead.line.raw)):
        return dead
    return Dead(dead.line._replace(raw=b""), QUOTED.sub("…", dead.reason))
