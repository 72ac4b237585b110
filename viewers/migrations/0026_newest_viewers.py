from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("viewers", "0025_files_are_given_up")]
    operations = [
        # A run that was broken off leaves it invalid.
        migrations.RunSQL("DROP INDEX CONCURRENTLY IF EXISTS viewertotal_newest", migrations.RunSQL.noop),
        AddIndexConcurrently(
            model_name="viewertotal",
            index=models.Index(fields=["channel", "-first_seen_at"], name="viewertotal_newest"),
        ),
    ]
