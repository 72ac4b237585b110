"""Puts an ellipsis for people in what others wrote, table by table.

A table is searched once for all of them, a span of it at a time, with one regular expression and no lock; only what was
found is written, of each person by themselves, under the lock of its channel.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple, TypeVar

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import JSONField, Model

from chat import erasestatements as statements
from chat import personal
from chat.mentions import GONE, AnyOf, Mentions
from streams.locks import lock_channels

T = TypeVar("T")

SPAN = 50_000
"""Rows searched at a time."""
AT_ONCE = 5000
"""Rows written at a time."""

# Where an id is emptied, what says that it was known from elsewhere goes, too (see ModerationEvent.borrowed).
_BORROWED = "btrim(replace(' ' || borrowed || ' ', ' moderator ', ' '))"
ALSO = {("chat.ModerationEvent", "moderator_id"): ("borrowed", _BORROWED)}

Work = Callable[[CursorWrapper], int]
"""Does a part of it, and returns how many rows it changed."""
Do = Callable[[Sequence[int], Work], None]
"""Does such a part in a transaction that holds the locks of these channels."""


class Person(NamedTuple):
    """Somebody to be cleaned out, and who does it."""

    mentions: Mentions
    do: Do


def clean_messages(channel: int, people: Sequence[Person]) -> None:
    """Clean what others wrote in a channel, and whom they answered."""
    anybody = [person.mentions for person in people]
    for span in _spans(channel):
        for some in _parts(_find_messages(channel, anybody, span)):
            for person in people:
                values = _of_messages(channel, [person.mentions]) | _which(some)
                person.do([channel], partial(_execute, statements.CLEAN_MESSAGES, values))
        for some in _parts(_ask(statements.TIED, {"channel": channel, **span})):
            with transaction.atomic(), connection.cursor() as cursor:
                lock_channels(cursor, [channel])
                cursor.execute(statements.UNTIE, {"channel": channel, **_which(some)})


def find_messages(channel: int, people: Sequence[Mentions]) -> Iterator[list[tuple[str, datetime]]]:
    """Id and time of messages in a channel that are to be cleaned, a span of them after the other."""
    return (_find_messages(channel, people, span) for span in _spans(channel))


def _find_messages(channel: int, people: Sequence[Mentions], span: dict[str, datetime]) -> list[tuple[str, datetime]]:
    return _ask(statements.MENTIONING, _of_messages(channel, people) | span)


def _spans(channel: int) -> Iterator[dict[str, datetime]]:
    after, is_more = datetime.min.replace(tzinfo=UTC), True
    while is_more:
        ends = _ask(statements.END_OF_SPAN, [channel, after, SPAN])
        is_more = bool(ends)
        end = ends[0][0] if ends else datetime.max.replace(tzinfo=UTC)
        yield {"after": after, "end": end}
        after = end


def _which(some: list[tuple[str, datetime]]) -> dict[str, Any]:
    ids, sent = zip(*some, strict=True)
    return {"ids": list(ids), "sent": list(sent)}


def clean_table(label: str, people: Sequence[Person]) -> None:
    """Clean any other table of the register."""
    tables = [(_TableOfOne(label, person.mentions), person.do) for person in people]
    for found in find_rows(label, [person.mentions for person in people]):
        for some in _parts(found):
            channels = sorted({channel for _, channel in some if channel})
            for table, do in tables:
                do(channels, partial(table.clean, [key for key, _ in some]))


def delete_dead(people: Sequence[Person]) -> None:
    """Delete the lines that nobody could use in which they stand."""
    found = [key for (key,) in _ask(statements.FIND_DEAD, _of_dead([person.mentions for person in people]))]
    for some in _parts(found):
        for person in people:
            person.do([], partial(_execute, statements.DELETE_DEAD, _of_dead([person.mentions]) | {"keys": some}))


def _of_dead(people: Sequence[Mentions]) -> dict[str, Any]:
    anybody = AnyOf(people)
    return {"in_bytes": anybody.in_bytes(), "anywhere": anybody.anywhere}


def find_rows(label: str, people: Sequence[Mentions]) -> Iterator[list[tuple[Any, int | None]]]:
    """Key and channel of rows of such a table that are to be cleaned, a span of them after the other."""
    table = _Table(label, people)
    after, is_more = None, True
    while is_more:
        end = table.end_of_span(after)
        is_more = end is not None
        yield table.found(after, end)
        after = end


def _of_messages(channel: int, people: Sequence[Mentions]) -> dict[str, Any]:
    anybody = AnyOf(people)
    return {
        "channel": channel,
        "viewers": anybody.viewer_ids,
        "likes": anybody.likes,
        "anywhere": anybody.anywhere,
        "gone": GONE,
    }


def _parts(found: list[T]) -> Iterator[list[T]]:
    return (found[start : start + AT_ONCE] for start in range(0, len(found), AT_ONCE))


class _Table:
    """One table with texts of others. Identifiers come from the models alone; all else are parameters."""

    def __init__(self, label: str, people: Sequence[Mentions]) -> None:
        self.model: type[Model] = personal.model_of(label)
        anybody = AnyOf(people)
        entry = personal.TABLES[label]
        mention = {name: self._column(name) for name in entry.fields(personal.MENTION)}
        self.json = [column for name, column in mention.items() if isinstance(self._field(name), JSONField)]
        self.texts = [column for column in mention.values() if column not in self.json]
        self.addressed = [self._column(name) for name in entry.fields(personal.ADDRESSED)]
        self.blank = [self._column(name) for name in entry.fields(personal.BLANK)]
        self.also = [
            (self._column(name), *ALSO[label, name]) for name in entry.fields(personal.BLANK) if (label, name) in ALSO
        ]
        options: Any = self.model._meta  # noqa: SLF001 (public, whatever its name)
        self.table, self.key = options.db_table, options.pk.column
        self.channel = "channel_id" if any(f.column == "channel_id" for f in options.fields) else "NULL::bigint"
        self.values: dict[str, Any] = {
            "viewers": anybody.viewer_ids,
            "quoted": [f'%"{viewer_id}"%' for viewer_id in anybody.viewer_ids],
            "anywhere": anybody.anywhere,
            "addressed": anybody.addressed,
            "gone": GONE,
        }

    def end_of_span(self, after: Any) -> Any:
        since = "" if after is None else f"WHERE {self.key} > %s"
        rows = _ask(
            f"SELECT {self.key} FROM {self.table} {since} ORDER BY {self.key} OFFSET {SPAN} LIMIT 1",
            [] if after is None else [after],
        )
        return rows[0][0] if rows else None

    def found(self, after: Any, end: Any) -> list[tuple[Any, int | None]]:
        """Keys and channels of rows to be cleaned, after one key and up to another."""
        bounds = [f"{self.key} > %(after)s"] if after is not None else []
        bounds += [f"{self.key} <= %(end)s"] if end is not None else []
        return self._found(" AND ".join([*bounds, self._is_named()]), {"after": after, "end": end})

    def _is_named(self) -> str:
        conditions = [f"{column} ~* %(anywhere)s" for column in self.texts]
        conditions += [f"{column} ~* %(addressed)s" for column in self.addressed]
        conditions += [f"{column} = ANY(%(viewers)s)" for column in self.blank]
        conditions += [f"{column}::text ~* %(anywhere)s OR {column}::text LIKE ANY(%(quoted)s)" for column in self.json]
        return f"({' OR '.join(conditions)})"

    def _found(self, where: str, values: dict[str, Any]) -> list[tuple[Any, int | None]]:
        return _ask(
            f"SELECT {self.key}, {self.channel} FROM {self.table} WHERE {where} ORDER BY {self.key}",
            self.values | values,
        )

    def _field(self, name: str) -> Any:
        return self.model._meta.get_field(name)  # noqa: SLF001

    def _column(self, name: str) -> str:
        return str(self._field(name).column)


class _TableOfOne(_Table):
    """The same, to clean one person out of it."""

    def __init__(self, label: str, mentions: Mentions) -> None:
        super().__init__(label, [mentions])
        self.mentions = mentions

    def clean(self, keys: Sequence[Any], cursor: CursorWrapper) -> int:
        """Clean those of these rows in which the person is named, and return how many they were."""
        where = f"{self.key} = ANY(%(keys)s) AND {self._is_named()}"
        keys = [key for key, _ in self._found(where, {"keys": list(keys)})]
        if not keys:
            return 0
        changes = [f"{column} = regexp_replace({column}, %(anywhere)s, %(gone)s, 'gi')" for column in self.texts]
        changes += [f"{column} = regexp_replace({column}, %(addressed)s, %(gone)s, 'gi')" for column in self.addressed]
        is_theirs = "= ANY(%(viewers)s)"
        changes += [f"{column} = CASE WHEN {column} {is_theirs} THEN '' ELSE {column} END" for column in self.blank]
        changes += [
            f"{column} = CASE WHEN {blank} {is_theirs} THEN {value} ELSE {column} END"
            for blank, column, value in self.also
        ]
        for column in self.json:
            self._clean_json(column, keys, cursor)
        if changes:
            cursor.execute(
                f"UPDATE {self.table} SET {', '.join(changes)} WHERE {self.key} = ANY(%(keys)s)",
                self.values | {"keys": list(keys)},
            )
        return len(keys)

    def _clean_json(self, column: str, keys: Sequence[Any], cursor: CursorWrapper) -> None:
        cursor.execute(f"SELECT {self.key}, {column} FROM {self.table} WHERE {self.key} = ANY(%s)", [list(keys)])
        said = {key: json.loads(value) if isinstance(value, str) else value for key, value in cursor.fetchall()}
        cleaned = {key: self.mentions.cleaned_json(value) for key, value in said.items()}
        changed = {key: json.dumps(value) for key, value in cleaned.items() if value != said[key]}
        told = f"unnest(%s::{self._field(self.key).db_type(connection)}[], %s::text[]) AS told (key, value)"
        cursor.execute(
            f"UPDATE {self.table} known SET {column} = told.value::jsonb FROM {told} WHERE known.{self.key} = told.key",
            [list(changed), list(changed.values())],
        )


def _ask(statement: str, values: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())


def _execute(statement: str, values: Any, cursor: CursorWrapper) -> int:
    cursor.execute(statement, values)
    return int(cursor.rowcount)
