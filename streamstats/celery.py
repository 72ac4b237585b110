"""Jobs: the Celery application, and when what is due."""

import os

from celery import Celery
from celery.schedules import crontab

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "streamstats.settings")

app = Celery("streamstats")
app.set_default()
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

app.conf.beat_schedule = {
    # Makes the coming months' tables and drops what is past retention. Early, to be done before the day's chat.
    "keep partitions": {"task": "chat.tasks.keep_partitions", "schedule": crontab(hour=3, minute=10)},
}
