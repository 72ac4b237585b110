from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # the table may be large, and the ingest goes on

    dependencies = [
        ("viewers", "0010_who_resumed"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="viewerday",
            index=models.Index(fields=["channel", "day"], name="viewerday_of_day"),
        ),
    ]
