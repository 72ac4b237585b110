from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("viewers", "0026_newest_viewers")]
    operations = [
        migrations.AlterModelOptions(
            name="listfile",
            options={"verbose_name": "file of a list", "verbose_name_plural": "files of lists"},
        ),
    ]
