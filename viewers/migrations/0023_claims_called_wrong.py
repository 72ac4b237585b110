from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("viewers", "0022_one_file_of_a_list_at_a_time")]
    operations = [
        AddIndexConcurrently(
            model_name="claim",
            index=models.Index(
                fields=["-reported_at"], condition=models.Q(reported_at__isnull=False), name="claim_called_wrong"
            ),
        ),
    ]
