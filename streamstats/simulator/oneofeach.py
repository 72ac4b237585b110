"""One line of every kind that Twitch is known to send into a channel, rare ones and odd ones too."""

import time
from collections.abc import Callable
from uuid import uuid4

from streamstats.simulator.irc import MALFORMED, Room
from streamstats.simulator.wire import SINGLE_GIFT, from_twitch, from_viewer, tagged

Tags = dict[str, str | int]

AUTHOR: Tags = {
    "badge-info": "subscriber/27",
    "badges": "subscriber/24,bits/1000",
    "color": "#FF4500",
    "display-name": "OneOfEach",
    "emotes": "",
    "flags": "",
    "mod": 0,
    "subscriber": 1,
    "turbo": 0,
    "user-id": "1390001",
    "user-type": "",
}
LOGIN = "oneofeach"
ELSEWHERE: Tags = {"source-id": "5f3c7d0e-0000-4000-8000-000000000001", "source-room-id": "1390009"}
PARENT: Tags = {
    "reply-parent-display-name": "Parent\\",
    "reply-parent-msg-body": "what; do you say? ",
    "reply-parent-msg-id": "5f3c7d0e-0000-4000-8000-000000000002",
    "reply-parent-user-id": "1390002",
    "reply-parent-user-login": "parent",
    "reply-thread-parent-msg-id": "5f3c7d0e-0000-4000-8000-000000000002",
    "reply-thread-parent-user-login": "parent",
}
# Text -> what its tags have beyond the usual.
MESSAGES: tuple[tuple[str, Tags], ...] = (
    ("a plain message", {}),
    ("Kappa \U0001f600 Kappa", {"emotes": "25:0-4,8-12"}),
    ("Kappa", {"emote-only": 1, "emotes": "25:0-4"}),
    ("an emote where no text is", {"emotes": "25:90-94"}),
    ("\x01ACTION waves\x01", {}),
    ("my first words here", {"first-msg": 1}),
    ("here again", {"returning-chatter": 1}),
    ("Cheer100 well done", {"bits": 100}),
    ("@Parent so do I", PARENT),
    ("look here", {"msg-id": "highlighted-message"}),
    ("although for subscribers only", {"msg-id": "skip-subs-mode-message"}),
    ("in motion", {"msg-id": "animated-message", "animation-id": "rainbow-eclipse"}),
    ("Kappa", {"msg-id": "gigantified-emote-message", "emotes": "25:0-4"}),
    ("for my points", {"custom-reward-id": "5f3c7d0e-0000-4000-8000-000000000003"}),
    ("for a celebration", {"custom-reward-id": "CELEBRATION"}),
    ("from another room", ELSEWHERE),
    ("with badges nobody can read", {"badges": "subscriber,/,bits/1/2", "badge-info": "predictions/a;b"}),
    ("without a name in letters", {"display-name": "", "color": "", "client-nonce": "1234"}),
    ("by a VIP", {"vip": 1, "badges": "vip/1"}),
)
PLAN: Tags = {"sub-plan": "1000", "sub-plan-name": "Channel Subscription"}
MONTHS: Tags = {
    "cumulative-months": 3,
    "months": 0,
    "streak-months": 2,
    "should-share-streak": 1,
    "was-gifted": "false",
}
RECIPIENT: Tags = {"recipient-id": "1390003", "recipient-user-name": "taker", "recipient-display-name": "Taker"}
BOMB: Tags = {"origin-id": "5f3c7d0e b0", "community-gift-id": "5390000000000000001"}
PRIOR: Tags = {"prior-gifter-id": "1390004", "prior-gifter-user-name": "giver", "prior-gifter-display-name": "Giver"}
# msg-id, parameters, what the author wrote.
NOTICES: tuple[tuple[str, Tags, str], ...] = (
    ("sub", {**PLAN, **MONTHS, "sub-plan": "Prime"}, ""),
    ("resub", {**PLAN, **MONTHS}, "three months!"),
    ("subgift", {**PLAN, **RECIPIENT, "months": 1, "gift-months": 1, "sender-count": 4, "origin-id": SINGLE_GIFT}, ""),
    ("submysterygift", {**BOMB, "mass-gift-count": 1, "sender-count": 5, "sub-plan": "1000"}, ""),
    ("subgift", {**PLAN, **RECIPIENT, **BOMB, "months": 1, "gift-months": 1, "sender-count": 0}, ""),
    ("giftpaidupgrade", {"sender-login": "giver", "sender-name": "Giver"}, ""),
    ("anongiftpaidupgrade", {}, ""),
    ("primepaidupgrade", {"sub-plan": "1000"}, ""),
    ("standardpayforward", {**PRIOR, **RECIPIENT, "prior-gifter-anonymous": "false"}, ""),
    ("communitypayforward", {**PRIOR, "prior-gifter-anonymous": "false"}, ""),
    ("rewardgift", {"domain": "bits", "selected-count": 5, "total-reward-count": 5}, "Cheer500"),
    ("charitydonation", {"charity-name": "Help", "donation-amount": 500, "donation-currency": "EUR"}, ""),
    ("raid", {"displayName": "OneOfEach", "login": LOGIN, "viewerCount": 15, "profileImageURL": ""}, ""),
    ("unraid", {}, ""),
    ("announcement", {"color": "PURPLE"}, "hear, hear"),
    ("viewermilestone", {"category": "watch-streak", "id": "m1", "value": 10, "copoReward": 450}, "ten!"),
    ("modiversary", {"months": 12}, ""),
    ("bitsbadgetier", {"threshold": 1000}, ""),
    ("socialsharingbadge", {"current-badge-level": 2}, ""),
    ("onetapgiftredeemed", {"gift-id": "heart", "bits-spent": 5}, ""),
    ("ritual", {"ritual-name": "new_chatter"}, "HeyGuys"),
    ("neverheardof", {"something": "new"}, "what is this?"),
)
ANONYMOUS: Tags = {"user-id": "274598607", "display-name": "AnAnonymousGifter", "badges": "", "badge-info": ""}
ROOM_NOTICES = ("emote_only_on", "followers_on_zero", "slow_off", "subs_on", "msg_timedout", "tos_ban")


