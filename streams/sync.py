"""What changed since somebody last asked: misses nothing, whoever writes meanwhile.

Triggers of the database append to a log (streams_change) in the transaction of each change: its number (xid), and which
row of which resource it was. Postgres gives numbers when transactions begin to write, but they commit in any order, so
a reader never takes the newest. It takes what is older than every transaction that still goes on (`xmin`): whatever
commits later has a number at or above that, and is there when the reader comes back with it.

The log says only that a row changed. What it is now says the row, so an entry that is told twice, or late, does no
harm. Rows of a viewer who is not shown are told to nobody, not even as deleted: that there is something new of somebody
who hid is theirs to know. That they are shown no more is told as the viewer, and whoever has a copy deletes all of it.
Of somebody who was erased the same is told, where they stood in the log, by an entry that only we can read. A list is
paged as if they stood there still, or whoever comes again with an old cursor would see who of the hidden was erased.

    cursor = begin()                                   # before the first page of a full listing is read
    ...                                                # the listing, which may take long
    with at_one_moment():
        changes = changed(channel.pk, "sessions", cursor, 200, of_viewer)   # again with changes.next until is_all
        rows = resource.find(channel, changes.keys)
        absent = resource.absent(channel, [key for key in changes.keys if key not in rows], changes.written)

See docs/decisions/sync.md. Nothing is told of transactions that are still open, so a test that looks at its own writes
needs real commits (`django_db(transaction=True)`).
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from hashlib import blake2b
from typing import Any, NamedTuple, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from django.db import connection, transaction
from django.utils.crypto import salted_hmac

from streams.models import ChangeMark
from streams.sealed import seal, unseal

VERSION = 2
PADDED_TO = 64
"""Bytes: how long a key is should not be seen."""
LONGEST = 2000
"""Letters of a cursor."""
SALT = "streams.sync"

VISIBILITY = "visibility"
"""An entry of who is shown: it stands for every row of that viewer, in every resource."""
EVERYWHERE = "*"
"""At the end of an arm: of every channel."""
ANEW = "anew"
"""An entry of what changed for everybody at once: whoever has a copy fetches all of it again. Its key is the resource,
or nothing for all of them."""
SEALED = "~"
"""The keys of entries that only we can read begin with it: behind all else of their transaction."""
EXPANDED_AT_ONCE = 6
"""Viewers whose rows are looked up for one page: each is a query. Who was erased costs none, and counts all the same: a
page is as long as it was when they had only hidden."""
ENTRIES_AT_ONCE = 64
"""Entries that are looked up together for one page."""

IS_NONE = "This cursor is not one of this list: come back with the one that its last answer gave."
IS_LATER = "This time is in the future."
TOO_OLD = "This is too long ago: what changed since then is no longer known. Fetch the whole list again."
ELSEWHERE = "What is stored here was set up or restored anew since. Fetch the whole list again."
FOR_ALL = "What this channel shows has changed for everybody since. Fetch the whole list again."


class Invalid(ValueError):
    """What somebody came back with is no cursor of this list, or no time that can be: for a 400. Says so."""


class SyncAnew(Exception):
    """What changed since then cannot be told: for a 410, and the whole list is to be fetched again. Says why."""


class Place(NamedTuple):
    """How far somebody has read: everything up to here was told. In the order of the log."""

    xid: int
    key: str = ""
    arm: str = ""
    after: str | None = None
    """Of an entry that stands for many rows: the last of them that was told; None when all were."""


class Cursor(NamedTuple):
    """Where to come back to."""

    place: Place
    database: str
    """Which database it was given out by: numbers of transactions mean nothing in another one."""

    def written(self, channel_id: int | None, resource: str) -> str:
        """As it is handed out: of use for this list alone, and nobody can read it, for it may name who is not shown.

        The same for the same place, or an answer would be another one each time.
        """
        body = json.dumps([VERSION, self.database, *self.place], separators=(",", ":")).encode()
        padded = body.ljust(-(-len(body) // PADDED_TO) * PADDED_TO)
        return urlsafe_b64encode(_box().encrypt(padded, _list(channel_id, resource))).decode().rstrip("=")

    @classmethod
    def read(cls, text: str, channel_id: int | None, resource: str) -> Self:
        """One that was handed out. Raises Invalid for anything else."""
        if len(text) > LONGEST:
            raise Invalid(IS_NONE)
        try:
            raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
            body = _box().decrypt(raw, _list(channel_id, resource))
        except (NotBase64, ValueError, InvalidTag) as error:
            raise Invalid(IS_NONE) from error
        version, database, *place = json.loads(body)
        if version != VERSION:
            raise Invalid(IS_NONE)
        return cls(Place(*place), database)


class Choice(NamedTuple):
    """What the log says of whether a viewer is shown; that itself is for the viewer's own row to say."""

    here: datetime | None = None
    """When it was written last that something was chosen for this channel alone."""
    everywhere: datetime | None = None
    """And for every channel."""


