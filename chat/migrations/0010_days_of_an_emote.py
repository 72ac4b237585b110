from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # the table may be large, and the ingest goes on

    dependencies = [
        ('chat', '0009_emote_totals'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='emoteday',
            index=models.Index(fields=['channel', 'emote', 'day'], name='emoteday_of_emote'),
        ),
    ]
