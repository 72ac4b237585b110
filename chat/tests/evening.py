"""An evening with a little of everything, as lines; and its shuffles."""

import random
from collections.abc import Iterator

from chat.tests.lines import DAY, HOUR, clearchat, clearmsg, gift_bomb, mirrored, privmsg, roomstate, tag, usernotice

MIDNIGHT = 12 * HOUR

_SPAM = privmsg("buy my things", user="dave", at=70)

EVENING = [
    roomstate(),
    privmsg("hello Emote", user="alice", at=0),
    privmsg("Emote Emote 🎉", user="bob", at=1),
    privmsg("Kappa hi", user="alice", at=2, emotes="25:0-4"),
    privmsg("cheer100", user="carol", at=59, bits="100"),
    privmsg("next minute", user="alice", at=60),
    privmsg("after a rename", user="alice2", at=65, user_id=tag(privmsg(user="alice"), "user-id")),
    _SPAM,
    clearmsg(tag(_SPAM, "id"), user="dave", at=71),
    privmsg("rude", user="erin", at=80),
    privmsg("rude again", user="erin", at=90),
    clearchat("erin", at=85, seconds=600),
    clearchat("erin", at=95),
    privmsg("innocent", user="frank", at=100),
    clearchat(at=99),
    mirrored("Emote from elsewhere", user="grace", at=101),
    privmsg("\x01ACTION dances Emote\x01", user="bob", at=102),
    usernotice("sub", user="heidi", at=103, msg_param_cumulative_months="1"),
    usernotice("resub", user="bob", at=104, text="nine months", msg_param_cumulative_months="9"),
    usernotice("sharedchatnotice", user="grace", at=105, source_msg_id="sub", source_room_id="77"),
    usernotice("raid", user="ivan", at=106, msg_param_viewerCount="120"),
    *gift_bomb("bob", "carol", "dave", user="judy", at=110),
    usernotice("subgift", user="bob", at=120, id="single-gift", msg_param_recipient_id="5", msg_param_gift_months="1"),
    *gift_bomb("x", "y", user="ananonymousgifter", user_id="274598607", at=130, bomb="anonymous"),
    *gift_bomb("bob", "carol", user="judy", at=MIDNIGHT - 1, bomb="midnight"),
    privmsg("before midnight Emote", user="alice", at=MIDNIGHT - 0.001),
    privmsg("after midnight Emote", user="alice", at=MIDNIGHT),
    privmsg("another channel", user="alice", at=10, channel="another"),
    privmsg("Emote", user="bob", at=11, channel="another"),
    privmsg("next month", user="bob", at=18 * DAY),
]


def shuffled(lines: list[bytes], seed: int) -> Iterator[list[bytes]]:
    """Batches of the lines in another order, some of them more than once."""
    chance = random.Random(seed)
    rest = [*lines, *chance.sample(lines, len(lines) // 3)]
    chance.shuffle(rest)
    while rest:
        size = chance.randint(1, 8)
        yield rest[:size]
        del rest[:size]
