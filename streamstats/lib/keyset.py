"""The place where the next page of a list begins: what the last row is sorted by, then its id."""

from typing import NamedTuple, Self
from unicodedata import category

# Control characters, and halves of characters: no name has them, and the database takes neither.
NO_TEXT = {"Cc", "Cs"}


class Place(NamedTuple):
    value: str
    id: str

    @classmethod
    def read(cls, text: str) -> Self:
        """Read what `str` wrote; ValueError where somebody made it up."""
        value, dash, row_id = text.rpartition("-")
        if not (dash and value and row_id) or len(text) > 150 or any(category(each) in NO_TEXT for each in text):
            raise ValueError("not a place in a list")
        return cls(value, row_id)

    def number(self) -> int:
        """The value as a number that fits a bigint column; ValueError where it is none."""
        if not (self.value.isascii() and self.value.isdigit() and len(self.value) <= 18):
            raise ValueError("not a number")
        return int(self.value)

    def __str__(self) -> str:
        return f"{self.value}-{self.id}"
