"""Locks that are not of rows: each has a number of its own, said in one place."""

import re
from pathlib import Path

from django.conf import settings

from streams import locks

FIRST = 7308332
NUMBERS = [value for name, value in vars(locks).items() if name.isupper() and isinstance(value, int) and value >= FIRST]
IN_SQL = re.compile(r"advisory\w*\(\s*\d")


def test_no_two_locks_share_a_number():
    assert len(NUMBERS) == len(set(NUMBERS)) >= 6


def test_no_lock_has_its_number_anywhere_else():
    parts = ("streams", "viewers", "chat", "streamstats")
    sources = [path for part in parts for path in Path(settings.BASE_DIR, part).rglob("*.py")]
    assert len(sources) > 200
    texts = {path: path.read_text() for path in sources if path.name != "locks.py" and path != Path(__file__)}
    assert [path.name for path, text in texts.items() if IN_SQL.search(text)] == []
    assert [path.name for path, text in texts.items() if any(str(number) in text for number in NUMBERS)] == []
