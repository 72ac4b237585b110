"""The place of a viewer among the people of a channel who are shown, and their longest streak."""

from typing import Any, NamedTuple

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Func, IntegerField, OuterRef, Q

from chat.portrait.person import Person
from streamstats.lib.periods import Period
from viewers.models import RANKED, Standing
from viewers.visibility import people_in


class Standings(NamedTuple):
    """Places begin with 1; None where there is none: for nothing, for bots, for who is not shown, far behind.

    `streak` is the longest that was reached in the period, in streams.
    """

    by_time: int | None = None
    by_messages: int | None = None
    streak: int = 0


class Length(Func):
    """How many a list has."""

    function = "cardinality"
    output_field = IntegerField()


def of(person: Person, period: Period) -> Standings:
    """As the last fold left it. Who has as much shares a place."""
    own = Standing.objects.filter(channel=person.channel, viewer=person.viewer, period=period.key)
    if person.is_shown and not person.viewer.is_bot:
        own = own.annotate(
            before_in_time=_ahead(person, period, "watch_seconds"),
            before_in_messages=_ahead(person, period, "messages"),
        )
    found: Any = own.first()
    if found is None:
        return Standings()
    return Standings(
        _place(found.watch_seconds, getattr(found, "before_in_time", None)),
        _place(found.messages, getattr(found, "before_in_messages", None)),
        found.streak,
    )


def _ahead(person: Person, period: Period, measure: str) -> Length:
    """How many are ahead: counted along the index of the measure, no further than places are given.

    The order, and that it is more than nothing, say which index: how many will be ahead nobody can guess.
    """
    more = Q(**{f"{measure}__gt": OuterRef(measure)}) & Q(**{f"{measure}__gt": 0})
    rows = Standing.objects.filter(more, people_in(person.channel), channel=person.channel, period=period.key)
    return Length(ArraySubquery(rows.order_by(f"-{measure}", "viewer").values("pk")[:RANKED]))


def _place(value: int, ahead: int | None) -> int | None:
    return ahead + 1 if value and ahead is not None and ahead < RANKED else None
