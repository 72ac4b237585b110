"""The log of changes says whose a row is, where its key does not."""

from django.db import migrations, models

from streams.patience import PatientMigration


class Migration(PatientMigration):
    dependencies = [("streams", "0016_audit_entries_stay")]
    operations = [
        migrations.AddField(
            model_name="change",
            name="whose",
            field=models.CharField(
                blank=True,
                db_default="",
                help_text="The viewer it is of, where the key does not say it.",
                max_length=32,
            ),
        ),
    ]
