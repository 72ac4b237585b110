"""How Postgres goes about statements, while others wait for the transaction that they are in."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection

Execute = Callable[..., Any]


@contextmanager
def plans_after(statement: str, table: str) -> Iterator[list[str]]:
    """Plans for whatever finds rows of a table after a statement, up to the end of the transaction that it is in.

    They are those of a large table: every row is read only where no index serves.
    """
    plans: list[str] = []
    is_after = False

    def look(execute: Execute, sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal is_after
        is_after = connection.in_atomic_block and (is_after or sql == statement)
        if is_after and table in sql and "INSERT" not in sql:
            plans.append(_plan(sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(look):
        yield plans


def _plan(sql: str, params: Any) -> str:
    with connection.connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN (COSTS OFF) {sql}", params)
        plan = "\n".join(line for (line,) in cursor.fetchall())
        cursor.execute("SET LOCAL enable_seqscan = on")
    return f"{sql}\n{plan}"
