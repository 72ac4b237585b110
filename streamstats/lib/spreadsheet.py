"""Cells of CSV files, as spreadsheets read them."""

import re
from datetime import date, datetime

# The last ones are the wide forms of the first, which some spreadsheets take for the same.
SIGNS = "=+\\-@\uff1d\uff0b\uff0d\uff20"
# Where the language of the computer writes a half with a comma, Excel parts cells at semicolons, and heeds no quotation
# marks in the middle of one: then a line may end there, and a cell begin, wherever it can within a text.
BEGINS = re.compile(rf'^(?=[ \u00a0]*[\t\r\n])|(?:^|[;\t\r\n])(?=[ \u00a0"]*[{SIGNS}])')


def cell(value: object) -> str:
    """A value as the text of a cell; moments in UTC, without a zone, for no spreadsheet reads one.

    What a spreadsheet would take for a formula has an apostrophe before it, wherever in a text a cell might begin: what
    viewers write is hostile, and whoever opens the file would run it.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, int | float | date):
        return str(value)
    return BEGINS.sub(r"\g<0>'", str(value).replace("\x00", ""))
