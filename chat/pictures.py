"""Pictures that stand for a page where somebody shares a link to it: a name, a few large numbers, a year.

Everything is drawn from what it is handed, with one font of our own: nothing is fetched. Each text has a width that
it is made to fit, so no name can spill over; what the font cannot write is not written.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont

from streamstats.lib import year

WIDTH, HEIGHT = 1200, 630
MARGIN = 64
FONT = Path(__file__).parent / "fonts" / "IBMPlexSans-SemiBold.ttf"
# As in static/streamstats.css.
PAPER, INK, MUTED, LINE, ACCENT = "#fbfaf7", "#1c1b1a", "#66625b", "#e6e2da", "#5b3df5"
LEVELS = ("#efece5", "#cfc6fb", "#a796f8", "#7f67f6", "#5b3df5")
CELL, STEP = 16, 20
# Quick to write, and still below 60 KB: there are few colours.
COMPRESSION = 3
# No character is in this place of Unicode, so the font shows what it shows for all it does not have.
NOTHING = "\uffff"
LONGEST = 80


class Figure(NamedTuple):
    """A number as text, and what it is of."""

    value: str
    label: str


class Card(NamedTuple):
    """What a picture says. `headline` may be hostile; `values` colour the days of the year up to `last`."""

    headline: str
    under: str
    figures: Sequence[Figure]
    values: Mapping[date, int]
    last: date
    corner: str = ""


def draw(card: Card) -> bytes:
    """A PNG of 1200 by 630, the size that link previews want."""
    image = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    pen = ImageDraw.Draw(image)
    _brand(pen, card.corner)
    _text(pen, (MARGIN, 210), card.headline, 92, WIDTH - 2 * MARGIN, INK)
    _text(pen, (MARGIN, 264), card.under, 34, WIDTH - 2 * MARGIN, MUTED)
    _figures(pen, card.figures[:4])
    _calendar(pen, card.values, card.last)
    written = BytesIO()
    image.save(written, "PNG", compress_level=COMPRESSION)
    return written.getvalue()


def can_write(text: str) -> bool:
    """Whether the font has every letter, and none is one that stacks upon another."""
    return bool(text.strip()) and all(
        character.isprintable() and not unicodedata.combining(character) and _has(character)
        for character in text[:LONGEST]
    )


def writable(*names: str) -> str:
    """The first of these names that can be written; without letters that cannot, where none can."""
    for name in names:
        if can_write(name):
            return name
    left = ("".join(filter(can_write, name)) for name in names)
    return next(filter(None, left), "somebody")


def _brand(pen: ImageDraw.ImageDraw, corner: str) -> None:
    for place, tall in enumerate((9, 14, 20, 12)):
        left = MARGIN + place * 11
        pen.rounded_rectangle((left, 92 - 2 * tall, left + 7, 92), 2, fill=ACCENT)
    _text(pen, (MARGIN + 58, 90), "StreamStats", 32, 300, INK)
    _text(pen, (WIDTH - MARGIN, 90), corner, 32, 600, MUTED, anchor="rs")


def _figures(pen: ImageDraw.ImageDraw, figures: Sequence[Figure]) -> None:
    """Numbers beside each other, all as tall as the longest allows."""
    room = (WIDTH - 2 * MARGIN) // max(len(figures), 1)
    size = min((_size(figure.value, 68, room - 24) for figure in figures), default=0)
    for place, figure in enumerate(figures):
        left = MARGIN + place * room
        _text(pen, (left, 370), figure.value, size, room - 24, INK)
        _text(pen, (left, 410), figure.label, 28, room - 24, MUTED)


def _calendar(pen: ImageDraw.ImageDraw, values: Mapping[date, int], last: date) -> None:
    first = year.first_day(last)
    limits = year.quartiles([value for day, value in values.items() if value and first <= day <= last])
    for index in range((last - first).days + 1):
        week, weekday = divmod(index, 7)
        x, y = MARGIN + week * STEP, 450 + weekday * STEP
        value = values.get(first + timedelta(days=index), 0)
        level = 1 + sum(value > limit for limit in limits) if value else 0
        pen.rectangle((x, y, x + CELL - 1, y + CELL - 1), fill=LEVELS[level])


def _text(
    pen: ImageDraw.ImageDraw, place: tuple[int, int], text: str, size: int, width: int, ink: str, anchor: str = "ls"
) -> None:
    """Write on a base line: smaller where it would be too wide, and cut where it would be too small."""
    text = "".join(filter(_is_written, text[:LONGEST]))
    fitting = max(_size(text, size, width), size // 2)
    font = _font(fitting)
    if font.getlength(text) > width:
        while text and font.getlength(f"{text}…") > width:
            text = text[:-1]
        text = f"{text.rstrip()}…"
    pen.text(place, text, font=font, fill=ink, anchor=anchor)


def _is_written(character: str) -> bool:
    return character in "  " or can_write(character)


def _size(text: str, size: int, width: int) -> int:
    """The size at which a text is at most so wide. Letters grow evenly, so one look is enough."""
    needed = _font(size).getlength(text[:LONGEST])
    return size if needed <= width else max(1, int(size * width / needed))


@lru_cache(maxsize=128)
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(FONT, size, layout_engine=ImageFont.Layout.BASIC)


@lru_cache(maxsize=4096)
def _has(character: str) -> bool:
    return character.isspace() or bytes(_font(32).getmask(character)) != _tofu()


@lru_cache(maxsize=1)
def _tofu() -> bytes:
    return bytes(_font(32).getmask(NOTHING))