class Departure(NamedTuple):
    """That somebody is shown no more, and cannot be asked for any more: they were erased, or purged from the channel.

    It stands in the log where they were last shown, so that nobody is told of it who knew already.
    """

    viewer: str
    """Whoever has rows of theirs deletes them. Empty where nobody can have any."""
    rows: Mapping[str, Sequence[str]]
    """By resources: rows of others that named them."""
    key: str = ""
    """Of the entry that told of it, before this one: who it is, also where nobody has rows of theirs."""
    arm: str = VISIBILITY
    """And where that stood. Lists tell it there."""

    def stood(self, xid: int) -> "Place":
        return Place(xid, self.key or self.viewer, self.arm)

    def __add__(self, part: Self) -> Self:  # type: ignore[override]
        """One that was too long for one entry."""
        names = {*self.rows, *part.rows}
        rows = {name: [*self.rows.get(name, ()), *part.rows.get(name, ())] for name in names}
        return self._replace(viewer=self.viewer or part.viewer, rows=rows)

    def sealed(self) -> str:
        return seal(json.dumps(self))

    @classmethod
    def unsealed(cls, text: str) -> Self:
        """Of nobody where the key to it is lost: better untold than an erasure that cannot be kept."""
        return cls(*json.loads(found)) if (found := unseal(text)) else cls("", {})


class Written(NamedTuple):
    """What the log says beside which rows changed."""

    chosen: Mapping[str, Choice]
    """Viewers who are shown since, or no longer are."""
    whose: Mapping[str, str]
    """The viewers of rows whose keys do not say it."""
    gone: frozenset[str] = frozenset()
    """Viewers of whom everything went that had been told of them."""


class Changes(NamedTuple):
    """A page of what changed, oldest change first; each row once."""

    keys: list[str]
    """Which rows, as the resource names them. What they are now says the resource: see `Synced.absent`."""
    next: Cursor
    """To come back with: at once unless `is_all`, else later."""
    is_all: bool
    written: Written


OfViewer = Callable[[str, Choice, str, int], list[str]]
"""(viewer, choice, after, most): the keys of a channel's rows in a resource that say something else because this viewer
is shown since then, or is no more; in one order, from behind `after` ("" for the first) on."""


class Entry(NamedTuple):
    """Something the log says."""

    place: Place
    at: datetime
    """When its transaction began."""
    sealed: str = ""
    whose: str = ""

    @property
    def resource(self) -> str:
        return self.place.arm.removesuffix(EVERYWHERE)

    @property
    def keys(self) -> list[str]:
        """Which rows it names, in order. More than one only where they were taken out with somebody who was erased."""
        return _unsealed(self.sealed) if self.sealed else [self.place.key]

    @property
    def departure(self) -> Departure | None:
        """What it says of somebody whom it does not name in the clear."""
        return Departure.unsealed(self.sealed) if self.sealed and self.resource == VISIBILITY else None


class Row(NamedTuple):
    """One of the rows that an entry stands for."""

    after: str
    """Where to go on behind it."""
    key: str


Look = Callable[[Sequence[Entry], Place, int], Mapping[Place, list[Row]]]
"""(entries, start, most): the next rows of each of these entries, by their places; of the one that stands where `start`
left it, those behind it."""


class Log(NamedTuple):
    """A page of the log."""

    entries: list[Entry]
    next: Place
    is_all: bool


class Now(NamedTuple):
    """How the database stands."""

    xmin: int
    """Every transaction below this number is over."""
    database: str
    kept_from: int
    """From this number on the log is whole."""


# How far anybody may read, in which database, and from where on the log is kept.
NOW = """
SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint,
    (pg_control_system()).system_identifier, (pg_control_checkpoint()).timeline_id,
    (SELECT oid FROM pg_database WHERE datname = current_database()),
    (SELECT xid FROM streams_changemark ORDER BY at LIMIT 1)
"""

