from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("viewers", "0024_who_was_shown"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveConstraint(model_name="listfile", name="listfile_one_open"),
        migrations.AddField(
            model_name="listfile",
            name="tries",
            field=models.PositiveSmallIntegerField(db_default=0, default=0, help_text="How often it was begun."),
        ),
        migrations.AddConstraint(
            model_name="listfile",
            constraint=models.UniqueConstraint(
                condition=models.Q(
                    ("state__in", ("waiting", "running")),
                    models.Q(("state", "failed"), ("tries__lt", 3)),
                    _connector="OR",
                ),
                fields=("asked_by",),
                name="listfile_one_open",
            ),
        ),
    ]
