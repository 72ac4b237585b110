"""An index of the messages that were removed: made month by month, so that nobody who writes waits for it."""

from django.db import migrations, models

from streams.patience import patiently

INDEX = "message_removed"
MAKE = f"CREATE INDEX IF NOT EXISTS {INDEX} ON ONLY chat_message (channel_id, sent_at) WHERE removed_at IS NOT NULL"
# Months that were made since the table has this index have it as well, by a name that Postgres gave.
MONTHS_WITHOUT = f"""
SELECT month.inhrelid::regclass::text FROM pg_inherits month
WHERE month.inhparent = 'chat_message'::regclass AND NOT EXISTS (
    SELECT FROM pg_index JOIN pg_inherits attached ON attached.inhrelid = pg_index.indexrelid
    WHERE pg_index.indrelid = month.inhrelid AND attached.inhparent = '{INDEX}'::regclass
)
ORDER BY 1
"""


def make(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        patiently(schema_editor, lambda: cursor.execute(MAKE))
        cursor.execute(MONTHS_WITHOUT)
        for (table,) in cursor.fetchall():
            name = f"{table}_removed"
            cursor.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", [name])
            found = cursor.fetchone()
            if found and not found[0]:  # a run that was broken off left it
                cursor.execute(f"DROP INDEX CONCURRENTLY {name}")
            if not found or not found[0]:
                cursor.execute(
                    f"CREATE INDEX CONCURRENTLY {name} ON {table} (channel_id, sent_at) WHERE removed_at IS NOT NULL"
                )
            attach = f"ALTER INDEX {INDEX} ATTACH PARTITION {name}"
            patiently(schema_editor, lambda attach=attach: cursor.execute(attach))


def drop(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        patiently(schema_editor, lambda: cursor.execute(f"DROP INDEX IF EXISTS {INDEX}"))


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("chat", "0015_synced_messages")]
    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunPython(make, drop)],
            state_operations=[
                migrations.AddIndex(
                    model_name="message",
                    index=models.Index(
                        condition=models.Q(removed_at__isnull=False),
                        fields=["channel", "sent_at"],
                        name=INDEX,
                    ),
                ),
            ],
        ),
    ]
