"""What Twitch tells when it is asked.

    users = ask(app_token(), lambda api: api.users(logins=["somebody"]))       # in jobs and commands

    async with Helix(token) as api:                                            # where there is a loop
        chatters = await api.chatters(channel_id, moderator_id)

Every question is answered whole, or ends in an error whose text is a sentence for people: NotAllowed, Refused,
TwitchAway (it passes), and GrantDead or NotConfigured, after which asking again is no use.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from itertools import islice
from types import TracebackType
from typing import Any, Self, TypeVar

from asgiref.sync import async_to_sync
from twitchAPI.type import AuthType

from streams import helixrows
from streams.grants import GrantDead, NotConfigured, Token
from streams.helixrows import (
    Chatter,
    CheerTier,
    HelixBadge,
    HelixCheermote,
    HelixEmote,
    HelixStream,
    HelixSubscription,
    HelixUser,
    read_rows,
)
from streams.helixwire import SUBSCRIPTIONS, HelixError, NotAllowed, Patience, Refused, TwitchAway, Wire, renew
from streams.logins import LOGIN

__all__ = [
    "Chatter",
    "CheerTier",
    "GrantDead",
    "Helix",
    "HelixBadge",
    "HelixCheermote",
    "HelixEmote",
    "HelixError",
    "HelixStream",
    "HelixSubscription",
    "HelixUser",
    "NotAllowed",
    "NotConfigured",
    "Patience",
    "Refused",
    "TwitchAway",
    "ask",
]

AT_ONCE = 100
CHATTERS_AT_ONCE = 1000
CONFLICT = 409
T = TypeVar("T")


def ask(token: Token, question: "Callable[[Helix], Awaitable[T]]") -> T:
    """Ask from code that is not async. Not within a transaction: a token may have to be renewed, and to stay so."""

    async def asked() -> T:
        async with Helix(token) as api:
            return await question(api)

    return async_to_sync(asked)()


class Helix:
    """Twitch, asked with one token. Lists of any length may be asked for; nothing is told twice."""

    def __init__(
        self, token: Token, *, patience: Patience | None = None, renewed: Callable[[Token], Token] = renew
    ) -> None:
        self._wire = Wire(token, patience or Patience(), renewed)

    async def __aenter__(self) -> Self:
        await self._wire.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._wire.__aexit__(kind, error, trace)

    # People and channels.

    async def users(self, *, ids: Iterable[str] = (), logins: Iterable[str] = ()) -> list[HelixUser]:
        """Accounts that there are. Who is not there, or suspended, is left out; so is what can be nobody's name:
        because of one of those Twitch would refuse them all.
        """
        question = self._question()
        rows = [row for part in parts(filter(is_id, ids)) async for row in question.get_users(user_ids=part)]
        rows += [
            row for part in parts(filter(LOGIN.fullmatch, logins)) async for row in question.get_users(logins=part)
        ]
        return once(read_rows(helixrows.user, rows, "users"), lambda user: user.id)

    async def streams(self, user_ids: Iterable[str]) -> list[HelixStream]:
        """Those of these channels that are live."""
        question = self._question()
        rows = [row for part in parts(user_ids) async for row in question.get_streams(user_id=part, first=AT_ONCE)]
        return once(read_rows(helixrows.stream, rows, "streams"), lambda stream: stream.channel_id)

    # Who is in a chat.

    async def chatters(self, broadcaster_id: str, moderator_id: str) -> list[Chatter]:
        """Everybody who is connected to a chat. The token is the moderator's, or the broadcaster's own."""
        rows = await self._question().get_chatters(broadcaster_id, moderator_id, first=CHATTERS_AT_ONCE)
        return people(read_rows(helixrows.chatter, rows, "chatters"))

    async def moderators(self, broadcaster_id: str) -> list[Chatter]:
        """Everybody who moderates a channel. The token is the broadcaster's."""
        rows = [row async for row in self._question().get_moderators(broadcaster_id, first=AT_ONCE)]
        return people(read_rows(helixrows.chatter, rows, "moderators"))

    # What a chat is made of.

    async def global_emotes(self) -> list[HelixEmote]:
        return read_rows(helixrows.emote, await self._question().get_global_emotes(), "emotes")

    async def channel_emotes(self, broadcaster_id: str) -> list[HelixEmote]:
        return read_rows(helixrows.emote, await self._question().get_channel_emotes(broadcaster_id), "emotes")

    async def badges(self, broadcaster_id: str | None = None) -> list[HelixBadge]:
        """The badges of a channel, or those of everywhere. Each set of them is understood whole, or not at all."""
        question = self._question()
        asked = question.get_chat_badges(broadcaster_id) if broadcaster_id else question.get_global_chat_badges()
        return [badge for badges in read_rows(helixrows.badge_set, await asked, "badges") for badge in badges]

    async def cheermotes(self, broadcaster_id: str | None = None) -> list[HelixCheermote]:
        """The cheermotes of everywhere and, with a channel, its own as well."""
        rows = await self._question().get_cheermotes(broadcaster_id)
        return once(read_rows(helixrows.cheermote, rows, "cheermotes"), lambda cheermote: cheermote.prefix)

    # What Twitch tells by itself.

    async def subscribe(
        self,
        type: str,  # noqa: A002 - Twitch's word
        version: str,
        condition: Mapping[str, str],
        session_id: str,
    ) -> HelixSubscription:
        """Have a kind of event told over a session. Asking twice does nothing, for the answer may have been lost."""
        wanted = {
            "type": type,
            "version": version,
            "condition": dict(condition),
            "transport": {"method": "websocket", "session_id": session_id},
        }
        question = self._wire.question()
        try:
            body = await question.body("POST", SUBSCRIPTIONS, {}, AuthType.USER, wanted)
        except Refused as error:
            there = await self._there(type, condition, session_id) if error.status == CONFLICT else None
            if there is None:
                raise
            return there
        made = read_rows(helixrows.subscription, body["data"], "subscriptions")
        if not made:
            raise TwitchAway("Twitch answered something that makes no sense.")
        return made[0]

    async def subscriptions(self, type: str | None = None) -> list[HelixSubscription]:  # noqa: A002
        """Those of the user of the token, over every session."""
        pages = self._wire.question().pages(SUBSCRIPTIONS, {"type": type}, AuthType.EITHER)
        return read_rows(helixrows.subscription, [row async for row in pages], "subscriptions")

    async def _there(self, type: str, condition: Mapping[str, str], session_id: str) -> HelixSubscription | None:  # noqa: A002
        """The subscription that stands in the way of an equal one, if it does what that was to do."""
        own = await self.subscriptions(type)
        return next((found for found in own if (found.condition, found.session_id) == (condition, session_id)), None)

    def _question(self) -> Any:
        """The library's calls. Their types promise its objects; here they answer with rows (see helixwire)."""
        return self._wire.question()


def parts(values: Iterable[str]) -> Iterator[list[str]]:
    """Each value once, in lists as long as one request may have."""
    left = iter(dict.fromkeys(values))
    while part := list(islice(left, AT_ONCE)):
        yield part


def once(found: Iterable[T], key: Callable[[T], str]) -> list[T]:
    """Each once: pages overlap while people come and go."""
    return list({key(item): item for item in found}.values())


def is_id(value: str) -> bool:
    try:
        return bool(helixrows.identifier(value))
    except ValueError:
        return False


def people(found: Iterable[Chatter]) -> list[Chatter]:
    return once(found, lambda person: person.id)