class _Sheet:
    """Lines as they are written one after the other, a millisecond apart."""

    def __init__(self, room: Room, at_ms: int, new_id: Callable[[], str]) -> None:
        self.room, self.at_ms, self.new_id = room, at_ms, new_id
        self.lines: list[bytes] = []

    def said(self, text: str, changes: Tags) -> str:
        tags = {**AUTHOR, "first-msg": 0, "returning-chatter": 0, **self._told(), **changes}
        self.lines.append(tagged(tags, from_viewer(LOGIN, "PRIVMSG", self.room.login, text)))
        return str(tags["id"])

    def notice(self, kind: str, params: Tags, text: str, **changes: str | int) -> None:
        told = {f"msg-param-{name}": value for name, value in params.items()}
        tags = {**AUTHOR, **self._told(), "login": LOGIN, "msg-id": kind, "system-msg": f"This is a {kind}.", **told}
        tags |= {name.replace("_", "-"): value for name, value in changes.items()}
        self.lines.append(tagged(tags, from_twitch("USERNOTICE", self.room.login, text)))

    def word(self, command: str, tags: Tags, text: str = "") -> None:
        """Write what Twitch itself says of the room."""
        self.lines.append(tagged(tags, from_twitch(command, self.room.login, text)))

    def now(self) -> int:
        self.at_ms += 1
        return self.at_ms

    def _told(self) -> Tags:
        return {"id": self.new_id(), "room-id": self.room.twitch_id, "tmi-sent-ts": self.now()}


def one_of_each(room: Room, at_ms: int | None = None, new_id: Callable[[], str] = lambda: str(uuid4())) -> list[bytes]:
    """Write a line of every kind, with ids that are new each time."""
    sheet = _Sheet(room, int(time.time() * 1000) if at_ms is None else at_ms, new_id)
    said = [sheet.said(text, changes) for text, changes in MESSAGES]
    for kind, params, text in NOTICES:
        sheet.notice(kind, params, text)
    anonymous: Tags = {**PLAN, **RECIPIENT, "months": 1, "origin-id": SINGLE_GIFT}
    sheet.notice("subgift", anonymous, "", **{**ANONYMOUS, "login": "ananonymousgifter"})
    sheet.notice("sharedchatnotice", {**PLAN, **MONTHS}, "", **{**ELSEWHERE, "source-msg-id": "resub"})
    sheet.notice("sharedchatnotice", {}, "", **ELSEWHERE)
    _moderate(sheet, said[0])
    for kind in ROOM_NOTICES:
        sheet.word("NOTICE", {"msg-id": kind}, "This room is not as it was.")
    sheet.word("NEVERHEARDOF", {"room-id": room.twitch_id}, "something new")
    malformed = [line.format(channel=room.login, room=room.twitch_id).encode() for line in MALFORMED]
    return [*sheet.lines, *malformed]


def _moderate(sheet: _Sheet, message_id: str) -> None:
    room = sheet.room.twitch_id
    deleted: Tags = {"login": LOGIN, "room-id": "", "target-msg-id": message_id}
    sheet.word("CLEARMSG", {**deleted, "tmi-sent-ts": sheet.now()}, "a plain message")
    target: Tags = {"room-id": room, "target-user-id": AUTHOR["user-id"]}
    sheet.word("CLEARCHAT", {**target, "ban-duration": 600, "tmi-sent-ts": sheet.now()}, LOGIN)
    sheet.word("CLEARCHAT", {**target, "tmi-sent-ts": sheet.now()}, LOGIN)
    sheet.word("CLEARCHAT", {"room-id": room, "tmi-sent-ts": sheet.now()})
    sheet.word("ROOMSTATE", {"room-id": room, "slow": 10})