# One stretch of the log: its index gives the entries in order, those of one row in one transaction once.
_ARM = """
(
    SELECT xid, key, max(sealed) AS sealed, max(whose) AS whose, min(at) AS at, %s::text AS arm FROM streams_change
    WHERE {which} AND resource = %s AND (xid, key) >= (%s, %s) AND xid < %s
    GROUP BY xid, key ORDER BY xid, key LIMIT %s
)
"""

IN_ORDER = 'SELECT * FROM ({arms}) told ORDER BY xid, key, arm COLLATE "C" LIMIT %s'

# Who left the channel, of whole transactions: in which order it is told, only what is sealed says.
DEPARTED = """
(
    SELECT xid, at, sealed FROM streams_change
    WHERE channel_id = %(channel)s AND resource = %(resource)s AND xid = %(start)s AND xid < %(until)s
        AND key >= %(sealed)s
) UNION ALL (
    SELECT xid, at, sealed FROM streams_change
    WHERE channel_id = %(channel)s AND resource = %(resource)s AND xid > %(start)s AND xid < %(until)s
        AND key >= %(sealed)s
    ORDER BY xid FETCH FIRST (%(most)s) ROWS WITH TIES
)
ORDER BY xid
"""

IS_ANEW = """
SELECT EXISTS (
    SELECT FROM streams_change
    WHERE channel_id = %s AND resource = %s AND xid >= %s AND key IN ('', %s)
)
"""

# A copy of the database that was restored elsewhere brings numbers that nothing has had here.
MARK = """
WITH now AS (
    SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS xmin,
        pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS xmax
), foreign_marks AS (
    DELETE FROM streams_changemark known USING now WHERE known.xid > now.xmin
), foreign_changes AS (
    DELETE FROM streams_change known USING now WHERE known.xid >= now.xmax
)
INSERT INTO streams_changemark (at, xid) SELECT clock_timestamp(), xmin FROM now
"""


def begin() -> Cursor:
    """What to come back with after a full listing. Ask before its first page is read: what changes while it is read
    comes again then.
    """
    now = _now()
    return Cursor(Place(now.xmin), now.database)


def at(moment: datetime, today: datetime) -> Cursor:
    """What to come back with for everything that was committed after a moment; it is given here as `today`.

    To within a minute: a little more may be told. Raises Invalid for the future, SyncAnew for what is too long ago.
    """
    if moment > today:
        raise Invalid(IS_LATER)
    mark = ChangeMark.objects.filter(at__lte=moment).order_by("-at").first()
    if mark is None:
        raise SyncAnew(TOO_OLD)
    return Cursor(Place(mark.xid), _now().database)


def mark() -> None:
    """Note which transactions are over now, so that a time means something: called each minute."""
    with connection.cursor() as cursor:
        cursor.execute(MARK)


@contextmanager
def at_one_moment() -> Iterator[None]:
    """Read the log, and the rows that it names, as they were at one moment. Else somebody could be erased in between,
    and neither would say so. Whoever is in a transaction already sees to that.
    """
    if connection.in_atomic_block:
        yield
        return
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield


def changed(
    channel_id: int | None,
    resource: str,
    since: Cursor,
    most: int,
    of_viewer: OfViewer | None = None,
    many: Mapping[str, Look] | None = None,
) -> Changes:
    """The next rows of a resource that changed, came or went since; at most `most` of them.

    `channel_id` is None for the list of channels. With `of_viewer`, whose page is shown matters in this resource: who
    is shown again brings all of their rows. `many` has further resources of the log, whose entries stand for rows of
    this one. Where it is not all, fewer keys than `most`, even none, may have been found. Four
    queries, and one for each of a few viewers. Raises SyncAnew and Invalid.
    """
    now = _now()
    _check(channel_id, resource, since, now)
    start, many = since.place, many or {}
    names = [resource, *many]
    arms = [*((name, channel_id) for name in names), *(_who_is_shown(channel_id) if of_viewer else [])]
    enough = (min(most, ENTRIES_AT_ONCE) if many else most) + len(arms) + 1
    stretch = _stretch(arms, start, now.xmin, enough, whose_left=channel_id if of_viewer else None)
    page = Page(resource, start, most, of_viewer, stretch.departures)
    for name, look in many.items():
        page.rows |= look([entry for entry in stretch.entries if entry.resource == name], start, most + 1)
    if is_all := page.take(stretch.entries) and stretch.is_all:
        page.place = Place(now.xmin)
    cursor = Cursor(page.place, now.database)
    return Changes(list(page.keys), cursor, is_all, Written(page.chosen, page.whose, frozenset(page.gone)))


