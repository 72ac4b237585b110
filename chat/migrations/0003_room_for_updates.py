"""Leave room in the pages of counters, so that raising one rewrites its page and no index (HOT)."""

from django.db import migrations

TABLES = ("chat_chatminute", "chat_emoteusage", "chat_emoteday")


class Migration(migrations.Migration):
    dependencies = [("chat", "0002_partition_messages")]
    operations = [
        migrations.RunSQL(f"ALTER TABLE {table} SET (fillfactor = 75)", f"ALTER TABLE {table} RESET (fillfactor)")
        for table in TABLES
    ]
