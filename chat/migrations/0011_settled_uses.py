from django.db import migrations, models

SETTLED_BEFORE = models.DateField(
    blank=True, editable=False, help_text="Of earlier days `settled_uses` is the sum.", null=True
)
SETTLED_USES = models.PositiveBigIntegerField(db_default=0, default=0, editable=False)


class Migration(migrations.Migration):
    dependencies = [
        ("chat", "0010_days_of_an_emote"),
    ]

    operations = [
        migrations.AddField(model_name="emotetotal", name="settled_before", field=SETTLED_BEFORE),
        migrations.AddField(model_name="emotetotal", name="settled_uses", field=SETTLED_USES),
        migrations.AddField(model_name="vieweremote", name="settled_before", field=SETTLED_BEFORE),
        migrations.AddField(model_name="vieweremote", name="settled_uses", field=SETTLED_USES),
        # Nothing is in it yet.
        migrations.AlterField(model_name="vieweremote", name="uses", field=models.PositiveBigIntegerField(default=0)),
    ]
