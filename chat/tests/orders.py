"""Lines of chat and notifications of EventSub, stored in every order."""

from collections.abc import Iterator, Sequence
from itertools import islice, permutations

from django.db import connection

from chat.ingest.batch import Line
from chat.ingest.store import Store
from chat.tests.lines import read
from chat.tests.tables import Row, counted_again, counters, everything

TABLES = (
    *("chat_message", "chat_chatevent", "chat_moderationevent", "chat_redemption", "chat_reward", "chat_chatminute"),
    *("viewers_viewerday", "viewers_viewertotal", "viewers_viewername", "viewers_viewer"),
    *("streams_channelday", "streams_channeltotal"),
)


def mixed(*raws: bytes) -> list[Line]:
    """Read lines as the writer does, each as what it is."""
    lines = [read(raw, kind="eventsub" if raw[:1] == b"{" else "irc", source=str(n)) for n, raw in enumerate(raws)]
    return [line for of_raw in lines for line in of_raw]


def write(*batches: Sequence[bytes]) -> None:
    store = Store()
    for batch in batches:
        store.write(mixed(*batch))


def forget_all() -> None:
    """As if nothing had been written, but for the channels."""
    with connection.cursor() as cursor:
        cursor.execute("; ".join(f"DELETE FROM {table}" for table in TABLES))


def orders(*parts: bytes | list[bytes]) -> Iterator[None]:
    """Store parts one by one in every order, and all at once; each time it must come to the same.

    Of the orders of four parts every third is taken.
    """
    known: dict[str, list[Row]] = {}
    store = Store()
    batches = [[part] if isinstance(part, bytes) else part for part in parts]
    at_once = [[line for batch in batches for line in batch]]
    for order in [at_once, *islice(permutations(batches), 0, None, 1 if len(parts) < 4 else 3)]:
        forget_all()
        for batch in order:
            store.write(mixed(*batch))
        found = everything()
        # Only chat tells colours, and those of the latest telling stand.
        found["viewers"] = [row[:-1] for row in found["viewers"]]
        assert counters() == counted_again(), order
        differing = {name: (rows, known[name]) for name, rows in found.items() if rows != known.get(name, rows)}
        assert not differing, (order, differing)
        known = found
        yield
