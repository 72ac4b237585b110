from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # the table may be large, and the ingest goes on

    dependencies = [
        ("chat", "0011_settled_uses"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="emoteusage",
            index=models.Index(fields=["channel", "day"], name="emoteusage_of_day"),
        ),
    ]
