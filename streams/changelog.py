"""The SQL of the triggers that write the log of changes: see streams/sync.py. Migrations make them.

A migration that is out must go on doing the same: what these functions give is not changed, another one is added.

Statements are looked at, not rows: a fold of a hundred thousand places is one INSERT more. What a row says, and whether
that is another than before, is found by EXCEPT and not by a join, since Postgres plans a trigger once, by whatever
number of rows it sees first, and a join planned for one row never ends with a hundred thousand.
"""

from collections.abc import Mapping, Sequence

from django.db.migrations import RunSQL

LOG = "INSERT INTO streams_change (channel_id, resource, key)"

_STATEMENT = """
CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        {inserted}
    ELSIF TG_OP = 'DELETE' THEN
        {deleted}
    ELSE
        {updated}
    END IF;
    RETURN NULL;
END $$;
"""
_TRIGGERS = {
    "INSERT": "REFERENCING NEW TABLE AS new_rows",
    "UPDATE": "REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows",
    "DELETE": "REFERENCING OLD TABLE AS old_rows",
}


def follow(
    table: str,
    resource: str,
    key: str,
    shown: Sequence[str],
    *,
    channel: str = "changed.channel_id",
    join: str = "",
    where: str = "true",
    on: Sequence[str] = tuple(_TRIGGERS),
) -> RunSQL:
    """Log rows of a table that come, go, or say something else in one of the `shown` columns.

    `key`, `channel`, `join` and `where` are SQL about the row `changed`.
    """
    columns = ", ".join(shown)
    log = f"{LOG} SELECT DISTINCT {channel}, '{resource}', {key} FROM {{rows}} changed {join} WHERE {where};"
    updated = f"(SELECT {columns} FROM new_rows EXCEPT SELECT {columns} FROM old_rows)"
    statements = {
        "inserted": log.format(rows="new_rows"),
        "deleted": log.format(rows="old_rows"),
        "updated": log.format(rows=updated),
    }
    return statement_triggers(table, f"log_{table}", on, **statements)


def statement_triggers(
    table: str, name: str, on: Sequence[str], *, inserted: str = "NULL;", updated: str = "NULL;", deleted: str = "NULL;"
) -> RunSQL:
    """Triggers that run these statements after an INSERT, UPDATE or DELETE, on `new_rows` and `old_rows`."""
    function = _STATEMENT.format(name=name, inserted=inserted, updated=updated, deleted=deleted)
    make = (
        f"CREATE TRIGGER {name}_{event.lower()} AFTER {event} ON {table} {_TRIGGERS[event]}"
        f" FOR EACH STATEMENT EXECUTE FUNCTION {name}();"
        for event in on
    )
    drop = (f"DROP TRIGGER {name}_{event.lower()} ON {table};" for event in on)
    return RunSQL("\n".join([function, *make]), "\n".join([*drop, f"DROP FUNCTION {name}();"]))


def follow_updates(table: str, name: str, columns: Sequence[str], log: str) -> RunSQL:
    """Run statements about the rows OLD and NEW where one of these columns changed: for tables that are updated often
    in what nobody is shown. Rows in which none did cost a comparison.
    """
    changed = " OR ".join(f"OLD.{column} IS DISTINCT FROM NEW.{column}" for column in columns)
    return RunSQL(
        f"""
CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    {log}
    RETURN NULL;
END $$;
CREATE TRIGGER {name} AFTER UPDATE OF {", ".join(columns)} ON {table} FOR EACH ROW WHEN ({changed})
    EXECUTE FUNCTION {name}();
""",
        f"DROP TRIGGER {name} ON {table}; DROP FUNCTION {name}();",
    )


def replaced_by(name: str, statements: Mapping[str, str], before: Mapping[str, str]) -> RunSQL:
    """Let the triggers of a function that `statement_triggers` made do something else; `before` is what they did."""
    anew = _STATEMENT.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
    return RunSQL(anew.format(name=name, **statements), anew.format(name=name, **before))


def tell_whose(table: str, resource: str, shown: Sequence[str]) -> RunSQL:
    """Log also whose a row is. For a table that was followed with these columns, has an `id`, and a viewer or none."""
    log = f"""INSERT INTO streams_change (channel_id, resource, key, whose)
    SELECT DISTINCT changed.channel_id, '{resource}', changed.id, coalesce(changed.viewer_id, '')
    FROM {{rows}} changed;"""
    was = f"{LOG} SELECT DISTINCT changed.channel_id, '{resource}', changed.id FROM {{rows}} changed;"
    columns = ", ".join(shown)
    rows = {
        "inserted": "new_rows",
        "updated": f"(SELECT {columns} FROM new_rows EXCEPT SELECT {columns} FROM old_rows)",
        "deleted": "old_rows",
    }
    anew = {on: log.format(rows=each) for on, each in rows.items()}
    before = {on: was.format(rows=each) for on, each in rows.items()}
    return replaced_by(f"log_{table}", anew, before)
