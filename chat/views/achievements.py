"""All achievements there are in a channel, and how many have each."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from chat.achievements import ACHIEVEMENTS, GROUPS, Achievement
from chat.awards import levels_of
from streams.access import listed_channel
from streams.pages import kept_ready
from streamstats.lib.methods import read_only
from viewers.access import viewer_of
from viewers.models import AwardRule


class Level(NamedTuple):
    """The number of a level, and how many have it; `is_own` where whoever looks does."""

    amount: str
    holders: int
    is_own: bool


class Honour(NamedTuple):
    """An achievement in a channel."""

    achievement: Achievement
    levels: list[Level]


class Group(NamedTuple):
    """Achievements of one kind."""

    key: str
    name: str
    honours: list[Honour]


@read_only
@kept_ready
def achievement_list(request: HttpRequest, channel: str) -> HttpResponse:
    found = listed_channel(channel)
    rules = list(AwardRule.objects.filter(channel=found))
    viewer = viewer_of(request.user) if request.user.is_authenticated else None
    own = levels_of(found, viewer) if viewer else {}
    context = {
        "channel": found,
        "groups": _groups({rule.achievement: rule.holders for rule in rules}, own),
        "counted_at": _counted_at(rules),
        "achievements": len(ACHIEVEMENTS),
        "own": len(own),
    }
    return render(request, "chat/achievements.html", context)


def _groups(holders: dict[str, dict[str, int]], own: dict[str, int]) -> list[Group]:
    return [
        Group(key, name, [_honour(each, holders.get(each.key, {}), own) for each in ACHIEVEMENTS if each.group == key])
        for key, name in GROUPS.items()
    ]


def _honour(achievement: Achievement, holders: dict[str, int], own: dict[str, int]) -> Honour:
    levels = [
        Level(achievement.amount(wanted), holders.get(str(level), 0), own.get(achievement.key, 0) >= level)
        for level, wanted in enumerate(achievement.levels, 1)
    ]
    return Honour(achievement, levels)


def _counted_at(rules: Iterable[AwardRule]) -> datetime | None:
    """As of when all of them hold."""
    return min((rule.counted_at for rule in rules if rule.counted_at), default=None)
