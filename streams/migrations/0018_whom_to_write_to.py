from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("streams", "0017_whose_row_was_deleted"),
    ]

    operations = [
        migrations.AddField(
            model_name="apikey",
            name="mail",
            field=models.EmailField(
                blank=True,
                db_default="",
                default="",
                help_text="Who is told when most of a day's requests are used. Empty: whoever runs this site is told.",
                max_length=254,
                verbose_name="mail address",
            ),
        ),
        migrations.AddField(
            model_name="webhook",
            name="mail",
            field=models.EmailField(
                blank=True,
                db_default="",
                default="",
                help_text="Who is told when it is given up. Empty: whoever runs this site is told.",
                max_length=254,
                verbose_name="mail address",
            ),
        ),
    ]
