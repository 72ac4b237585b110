"""Questions that are put together once, and asked with other values every time.

Django makes the SQL of a queryset anew each time it is asked, which for a page took longer than Postgres takes to
answer. The rules of what is asked stay where they are: what is kept is the SQL of an ordinary queryset.
"""

from collections.abc import Callable, Hashable
from copy import copy
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Expression, QuerySet
from django.db.models.sql.compiler import SQLCompiler


class Given(Expression):
    """A place in a question, for a value that is given whenever it is asked."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        return "%s", [self]


class GivenChannel(Given):
    """The place of a channel, for rules that differ by what it is."""

    def __init__(self, is_open: bool) -> None:
        super().__init__("channel")
        self.is_open = is_open


class _Made(NamedTuple):
    queryset: QuerySet[Any]
    compiler: SQLCompiler
    sql: str
    values: tuple[Any, ...]
    """Those that are always the same, and what stands for the others."""


class Statement:
    """What `make` asks: a function that gives a queryset with `Given` in it.

    Its own arguments tell what differs in more than values: for each of them there is a statement. As it is asked only
    once for each, nothing in it may be of the moment, such as the time.
    """

    def __init__(self, make: Callable[..., QuerySet[Any]]) -> None:
        self._make = make
        self._made: dict[tuple[Hashable, ...], _Made] = {}

    def ask(self, *shape: Hashable, **values: object) -> list[Any]:
        """The rows, as the queryset would give them."""
        made = self._made.get(shape) or self._put_together(shape)
        params = tuple(values[value.name] if isinstance(value, Given) else value for value in made.values)
        compiler: Any = copy(made.compiler)
        compiler.connection = connection
        compiler.as_sql = lambda *_args, **_options: (made.sql, params)
        asked: Any = made.queryset.all()
        asked.query.get_compiler = lambda *_args, **_options: compiler
        return list(asked)

    def first(self, *shape: Hashable, **values: object) -> Any:
        """The first row, or None; that there is no need for more is for `make` to say."""
        return next(iter(self.ask(*shape, **values)), None)

    def _put_together(self, shape: tuple[Hashable, ...]) -> _Made:
        queryset = self._make(*shape)
        compiler: Any = queryset.query.get_compiler(connection=connection)
        sql, values = compiler.as_sql()
        converters = compiler.get_converters([column for column, *_ in compiler.select[: compiler.col_count]])
        compiler.get_converters = lambda _columns: converters
        return self._made.setdefault(shape, _Made(queryset, compiler, sql, tuple(values)))