def log_of(channel_id: int, resources: Sequence[str], start: Place, most: int) -> Log:
    """What the log of a channel says of some resources from a place on: for who tells of events, and for nobody who
    copies rows. Entries of everywhere (a viewer hid from all pages) are those of every channel. One that was left
    in the middle, with `start.after`, comes again.
    """
    now = _now()
    arms = [(resource, channel) for resource in resources for channel in (channel_id, None)]
    entries = _entries(arms, start, now.xmin, most + len(arms))
    new = [entry for entry in entries if _is_after(entry, start)]
    is_all = len(entries) < most + len(arms) and len(new) <= most
    return Log(new[:most], Place(now.xmin) if is_all else new[:most][-1].place, is_all)


def _who_is_shown(channel_id: int | None) -> list[tuple[str, int | None]]:
    return [(VISIBILITY, channel_id), (VISIBILITY, None)]


def _is_after(entry: Entry, place: Place) -> bool:
    """Whether something of it is still to be told."""
    return _position(entry) > place[:3] or (_position(entry) == place[:3] and place.after is not None)


def _position(entry: Entry) -> tuple[int, str, str]:
    return entry.place[:3]


class Page:
    """A page of changes while it is filled: `take` goes on from where the last one ended."""

    def __init__(
        self,
        resource: str,
        start: Place,
        most: int,
        of_viewer: OfViewer | None,
        departures: Mapping[Place, Departure],
    ) -> None:
        self.keys: dict[str, None] = {}
        self.chosen: dict[str, Choice] = {}
        self.whose: dict[str, str] = {}
        self.gone: set[str] = set()
        self.rows: dict[Place, list[Row]] = {}
        self.place = start
        self._resource = resource
        self._most = most
        self._of_viewer = of_viewer
        self._departures = departures
        self._expanded = 0

    def take(self, entries: Sequence[Entry]) -> bool:
        """Fill it with entries in order; whether all of them had room."""
        return all(self._is_told(entry) or self._take(entry) for entry in entries)

    def _is_told(self, entry: Entry) -> bool:
        return not _is_after(entry, self.place)

    def _take(self, entry: Entry) -> bool:
        if (room := self._most - len(self.keys)) <= 0:
            return False
        after = (self.place.after or "") if _position(entry) == self.place[:3] else ""
        rows = self._rows_of(entry, after, room)
        if rows is None:
            return False
        told = [row.key for row in rows[:room]]
        self.keys |= dict.fromkeys(told)
        if entry.whose:
            self.whose |= dict.fromkeys(told, entry.whose)
        are_all = len(rows) <= room
        self.place = entry.place._replace(after=None if are_all else rows[room - 1].after)
        return are_all

    def _rows_of(self, entry: Entry, after: str, room: int) -> list[Row] | None:
        """The next rows that an entry stands for, one more than there is room for; None where it has to wait."""
        if entry.place in self.rows:
            return self.rows[entry.place]
        if entry.resource != VISIBILITY:
            return [Row(key, key) for key in entry.keys if key > after]
        if self._of_viewer is None or self._expanded == EXPANDED_AT_ONCE:
            return None
        self._expanded += 1
        if departure := self._departures.get(entry.place):
            self.gone |= {departure.viewer} - {""}
            return [Row(key, key) for key in sorted(departure.rows.get(self._resource, ())) if key > after]
        note_choice(self.chosen, entry)
        return [Row(key, key) for key in self._of_viewer(entry.place.key, _choice(entry), after, room + 1)]


def note_choice(chosen: dict[str, Choice], entry: Entry) -> None:
    """Add what an entry says of who is shown to what is known of it."""
    key, new = entry.place.key, _choice(entry)
    known = chosen.get(key, new)
    chosen[key] = Choice(_later(known.here, new.here), _later(known.everywhere, new.everywhere))


def _choice(entry: Entry) -> Choice:
    return Choice(everywhere=entry.at) if entry.place.arm.endswith(EVERYWHERE) else Choice(here=entry.at)


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max(filter(None, (one, other)), default=None)


def _unsealed(sealed: str) -> list[str]:
    """None where the key to them is lost: better untold than an erasure that cannot be kept."""
    text = unseal(sealed)
    return sorted(json.loads(text)) if text else []


