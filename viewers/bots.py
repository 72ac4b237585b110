"""Which viewers are bots: by a list of known ones, by lists of channels, and above all by what moderators say."""

from collections.abc import Collection, Iterable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import Exists, OuterRef
from django.utils import timezone

from streams import audit
from streams.locks import lock_channels
from streams.logins import login_of
from streams.models import Channel
from streams.pages import forget_once_committed, forgetting
from streams.reach import reach_of
from viewers import heldpages
from viewers.access import let_moderate
from viewers.credit import recredit
from viewers.models import BotSource, Profile, Viewer, ViewerTotal, ViewSession

LIST = Path(__file__).with_name("bots.txt")
DEEDS = {True: "bot.mark", False: "bot.unmark"}

# A login may stand with several viewers who had it one after another: the one last seen with it is meant.
_TO_MARK = """
SELECT twitch_id FROM viewers_viewer viewer
WHERE login = ANY(%(logins)s) AND NOT is_bot AND bot_source <> 'moderator' AND NOT EXISTS (
    SELECT FROM viewers_viewer later WHERE later.login = viewer.login AND later.named_at > viewer.named_at
)
"""

# A bot that took another name since is still the same account: any name it had will do.
_TO_UNMARK = """
SELECT twitch_id FROM viewers_viewer viewer
WHERE is_bot AND bot_source = %(source)s AND login <> ALL(%(logins)s) AND NOT EXISTS (
    SELECT FROM viewers_viewername name WHERE name.viewer_id = viewer.twitch_id AND name.login = ANY(%(logins)s)
)
"""

# The rows are held in the order that everybody takes them in.
_SET = """
WITH held AS (
    SELECT twitch_id FROM viewers_viewer
    WHERE twitch_id = ANY(%(viewers)s) AND is_bot <> %(is_bot)s AND bot_source <> 'moderator'
    ORDER BY twitch_id FOR NO KEY UPDATE
)
UPDATE viewers_viewer viewer SET is_bot = %(is_bot)s, bot_source = %(source)s
FROM held WHERE viewer.twitch_id = held.twitch_id
RETURNING viewer.twitch_id
"""


class Marked(NamedTuple):
    """Who is a bot now, and who is none any more."""

    bots: list[str]
    people: list[str]

    def __str__(self) -> str:
        return f"{len(self.bots)} marked as bots, {len(self.people)} no longer"


@cache
def known() -> frozenset[str]:
    """The logins of the list that comes with the program."""
    lines = (line.strip() for line in LIST.read_text(encoding="utf-8").splitlines())
    return frozenset(line for line in lines if line and not line.startswith("#"))


def mark(logins: Iterable[str], source: BotSource, *, are_all: bool = False) -> Marked:
    """Mark the viewers who have these logins, and count their watch time again.

    `are_all` says that the source knows no others: whoever it had marked, and no longer names, is none any more.
    Nobody is touched about whom a moderator spoke.
    """
    values = {"logins": sorted({login for typed in logins if (login := login_of(typed))}), "source": source}
    if not values["logins"] and not are_all:
        return Marked([], [])
    with transaction.atomic(), connection.cursor() as cursor:
        bots = _ids(cursor, _TO_MARK, values)
        people = _ids(cursor, _TO_UNMARK, values) if are_all else []
        if bots or people:
            # Before the rows: whoever writes a channel has its lock first, and then comes to its viewers.
            lock_channels(cursor, _channels_of([*bots, *people]))
            bots = _ids(cursor, _SET, {"viewers": bots, "is_bot": True, "source": source})
            people = _ids(cursor, _SET, {"viewers": people, "is_bot": False, "source": ""})
            recredit([*bots, *people])
            _forget_pages([*bots, *people])
    return Marked(bots, people)


def mark_known(logins: Collection[str]) -> Marked:
    """Mark those of these logins that are on our list."""
    return mark(known().intersection(logins), BotSource.LIST)


def say(viewer_id: str, *, is_bot: bool) -> None:
    """What a superuser says of a viewer stands against every list, and changes the watch time at once.

    Whoever calls it writes it into the audit log.
    """
    _say([viewer_id], is_bot=is_bot)


def say_all(viewers: Collection[str], *, is_bot: bool, by: User) -> int:
    """The same of many viewers (their ids), with entries; of how many it was not so. Raises PermissionDenied."""
    if not reach_of(by).is_superuser:
        raise PermissionDenied("Only superusers say of an account that it is a bot in every channel.")
    with transaction.atomic():
        others = list(Viewer.objects.filter(pk__in=viewers).exclude(is_bot=is_bot).order_by("pk"))
        _say([viewer.pk for viewer in others], is_bot=is_bot)
        detail = {"before": {"is_bot": not is_bot}, "after": {"is_bot": is_bot}}
        audit.note_each(by, DEEDS[is_bot], None, (audit.About(each.pk, str(each), detail) for each in others))
    return len(others)


def say_in(channel: Channel, viewers: Collection[str], *, is_bot: bool, by: User) -> int:
    """What a moderator says of viewers (their ids) in one channel; of how many it was not so.

    It keeps them out of its boards and lists, and changes no number: see docs/decisions/moderating.md. Raises NotNow,
    PermissionDenied.
    """
    let_moderate(by, channel)
    with transaction.atomic(durable=True), forgetting([channel.login]):
        pages = [page for page in heldpages.hold(channel, viewers) if page.is_bot != is_bot]
        of_these = Profile.objects.filter(pk__in=[page.pk for page in pages])
        of_these.update(is_bot=is_bot, changed_at=timezone.now())
        detail = {"before": {"is_bot": not is_bot}, "after": {"is_bot": is_bot}}
        met = (audit.About(page.viewer_id, str(page.viewer), detail) for page in pages)
        audit.note_each(by, DEEDS[is_bot], channel, met)
    return len(pages)


def _say(viewers: list[str], *, is_bot: bool) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        lock_channels(cursor, _channels_of(viewers))
        held = Viewer.objects.select_for_update(no_key=True).filter(pk__in=viewers).order_by("pk")
        of_these = Viewer.objects.filter(pk__in=[viewer.pk for viewer in held])
        of_these.update(is_bot=is_bot, bot_source=BotSource.MODERATOR)
        recredit(viewers)
        _forget_pages(viewers)


def _ids(cursor: CursorWrapper, statement: str, values: dict[str, Any]) -> list[str]:
    cursor.execute(statement, values)
    return [viewer_id for (viewer_id,) in cursor.fetchall()]


def _forget_pages(viewers: list[str]) -> None:
    """Bots are in no list and on no board, wherever they were seen."""
    seen = ViewerTotal.objects.filter(channel=OuterRef("pk"), viewer__in=viewers)
    forget_once_committed(Channel.objects.listed().filter(Exists(seen)).values_list("login", flat=True))


def _channels_of(viewers: list[str]) -> list[int]:
    return list(ViewSession.objects.filter(viewer__in=viewers).values_list("channel", flat=True).distinct())
