from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models.functions import Collate, Lower


class Migration(migrations.Migration):
    atomic = False  # the table may be large, and the ingest goes on

    dependencies = [
        ("viewers", "0011_days_of_a_channel"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="viewername",
            index=models.Index(
                Collate(Lower("display_name"), "C"),
                models.F("viewer"),
                condition=~models.Q(login=Lower("display_name")),
                name="viewername_displayed",
            ),
        ),
    ]
