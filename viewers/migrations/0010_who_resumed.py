from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # the table may be large, and the ingest goes on

    dependencies = [
        ('viewers', '0009_what_was_chosen'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='viewer',
            index=models.Index(condition=models.Q(('resumed_at__isnull', False)), fields=['twitch_id'], name='viewer_resumed'),
        ),
    ]
