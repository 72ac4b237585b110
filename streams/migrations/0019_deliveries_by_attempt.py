from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("streams", "0018_whom_to_write_to")]
    operations = [
        # A run that was broken off leaves it invalid.
        migrations.RunSQL("DROP INDEX CONCURRENTLY IF EXISTS delivery_by_attempt", migrations.RunSQL.noop),
        AddIndexConcurrently(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("tried_at__isnull", False)), fields=["tried_at"], name="delivery_by_attempt"
            ),
        ),
    ]