class Stretch(NamedTuple):
    """What the log has for a page of a list."""

    entries: list[Entry]
    departures: Mapping[Place, Departure]
    """Those of the entries that tell that somebody left."""
    is_all: bool


def _stretch(
    arms: Sequence[tuple[str, int | None]], start: Place, until: int, most: int, whose_left: int | None
) -> Stretch:
    """What is still to be told from a place on, at most `most` entries; who left that channel where they hid."""
    enough = most + len(arms)  # up to one in each stretch stands where it was left
    entries = _entries(arms, start, until, enough, with_departures=False)
    end: tuple[int, str, str] = (until, "", "")
    if is_more := len(entries) == enough:
        end = _position(entries[-1])
        until = end[0] + 1
    found = {entry.place: entry for entry in entries}
    departures: dict[Place, Departure] = {}
    if whose_left is not None:
        left = _left(whose_left, start, until, enough)
        if sum(each.place.xid > start.xid for each in left) >= enough:
            is_more, end = True, min(end, (left[-1].place.xid + 1, "", ""))
        for entry in left:
            departure = Departure.unsealed(entry.sealed)
            place = departure.stood(entry.place.xid)
            known = departures.get(place)
            departures[place] = known + departure if known else departure
            # Who was purged, and hid everywhere, has an entry of that in the clear: it is the same.
            found[place] = Entry(place, entry.at)
    new = sorted((each for each in found.values() if _is_after(each, start) and _position(each) <= end), key=_position)
    return Stretch(new[:most], departures, not is_more and len(new) <= most)


def _left(channel_id: int, start: Place, until: int, most: int) -> list[Entry]:
    """Who left a channel, from the transaction on in which a place is: of each transaction all."""
    values: dict[str, Any] = {"channel": channel_id, "resource": VISIBILITY, "sealed": SEALED}
    with connection.cursor() as cursor:
        cursor.execute(DEPARTED, values | {"start": start.xid, "until": until, "most": most})
        return [Entry(Place(xid), at, sealed) for xid, at, sealed in cursor.fetchall()]


def _entries(
    arms: Iterable[tuple[str, int | None]], start: Place, until: int, most: int, *, with_departures: bool = True
) -> list[Entry]:
    """The next entries of some resources, each of a channel or of everywhere, from a place on, in order.

    Those that stand at the place itself are among them.
    """
    selects: list[str] = []
    values: list[Any] = []
    for resource, channel in arms:
        which = "channel_id IS NULL" if channel is None else "channel_id = %s"
        if resource == VISIBILITY and not with_departures:
            which += f" AND key < '{SEALED}'"
        selects.append(_ARM.format(which=which))
        values += [f"{resource}{EVERYWHERE}" if channel is None else resource, *([] if channel is None else [channel])]
        values += [resource, start.xid, start.key, until, most]
    with connection.cursor() as cursor:
        cursor.execute(IN_ORDER.format(arms=" UNION ALL ".join(selects)), [*values, most])
        return [
            Entry(Place(xid, key, arm), at, sealed, whose) for xid, key, sealed, whose, at, arm in cursor.fetchall()
        ]


def _now() -> Now:
    with connection.cursor() as cursor:
        cursor.execute(NOW)
        xmin, system, timeline, database, kept_from = cursor.fetchone()
    name = blake2b(f"{system} {timeline} {database}".encode(), digest_size=6).hexdigest()
    return Now(xmin, name, kept_from or 0)


def check(channel_id: int | None, resource: str, since: Cursor) -> None:
    """Raise SyncAnew where what changed since then cannot be told, and Invalid where nothing can have."""
    _check(channel_id, resource, since, _now())


def _check(channel_id: int | None, resource: str, since: Cursor, now: Now) -> None:
    if since.database != now.database:
        raise SyncAnew(ELSEWHERE)
    if since.place.xid > now.xmin:
        raise Invalid(IS_NONE)
    if since.place.xid < now.kept_from:
        raise SyncAnew(TOO_OLD)
    if channel_id is not None:
        with connection.cursor() as cursor:
            cursor.execute(IS_ANEW, [channel_id, ANEW, since.place.xid, resource])
            if cursor.fetchone()[0]:
                raise SyncAnew(FOR_ALL)


def _box() -> AESSIV:
    return AESSIV(salted_hmac(SALT, "", algorithm="sha512").digest())


def _list(channel_id: int | None, resource: str) -> list[bytes]:
    return [f"{channel_id} {resource}".encode()]
