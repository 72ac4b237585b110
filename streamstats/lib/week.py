"""The hours of a week as a heat map: a row a day, a column an hour."""

from collections.abc import Mapping
from typing import NamedTuple

from streamstats.lib.year import quartiles

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
LONG_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
CELL, GAP, LEFT, TOP = 12, 2, 30, 16
STEP = CELL + GAP
HOURS = 24
NAMED_HOURS = (0, 6, 12, 18)


class Cell(NamedTuple):
    """An hour of the week with something in it; `value` is in seconds."""

    weekday: int
    hour: int
    value: int
    level: int
    x: int
    y: int

    @property
    def when(self) -> str:
        return f"{LONG_DAYS[self.weekday]}, {_told(self.hour)}"

    @property
    def begin(self) -> str:
        return f"{LONG_DAYS[self.weekday]}, {self.hour:02}:00"


class Label(NamedTuple):
    text: str
    x: int
    y: int


class Row(NamedTuple):
    """An hour of the table, with the seconds of each weekday."""

    hour: int
    values: list[int]

    @property
    def told(self) -> str:
        return _told(self.hour)


class Week(NamedTuple):
    """Cells of hours with something in them; all others are one path, which keeps the page small."""

    width: int
    height: int
    cell: int
    cells: list[Cell]
    quiet: str
    days: list[Label]
    hours: list[Label]
    rows: list[Row]
    most: Cell | None


class Edge(NamedTuple):
    """Of an hour of the week: stretches that began in it less those that ended in it, and the same of how many
    seconds into it they did."""

    begun: int
    seconds: int


def hours(edges: Mapping[int, Edge], weeks: int) -> dict[tuple[int, int], int]:
    """Seconds by weekday and hour, from the beginnings and ends of stretches of time by hour of the week.

    `weeks` is how often any of them went past a Sunday's midnight. Whatever began and did not end covers the hour.
    """
    found, running = {}, weeks
    for hour in range(7 * HOURS):
        edge = edges.get(hour, Edge(0, 0))
        running += edge.begun
        if seconds := running * 3600 - edge.seconds:
            found[divmod(hour, HOURS)] = seconds
    return found


def draw(seconds: Mapping[tuple[int, int], int]) -> Week:
    """Draw a week from seconds by weekday (0 is Monday) and hour."""
    limits = quartiles([value for value in seconds.values() if value > 0])
    places = [(weekday, hour) for weekday in range(7) for hour in range(HOURS)]
    cells = [
        Cell(*place, value, 1 + sum(value > limit for limit in limits), *_corner(*place))
        for place in places
        if (value := seconds.get(place, 0)) > 0
    ]
    blank = [place for place in places if seconds.get(place, 0) <= 0]
    hours = [hour for hour in range(HOURS) if any(seconds.get((weekday, hour), 0) > 0 for weekday in range(7))]
    return Week(
        width=LEFT + HOURS * STEP - GAP,
        height=TOP + 7 * STEP - GAP,
        cell=CELL,
        cells=cells,
        quiet="".join("M{} {}h{c}v{c}h-{c}z".format(*_corner(*place), c=CELL) for place in blank),
        days=[Label(name, 0, TOP + row * STEP + 10) for row, name in enumerate(DAYS)],
        hours=[Label(f"{hour:02}", LEFT + hour * STEP, 10) for hour in NAMED_HOURS],
        rows=[Row(hour, [seconds.get((weekday, hour), 0) for weekday in range(7)]) for hour in hours],
        most=max(cells, key=lambda cell: cell.value, default=None),
    )


def _told(hour: int) -> str:
    return f"{hour:02}:00 to {(hour + 1) % HOURS:02}:00"


def _corner(weekday: int, hour: int) -> tuple[int, int]:
    return LEFT + hour * STEP, TOP + weekday * STEP
