"""Cells of CSV files, as spreadsheets read them."""

from datetime import date, datetime

# The last ones are the wide forms of the first, which some spreadsheets take for the same.
BEGIN_FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", *"\uff1d\uff0b\uff0d\uff20")


def cell(value: object) -> str:
    """A value as the text of a cell; moments in UTC, without a zone, for no spreadsheet reads one.

    A text that a spreadsheet would take for a formula begins with an apostrophe: what viewers write is hostile, and
    whoever opens the file would run it.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, int | float | date):
        return str(value)
    text = str(value).replace("\x00", "")
    return f"'{text}" if text.startswith(BEGIN_FORMULAS) or text.lstrip(" \u00a0").startswith(BEGIN_FORMULAS) else text
