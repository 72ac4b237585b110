"""What a resource of the API is: which rows there are, who may be told of them, how they are written and sorted.

Rows are dictionaries, read with `values()` and written as they are: a serializer says what is in them, for the
document, and takes no part in writing them. Lists, delta sync, the live feed and webhooks all ask a resource, so what
is shown is decided once.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache, cached_property
from typing import Any, ClassVar, NamedTuple, Self

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, Value, When
from django_filters import FilterSet, IsoDateTimeFilter, TypedChoiceFilter
from django_filters.constants import EMPTY_VALUES
from django_filters.fields import IsoDateTimeField
from rest_framework import serializers

from streams.api.fields import are_numbers, known_ids
from streams.models import Channel, Scope
from streams.rowvalues import are_given, are_one_of
from streams.statement import Given, GivenChannel, Statement
from streams.sync import Written

LOOKED = 2048
"""Rows that are looked at for one page where nearly none may be shown or is asked for."""

FIRST, LEVEL, BEYOND = "first", "level", "beyond"
SIZES = (51, 201)
"""Rows that are asked for together: with each number of its own, there would be as many statements."""

Row = dict[str, Any]


class Order(NamedTuple):
    """A column that rows are sorted by."""

    column: str
    falls: bool = False

    @property
    def beyond(self) -> str:
        return f"{self.column}__{'lt' if self.falls else 'gt'}"

    def __str__(self) -> str:
        return f"-{self.column}" if self.falls else self.column


Place = tuple[Any, ...]
"""Where a page begins: after the row with these values of the columns that it is sorted by."""


class Page(NamedTuple):
    rows: list[Row]
    following: Place | None
    """Where the next page begins; None after the last one."""


def moment(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z") if at else None


FORMS: dict[type[FilterSet], type[forms.Form]] = {}


class Filters(FilterSet):  # type: ignore[misc]
    """What a list can be narrowed by; of rows of any table, so it is not asked without them."""

    def __init__(self, data: Mapping[str, str], rows: QuerySet[Any] | None = None) -> None:
        super().__init__(data, Channel.objects.none() if rows is None else rows)

    @classmethod
    @cache
    def unasked(cls) -> Self:
        """Those of a request that gives none: the same for all of them."""
        asked = cls({})
        asked.is_valid()  # which reads them
        return asked

    def get_form_class(self) -> type[forms.Form]:
        """The same for every request: made anew, it took as long as a question to Postgres."""
        if type(self) not in FORMS:
            FORMS[type(self)] = super().get_form_class()
        return FORMS[type(self)]


class NoFilters(Filters):
    """For lists that are not narrowed."""


def flag(column: str = "", lookup: str = "exact", *, about: str) -> TypedChoiceFilter:
    """A filter that is `true` or `false`, and nothing else."""
    choices = [("true", "true"), ("false", "false")]
    return TypedChoiceFilter(
        field_name=column, lookup_expr=lookup, choices=choices, coerce=lambda text: text == "true", empty_value=None,
        help_text=about,
    )  # fmt: skip


class MomentField(IsoDateTimeField):  # type: ignore[misc]
    """A time as it is in UTC: more offsets can be written than Postgres takes."""

    def to_python(self, value: Any) -> datetime | None:
        at: datetime | None = super().to_python(value)
        try:
            return at and at.astimezone(UTC)
        except OverflowError as error:
            raise ValidationError(self.error_messages["invalid"], code="invalid") from error


class MomentFilter(IsoDateTimeFilter):  # type: ignore[misc]
    field_class = MomentField


def between(column: str) -> Callable[[type[Filters]], type[Filters]]:
    """Give filters `from` and `to`, which Python has other uses for: the times [from, to) of a column."""

    def decorate(filters: type[Filters]) -> type[Filters]:
        for name, lookup, words in (("from", "gte", "at or after"), ("to", "lt", "before")):
            told = MomentFilter(field_name=column, lookup_expr=lookup, help_text=f"Only what is {words} this time.")
            told.field_name = column
            filters.base_filters[name] = told
        return filters

    return decorate


class Absent(NamedTuple):
    """What whoever has a copy deletes."""

    deleted: list[str]
    """Rows, by their keys."""
    gone: list[str]
    """Viewers of whom every row goes."""


@cache
def fields_of(serializer: type[serializers.Serializer[Any]]) -> Mapping[str, serializers.Field[Any, Any, Any, Any]]:
    """The fields of a row, by their names, as the document has them."""
    return dict(serializer().fields)


class Resource(ABC):
    """One kind of thing that there are lists of, of one channel at a time."""

    name: ClassVar[str]
    about: ClassVar[str]
    """What it is, in a sentence for the document."""
    serializer: ClassVar[type[serializers.Serializer[Any]]]
    example: ClassVar[Row]
    filters: ClassVar[type[Filters]] = NoFilters
    order: ClassVar[tuple[Order, ...]]
    scope: ClassVar[Scope | None] = None
    is_of_viewers: ClassVar[bool] = False
    """Whether it tells of viewers who may not be shown."""
    tells_who_is_gone: ClassVar[bool] = False
    """Whether its lists name viewers of whom every row goes."""

    @abstractmethod
    def page(self, channel: Channel, asked: Filters, after: Place | None, most: int) -> Page:
        """The next rows after a place, or the first ones."""

    def orders(self, asked: dict[str, Any]) -> tuple[Order, ...]:
        """The order that an index has for these filters."""
        return self.order

    @staticmethod
    def given(asked: Filters) -> dict[str, Any]:
        """The filters that were given, with their values."""
        return {name: value for name, value in asked.form.cleaned_data.items() if value not in EMPTY_VALUES}


class Synced(Resource):
    """What can be asked what changed: each row has a key, by which the log of changes knows it."""

    log_name: ClassVar[str] = ""
    """What the log of changes calls it, where that is another name."""
    id_field: ClassVar[str] = "id"

    @property
    def logged(self) -> str:
        return self.log_name or self.name

    @abstractmethod
    def find(self, channel: Any, keys: Sequence[str], asked: Filters | None = None) -> list[Row]:
        """Those of these rows that are there and may be told, in the order of the keys."""

    def one(self, channel: Channel, key: str) -> Row | None:
        """One row by its key, for an address of its own."""
        return next(iter(self.find(channel, [key])), None)

    def key_of(self, row: Row) -> str:
        """What the log of changes calls a row."""
        return str(row[self.id_field])

    def check_sync(self, asked: Filters) -> None:
        """Raise a Problem for filters that do not narrow what changed."""

    def absent(self, channel: Any, keys: Sequence[str], written: Written) -> Absent:
        """What is told of rows that changed and are not among those that are told now."""
        return Absent(list(keys), [])


class OfTable(Synced):
    """Rows of a table."""

    slow_filters: ClassVar[frozenset[str]] = frozenset()
    """Filters that no index answers: a page of them looks at LOOKED rows at most."""
    columns: ClassVar[dict[str, Any]]
    """What each field is read from: the name of a column, or an expression."""
    named_by: ClassVar[Mapping[str, str]] = {"pk": "text"}
    """The columns that name a row in the log of changes, each with its type in Postgres."""
    is_same_for_all: ClassVar[bool] = True
    """Whether every instance asks the same, but for the channel and the filters."""

    # What subclasses say.

    @abstractmethod
    def rows(self, channel: Channel) -> QuerySet[Any]:
        """All rows of the channel, shown or not."""

    def shown(self, channel: Channel) -> Q:
        """Of which rows whoever may read this resource may be told."""
        return Q()

    def addressed(self, channel: Channel) -> Q:
        """Of which rows whoever names one may be told."""
        return self.shown(channel)

    def named(self, keys: Iterable[str]) -> list[tuple[Any, ...]]:
        """What is in these columns, by what the log of changes calls rows; what cannot be such a name is no row."""
        [type_] = self.named_by.values()
        return [(name,) for name in (known_ids(keys) if type_ == "text" else are_numbers(keys))]

    def of_keys(self, keys: Iterable[str]) -> Q:
        """Rows by what the log of changes calls them."""
        return are_one_of(self.named_by, self.named(keys))

    def finish(self, channel: Channel, rows: list[Row]) -> list[Row]:
        """Rows as they are told: times are text by now. At most two queries more, however many rows."""
        return rows

    def narrow(self, channel: Channel, asked: dict[str, Any]) -> None:
        """Raise a Problem for filters that cannot be asked for together."""

    # What everybody asks.

    def told(self, channel: Channel, asked: Filters | None = None) -> QuerySet[Any]:
        """The rows that may be told, of those that were asked for."""
        rows = self.rows(channel).filter(self.shown(channel))
        return asked.filter_queryset(rows) if asked else rows

    def find(self, channel: Any, keys: Sequence[str], asked: Filters | None = None) -> list[Row]:
        rows: Any
        if (asked and self.given(asked)) or not self.is_same_for_all:
            rows = self.told(channel, asked).filter(self.of_keys(keys)).values(**self._aliases)
        else:
            rows = self._find(channel, keys, is_addressed=False)
        place = {key: number for number, key in enumerate(keys)}
        return sorted(self.write(channel, rows), key=lambda row: place[self.key_of(row)])

    def one(self, channel: Channel | None, key: str) -> Row | None:
        return next(iter(self.write(channel, self._find(channel, [key], is_addressed=True))), None)

    def _find(self, channel: Channel | None, keys: Sequence[str], *, is_addressed: bool) -> list[Row]:
        """Rows by their keys, by a statement that is put together once."""
        named = self.named(keys)
        if not named:
            return []
        lists = {name: list(values) for name, values in zip(self.named_by, zip(*named, strict=True), strict=True)}
        is_open = channel.is_open if channel else True
        return self._found.ask(is_open, is_addressed, channel=channel and channel.pk, **lists)

    @cached_property
    def _found(self) -> Statement:
        def put_together(is_open: bool, is_addressed: bool) -> QuerySet[Any]:
            channel: Any = GivenChannel(is_open)
            is_told = self.addressed(channel) if is_addressed else self.shown(channel)
            return self.rows(channel).filter(is_told, are_given(self.named_by)).values(**self._aliases)

        return Statement(put_together)

    def write(self, channel: Any, rows: Any) -> list[Row]:
        """Rows as they are told, from those that were read by `_aliases`."""
        found = [{name: row[alias] for name, alias in self._named} for row in rows]
        for name in self._times:
            for row in found:
                row[name] = moment(row[name])
        for name in self._days:
            for row in found:
                row[name] = row[name] and row[name].isoformat()
        return self.finish(channel, found)

    def page(self, channel: Channel, asked: Filters, after: Place | None, most: int) -> Page:
        given = self.given(asked)
        self.narrow(channel, given)
        orders = self.orders(given)
        if (self.is_of_viewers and not channel.is_open) or not self.slow_filters.isdisjoint(given):
            return self._looked_through(channel, asked, given, orders, after, most)
        if self.is_same_for_all:
            rows = self._ask(channel, given, orders, after, most + 1)
        else:
            rows = _read(self.told(channel, asked), orders, after, most + 1, self._aliases)
        following = _place(rows[most - 1], orders) if len(rows) > most else None
        return Page(self.write(channel, rows[:most]), following)

    def _ask(
        self, channel: Channel | None, given: dict[str, Any], orders: tuple[Order, ...], after: Place | None, most: int
    ) -> list[Row]:
        """As `_read`, by statements that are put together once: making their SQL took two fifths of an answer."""
        names = tuple(sorted(given))
        size = next(size for size in SIZES if size >= most)
        values = {
            "channel": channel and channel.pk,
            **{f"after_{number}": each for number, each in enumerate(after or ())},
        }
        values |= {
            f"asked_{name}": int(value) if isinstance(value, Decimal) else value for name, value in given.items()
        }
        is_open = channel.is_open if channel else True

        def ask(part: str) -> list[Row]:
            return self._statement.ask(part, is_open, names, size, **values)

        if after is None:
            return ask(FIRST)[:most]
        level = ask(LEVEL)[:most] if orders[1:] else []
        return level + (ask(BEYOND)[: most - len(level)] if len(level) < most else [])

    @cached_property
    def _statement(self) -> Statement:
        return Statement(self._put_together)

    def _put_together(self, part: str, is_open: bool, names: tuple[str, ...], size: int) -> QuerySet[Any]:
        channel: Any = GivenChannel(is_open)
        rows = self.rows(channel).filter(self.shown(channel))
        for name in names:
            rows = self.filters.base_filters[name].filter(rows, Given(f"asked_{name}"))
        orders = self.orders(dict.fromkeys(names))
        place = tuple(Given(f"after_{number}") for number in range(len(orders)))
        if part == LEVEL:
            rows = rows.filter(_later(orders[1:], place[1:]), **{orders[0].column: place[0]})
        elif part == BEYOND:
            rows = rows.filter(**{orders[0].beyond: place[0]})
        told: QuerySet[Any] = _sorted(rows, orders, self._aliases)[:size]
        return told

    def _looked_through(
        self,
        channel: Channel,
        asked: Filters,
        given: dict[str, Any],
        orders: tuple[Order, ...],
        after: Place | None,
        most: int,
    ) -> Page:
        """Those who are told among the next rows: a page may be short, and the next one goes on."""
        quick = self.filters({name: asked.data[name] for name in given if name not in self.slow_filters})
        near = quick.filter_queryset(self.rows(channel)) if quick.is_valid() else self.rows(channel)
        # Asked twice in two ways, Postgres asks for each row; once, it might look for all that is told first.
        own = Q(pk=OuterRef("pk"), pk__gte=OuterRef("pk"))
        wanted = Exists(self.told(channel, asked).order_by().filter(own))
        is_told = Case(When(wanted, then=Value(True)), default=Value(False))
        looked = _read(near, orders, after, LOOKED, {"is_told": is_told})
        found = [row for row in looked if row["is_told"]]
        last = found[most - 1] if len(found) > most else looked[-1] if len(looked) == LOOKED else None
        keys = {row["row"]: number for number, row in enumerate(found[:most])}
        rows = self.rows(channel).filter(pk__in=list(keys)).values(row=F("pk"), **self._aliases)
        in_order = sorted(rows, key=lambda row: keys[row["row"]])
        return Page(self.write(channel, in_order), _place(last, orders) if last else None)

    @cached_property
    def _named(self) -> list[tuple[str, str]]:
        return [(name, f"told_{name}") for name in self.columns]

    @cached_property
    def _aliases(self) -> dict[str, Any]:
        """Read under names of their own: many are those of other columns."""
        return {f"told_{name}": F(told) if isinstance(told, str) else told for name, told in self.columns.items()}

    @cached_property
    def _times(self) -> list[str]:
        fields = fields_of(self.serializer).items()
        return [name for name, field in fields if isinstance(field, serializers.DateTimeField) and name in self.columns]

    @cached_property
    def _days(self) -> list[str]:
        fields = fields_of(self.serializer).items()
        return [name for name, field in fields if isinstance(field, serializers.DateField) and name in self.columns]


def _read(rows: Any, orders: tuple[Order, ...], after: Place | None, most: int, columns: dict[str, Any]) -> list[Row]:
    """So many rows after a place, each with its key and with what it is sorted by.

    First those that share the first column with the place: asked for together, they could not begin in the index.
    """
    told = _sorted(rows, orders, columns)
    if after is None:
        return list(told[:most])
    first = orders[0]
    level = list(told.filter(_later(orders[1:], after[1:]), **{first.column: after[0]})[:most]) if orders[1:] else []
    beyond = told.filter(**{first.beyond: after[0]})
    return level + (list(beyond[: most - len(level)]) if len(level) < most else [])


def _sorted(rows: Any, orders: tuple[Order, ...], columns: dict[str, Any]) -> Any:
    sorted_by = {f"sort_{number}": F(order.column) for number, order in enumerate(orders)}
    return rows.order_by(*map(str, orders)).values(row=F("pk"), **sorted_by, **columns)


def _place(row: Row, orders: tuple[Order, ...]) -> Place:
    return tuple(row[f"sort_{number}"] for number in range(len(orders)))


def _later(orders: tuple[Order, ...], place: Place) -> Q:
    """A condition: after a place in the order of these columns."""
    first, *rest = orders
    beyond = Q(**{first.beyond: place[0]})
    if rest:
        beyond |= Q(**{first.column: place[0]}) & _later(tuple(rest), place[1:])
    return beyond
