"""The last weeks as a row of small bars."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import NamedTuple

STEP, BAR, HEIGHT = 6, 4, 28


class Bar(NamedTuple):
    day: date
    value: int
    x: int
    y: float
    height: float


class Month(NamedTuple):
    width: int
    height: int
    step: int
    bar: int
    bars: list[Bar]

    @property
    def shape(self) -> str:
        """All days with something in them as one path: a page has a hundred of these pictures."""
        return "".join(
            f"M{bar.x},{self.height}v-{bar.height:g}h{self.bar}v{bar.height:g}z" for bar in self.bars if bar.value
        )

    @property
    def quiet(self) -> str:
        return "".join(f"M{bar.x},{self.height}v-1h{self.bar}v1z" for bar in self.bars if not bar.value)

    @property
    def highest(self) -> Bar:
        return max(self.bars, key=lambda bar: bar.value)


def draw(values: Mapping[date, int], last: date, days: int) -> Month:
    """One bar a day up to `last`; the highest fills the picture, and a day with anything in it is seen."""
    shown = [last - timedelta(days=days - 1 - index) for index in range(days)]
    highest = max((values.get(day, 0) for day in shown), default=0) or 1
    bars = []
    for index, day in enumerate(shown):
        value = values.get(day, 0)
        height = max(2.0, round(value / highest * HEIGHT, 1)) if value else 0.0
        bars.append(Bar(day, value, index * STEP, HEIGHT - height, height))
    return Month(days * STEP, HEIGHT, STEP, BAR, bars)
