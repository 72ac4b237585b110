"""Finding messages by words, author and time, the newest first, quickly in tables of any length.

Two ways lead to a page of hits. Reading back from the newest is quick for words that many messages have; the index of
words is quick for those that few have, but gives all hits of a month at once. How common the words are is seen on the
first messages read, and what either way would cost decides, month by month. Times without an index (see
chat/wordindex.py) are read back. Who waits is answered in time: with what was found so far, and where to go on.

None of its statements that look for words is ever prepared: a plan for any time cannot use an index of words, which
ends at a midnight.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection

from chat import partitions, wordindex
from chat.models import Message
from chat.wordindex import WORDS
from streams.models import Stream
from streams.prepared import planned_each_time
from streams.sync import at_one_moment

PATIENCE_S = 0.2
PROBED = 500
"""Messages by which it is judged how common words are."""
READ_AT_ONCE = 10_000
"""Messages that are read back before the clock is looked at."""
READING_US, FETCHING_US = 6, 4
"""About what it takes to read a message back and look for words in it, and to fetch one that an index named."""
LONGEST_WORDS = 200
SIZES = (51, 201)
"""Messages that are listed together: with each number of its own, there would be as many statements to plan."""

COLUMNS = [field.attname for field in Message._meta.concrete_fields]  # noqa: SLF001 (public, whatever its name)
ALL = ", ".join(COLUMNS)
BEGINNING = datetime.combine(partitions.TWITCH_BEGAN, datetime.min.time(), UTC)
END = datetime(9999, 1, 1, tzinfo=UTC)
MOMENT, NOTHING = timedelta(microseconds=1), timedelta()

MATCHES = f"{WORDS} @@ websearch_to_tsquery('simple', %(words)s)"
NEWEST = "ORDER BY sent_at DESC, id DESC"
# Rows are compared as a whole where a page ended; both times before are what indexes and months are found by. What was
# said by who was erased or purged is nobody's, and says nothing.
IN_SPAN = """channel_id = %(channel)s AND viewer_id <> '' AND sent_at >= %(since)s AND sent_at < %(until)s
    AND sent_at <= %(before_at)s AND (sent_at, id) < (%(before_at)s, %(before_id)s)"""
BY_AUTHORS = "viewer_id = ANY(%(authors)s)"
# The next messages: by their times, or of each author by an index of their own, in whose order they are asked for. With
# authors as one more condition, Postgres reads everybody's by time until it has found enough of theirs.
OF_ANYBODY = f"SELECT {ALL} FROM {{table}} WHERE {{conditions}} {NEWEST} LIMIT {{most}}"
OF_AUTHORS = f"""SELECT said.* FROM unnest(%(authors)s::text[]) author, LATERAL (
    SELECT {ALL} FROM {{table}} WHERE {{conditions}}
        AND (viewer_id, sent_at) >= (author COLLATE "C", %(since)s)
        AND (viewer_id, sent_at) <= (author COLLATE "C", %(before_at)s)
    ORDER BY viewer_id DESC, sent_at DESC, id DESC LIMIT {{most}}
) said {NEWEST} LIMIT {{most}}"""


class Query(NamedTuple):
    """What to look for: words as in a web search ("a phrase", this or that, -without), in [since, until), a stream."""

    words: str = ""
    author_ids: list[str] | None = None
    since: datetime | None = None
    until: datetime | None = None
    stream: Stream | None = None
    removed: bool | None = None

    @property
    def asked(self) -> str:
        return self.words.replace("\x00", "").strip()[:LONGEST_WORDS]

    @property
    def conditions(self) -> str:
        """What indexes on times and removed messages can tell, as SQL."""
        return IN_SPAN + {None: "", True: " AND removed_at IS NOT NULL", False: " AND removed_at IS NULL"}[self.removed]

    def newest_in(self, table: str, most: int) -> str:
        """The next messages of a span, as SQL, whatever they say."""
        among = OF_ANYBODY if self.author_ids is None else OF_AUTHORS
        return among.format(table=table, conditions=self.conditions, most=most)

    @property
    def values(self) -> dict[str, Any]:
        return {"words": self.asked, "authors": self.author_ids}

    @property
    def span(self) -> tuple[datetime, datetime]:
        begun, ended = (self.stream.started_at, self.stream.ended_at) if self.stream else (None, None)
        return max(self.since or BEGINNING, begun or BEGINNING), min(self.until or END, ended or END)


class Place(NamedTuple):
    """Where a page ends: what follows is older, or of the same moment with a smaller id."""

    sent_at: datetime
    id: str


class Found(NamedTuple):
    """Messages, the newest first; where to go on, None where there is nothing older to look at."""

    rows: list[Message]
    after: Place | None
    searched_until: datetime


class Span(NamedTuple):
    """[since, until) of one table. `rows` is how many it has about; 0 where it has no index of words."""

    table: str
    since: datetime
    until: datetime
    rows: int = 0


def find(
    channel_id: int,
    query: Query,
    before: Place | None = None,
    most: int = 50,
    *,
    patience_s: float = PATIENCE_S,
    clock: Callable[[], float] = time.monotonic,
) -> Found:
    """Messages of a channel; about `patience_s` after it began, no other part is begun."""
    with _for_words() if query.words else nullcontext():
        if query.words and not _says_something(query.asked):
            return Found([], None, BEGINNING)
        search = _Search(channel_id, query, before, most + 1)
        until = clock() + patience_s
        while search.span and len(search.found) <= most:
            search.look(search.span)
            if clock() >= until:
                break
    shown = search.found[:most]
    more = _place_of(shown[-1]) if len(search.found) > most else None
    after = more or (search.before if search.span else None)
    return Found(shown, after, after.sent_at if after else query.span[0])


@contextmanager
def _for_words() -> Iterator[None]:
    """At one moment: a part is read for its hits and then for where it ended, and chat goes on meanwhile."""
    with planned_each_time(), at_one_moment():
        yield


@planned_each_time()
def about(channel_id: int, query: Query) -> int:
    """About how many there are, as Postgres estimates: nothing is counted."""
    since, until = query.span
    statement = f"EXPLAIN (FORMAT JSON) SELECT FROM {partitions.PARENT} WHERE {query.conditions}"
    statement += f" AND {BY_AUTHORS}" if query.author_ids is not None else ""
    statement += f" AND {MATCHES}" if query.asked else ""
    place = {"channel": channel_id, "since": since, "until": until, "before_at": until, "before_id": ""}
    with connection.cursor() as cursor:
        cursor.execute(statement, query.values | place)
        [(plan,)] = cursor.fetchall()
    return int(plan[0]["Plan"]["Plan Rows"])


def _says_something(words: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT numnode(websearch_to_tsquery('simple', %s)) > 0", [words])
        return bool(cursor.fetchone()[0])


def _place_of(message: Message) -> Place:
    return Place(message.sent_at, message.id)


class _Search:
    """How far a search has come: the hits so far, and the place and the span that it goes on from."""

    def __init__(self, channel_id: int, query: Query, before: Place | None, wanted: int) -> None:
        self.query = query
        self.found: list[Message] = []
        self.before = before or Place(query.span[1], "")
        self._wanted = wanted
        self._read = self._hits = 0
        self._values = query.values | {"channel": channel_id}
        self._spans = self._planned()
        self.span = next(self._spans, None)

    def look(self, span: Span) -> None:
        """Look through a span, or through the next part of it."""
        if not self.query.asked:
            is_through = self._list(span)
        elif span.rows and self._read >= PROBED and self._is_rare_in(span):
            is_through = self._look_up(span)
        else:
            is_through = self._read_back(span)
        if is_through:
            self.before, self.span = Place(span.since, ""), next(self._spans, None)

    def _planned(self) -> Iterator[Span]:
        """What to look through, the newest first. Authors and removed messages have indexes over all months."""
        since, until = self.query.span
        until = min(until, self.before.sent_at + (MOMENT if self.before.id else NOTHING))
        if self.query.asked and self.query.author_ids is None and not self.query.removed:
            for index, rows in wordindex.existing():
                start = partitions.bounds(index.month)[0]
                if start < until and index.until > since:
                    if index.until < until:
                        yield Span(partitions.PARENT, index.until, until)
                    yield Span(index.table, max(start, since), min(index.until, until), rows)
                    until = max(start, since)
        if until > since:
            yield Span(partitions.PARENT, since, until)

    def _is_rare_in(self, span: Span) -> bool:
        frequency = (self._hits + 0.5) / (self._read + 1)
        reading = (self._wanted - len(self.found)) / frequency * READING_US
        return frequency * span.rows * FETCHING_US < reading

    def _list(self, span: Span) -> bool:
        """The next messages, whatever they say. An index has them in order."""
        wanted = self._wanted - len(self.found)
        size = next((size for size in SIZES if size >= wanted), wanted)
        self.found += self._messages(self.query.newest_in(span.table, size), span)[:wanted]
        return True

    def _look_up(self, span: Span) -> bool:
        """All hits of a span by its index, then sorted: Postgres may not try to read them in order."""
        hits = f"SELECT {ALL} FROM {span.table} WHERE {self.query.conditions} AND {MATCHES}"
        statement = f"WITH hit AS MATERIALIZED ({hits}) SELECT {ALL} FROM hit {NEWEST} LIMIT %(wanted)s"
        self.found += self._messages(statement, span)
        return True

    def _read_back(self, span: Span) -> bool:
        """The hits among the next messages; whether these were the last of the span."""
        at_once = READ_AT_ONCE if self._read >= PROBED else PROBED
        newest = self.query.newest_in(span.table, at_once)
        hits = self._messages(f"SELECT {ALL} FROM ({newest}) read WHERE {MATCHES} {NEWEST} LIMIT %(wanted)s", span)
        self.found += hits
        if len(self.found) >= self._wanted:
            return False
        last = self._rows(f"SELECT sent_at, id FROM ({newest}) read {NEWEST} OFFSET {at_once - 1}", span)
        if not last:  # how many these were is not known: few, and nothing to judge by
            return True
        self._read += at_once
        self._hits += len(hits)
        self.before = Place(*last[0])
        return False

    def _messages(self, statement: str, span: Span) -> list[Message]:
        return [Message.from_db(connection.alias, COLUMNS, row) for row in self._rows(statement, span)]

    def _rows(self, statement: str, span: Span) -> list[tuple[Any, ...]]:
        at, message_id = self.before
        place = {"since": span.since, "until": span.until, "before_at": at, "before_id": message_id}
        with connection.cursor() as cursor:
            cursor.execute(statement, self._values | place | {"wanted": self._wanted - len(self.found)})
            return list(cursor.fetchall())
