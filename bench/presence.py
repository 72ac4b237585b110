"""How long a poll of very many chatters takes, beside a bare COPY of the same list."""

import time
from collections.abc import Callable
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from bench.place import installation
from bench.watchtime import Chatter

KNOWN, CHATTERS, CHURN = 1_000_000, 100_000, 5_000
EIGHT = datetime(2026, 3, 2, 20, tzinfo=UTC)
STATEMENTS = "statements of a poll"
MOST_STATEMENTS = 8

# A million people who have been here before, with names and totals.
FILL = (
    """
    INSERT INTO viewers_viewer (twitch_id, login, display_name, color, named_at, is_bot)
    SELECT 'id' || n, 'v' || n, 'V' || n, '', %(ago)s, false FROM generate_series(1, %(known)s) n
    """,
    """
    INSERT INTO viewers_viewername (viewer_id, login, display_name, first_seen_at, last_seen_at)
    SELECT 'id' || n, 'v' || n, 'V' || n, %(ago)s, %(ago)s FROM generate_series(1, %(known)s) n
    """,
    """
    INSERT INTO viewers_viewertotal
        (channel_id, viewer_id, first_seen_at, last_seen_at, messages, emotes, bits, subs, gifts, watch_seconds, points)
    SELECT %(channel)s, 'id' || n, %(ago)s, %(ago)s, n %% 50, 0, 0, 0, 0, 0, 0 FROM generate_series(1, %(known)s) n
    """,
)


def measure() -> dict[str, float]:
    with installation():
        from django.db import connection

        try:
            return _measure()
        finally:
            connection.close()


def _measure() -> dict[str, float]:
    from django.db import connection

    from streams import broadcasts
    from streams.models import Channel
    from viewers import presence

    channel = Channel.objects.create(login="stadium", twitch_id="bench-2")
    with connection.cursor() as cursor:
        for statement in FILL:
            cursor.execute(statement, {"channel": channel.pk, "known": KNOWN, "ago": EIGHT - timedelta(days=99)})
        cursor.execute("VACUUM ANALYZE")
    stream = broadcasts.went_online(channel, "stadium", EIGHT, EIGHT)
    people = [_chatter(n * (KNOWN // CHATTERS)) for n in range(1, CHATTERS + 1)]
    others = people[CHURN:] + [_chatter(n * (KNOWN // CHATTERS) + 1) for n in range(1, CHURN + 1)]

    def poll(minutes: int, chatters: list[Chatter]) -> float:
        return _seconds(lambda: presence.reconcile(stream, EIGHT + timedelta(minutes=minutes), chatters))

    first = poll(5, people)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE viewers_viewsession")  # as autovacuum does within minutes
    with _counting() as statements:
        changed = poll(10, others)
    again = [poll(minutes, others) for minutes in (15, 20, 25)]
    copied = min(_seconds(lambda: _copy(others)) for _ in range(3))
    return {
        "known viewers": KNOWN,
        "chatters": CHATTERS,
        "first poll, all of them come (s)": first,
        f"{CHURN:,} come and {CHURN:,} go (s)": changed,
        "the same poll again (s, best of 3)": min(again),
        "the same poll again (s, worst of 3)": max(again),
        "a bare COPY of the list (s)": copied,
        "the same poll again, in such COPYs": min(again) / copied,
        STATEMENTS: len(statements),
    }


def _chatter(number: int) -> Chatter:
    return Chatter(f"id{number}", f"v{number}", f"V{number}")


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


@contextmanager
def _counting() -> Any:
    """Every statement, COPY too, but not what opens and ends the transaction."""
    from django.db import connection

    from viewers import statements

    asked = [statements.COPY_PRESENT]  # goes past what Django sees

    def count(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        asked.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(count):
        yield asked


def _copy(chatters: list[Chatter]) -> None:
    from django.db import connection, transaction

    from viewers import statements

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statements.STAGE_PRESENT)
        with cursor.cursor.copy(statements.COPY_PRESENT) as copy:
            copy.set_types(["text", "text", "text"])
            for chatter in chatters:
                copy.write_row(chatter)
