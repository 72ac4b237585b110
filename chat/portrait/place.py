"""The place of a viewer among the people of a channel who are shown, and their longest streak."""

from json import dumps, loads
from typing import Any, NamedTuple, cast

import structlog
from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import F, Func, IntegerField, OuterRef, QuerySet
from redis.exceptions import RedisError

from chat.portrait.person import Person
from streams.quickredis import quick_redis
from streams.statement import Given, GivenChannel, Statement
from streamstats.lib.periods import Period
from viewers.models import RANKED, Standing
from viewers.visibility import is_sparse, people_in

log = structlog.get_logger(__name__)


class Standings(NamedTuple):
    """Places begin with 1; None where there is none: for nothing, for bots, for who is not shown, far behind.

    `streak` is the longest that was reached in the period, in streams.
    """

    by_time: int | None = None
    by_messages: int | None = None
    streak: int = 0


MEASURES = {"by_time": "watch_seconds", "by_messages": "messages"}
LOOKED = 4096
"""In a channel whose pages are opt-in, who is further back than so many people, shown or not, has no place."""
SPARSE = "is_sparse"
FLOOR_SECONDS = 300
FLOOR = "streamstats:floor:{}:{}"


class Length(Func):
    """How many a list has."""

    function = "cardinality"
    output_field = IntegerField()


def of(person: Person, period: Period) -> Standings:
    """As the last fold left it. Who has as much shares a place."""
    own = OWN.first(channel=person.channel.pk, viewer=person.viewer.pk, period=period.key)
    if own is None:
        return Standings()
    if not person.is_shown or person.is_bot:
        return Standings(streak=own.streak)
    return Standings(**_places(person, period, own), streak=own.streak)


def _own() -> QuerySet[Standing]:
    return Standing.objects.filter(channel=Given("channel"), viewer=Given("viewer"), period=Given("period"))


OWN = Statement(_own)


def _places(person: Person, period: Period, own: Standing) -> dict[str, int]:
    """The places they have: most people have none, and nobody is counted for them."""
    floors = _floors(person, period)
    near = tuple(place for place, name in MEASURES.items() if 0 < getattr(own, name) >= floors[name])
    if not near:
        return {}
    asked = {"channel": person.channel.pk, "viewer": person.viewer.pk, "period": period.key}
    found = AHEAD.first(person.channel.is_open, floors.get(SPARSE, 0), near, **asked) or {}
    return {place: before + 1 for place, before in found.items() if before < RANKED}


def _counted(is_open: bool, sparse: int, places: tuple[str, ...]) -> QuerySet[Any, Any]:
    channel, period = GivenChannel(is_open), Given("period")
    names = {place: MEASURES[place] for place in places}
    ahead = {place: _ahead(_ranked(channel, period, name, sparse), name) for place, name in names.items()}
    return _own().values(**ahead)


AHEAD = Statement(_counted)


def _floors(person: Person, period: Period) -> dict[str, int]:
    """What one needs about as much of as this to have a place: what the last one who has a place had lately.

    And whether few are shown at all: then `is_sparse` is 1.
    """
    key = FLOOR.format(person.channel.pk, period.key)
    try:
        kept = cast(bytes | None, quick_redis().get(key))
        floors = loads(kept) if kept else _lowest(person, period)
        if not kept:
            quick_redis().set(key, dumps(floors), ex=FLOOR_SECONDS)
    except RedisError as error:
        log.warning("places are counted for everybody: redis does not answer", error=str(error))
        return dict.fromkeys(MEASURES.values(), 0) if person.channel.is_open else _lowest(person, period)
    return cast(dict[str, int], floors)


def _lowest(person: Person, period: Period) -> dict[str, int]:
    """A tenth less than what the last one with a place has, for people may hide, and days be corrected."""
    sparse = int(is_sparse(person.channel))
    lowest = {SPARSE: sparse}
    for name in MEASURES.values():
        floor = 0 if person.channel.is_open or sparse else _looked_at(person, period, name)
        values = _ranked(person.channel, period.key, name, sparse, floor).values_list(name, flat=True)
        last = values[RANKED - 1 : RANKED].first()
        lowest[name] = max(floor + 1, last * 9 // 10) if last else floor + 1
    return lowest


def _looked_at(person: Person, period: Period, measure: str) -> int:
    """What everybody has more of than this who is looked at: else all would be, where none of the first are shown."""
    everybody = Standing.objects.filter(channel=person.channel, period=period.key, **{f"{measure}__gt": 0})
    ranked = everybody.order_by(f"-{measure}", "viewer").values_list(measure, flat=True)
    return ranked[LOOKED : LOOKED + 1].first() or 0


def _ahead(ranked: QuerySet[Standing], measure: str) -> Length:
    """How many are ahead: counted along the index of the measure, no further than places are given."""
    rows = ranked.filter(**{f"{measure}__gt": OuterRef(measure)})
    return Length(ArraySubquery(rows.values("pk")[:RANKED]))


def _ranked(channel: Any, period: object, measure: str, sparse: int, floor: int = 0) -> QuerySet[Standing]:
    """The people of a period who have more than `floor`, who has most first.

    The order, and that it is more than nothing, say which index: how many will be ahead nobody can guess. Where few are
    shown, the order is no index's: one that were would be read to its end.
    """
    rows = Standing.objects.filter(people_in(channel), channel=channel, period=period)
    rows = rows.filter(**{f"{measure}__gt": floor})
    return rows.order_by((F(measure) + 0).desc() if sparse else f"-{measure}", "viewer")
