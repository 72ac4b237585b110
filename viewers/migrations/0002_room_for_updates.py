"""Leave room in the pages of counters, so that raising one rewrites its page and no index (HOT)."""

from django.db import migrations

TABLES = ("viewers_viewerday", "viewers_viewertotal")


class Migration(migrations.Migration):
    dependencies = [("viewers", "0001_initial")]
    operations = [
        migrations.RunSQL(f"ALTER TABLE {table} SET (fillfactor = 75)", f"ALTER TABLE {table} RESET (fillfactor)")
        for table in TABLES
    ]
