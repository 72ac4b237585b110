"""Jobs: the Celery application, and when what is due."""

import os
from datetime import timedelta

from celery import Celery
from celery.schedules import crontab

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "streamstats.settings")

app = Celery("streamstats")
app.set_default()
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

app.conf.update(
    # A job is done when it is done, not when it was taken: a worker that is killed leaves it to another.
    # That is safe because running any of our jobs twice is.
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    # At a stop: this long to finish, then back into the queue.
    worker_soft_shutdown_timeout=10,
    worker_enable_soft_shutdown_on_idle=False,
)

app.conf.beat_schedule = {
    # Makes the coming months' tables and drops what is past retention, in the quietest hour.
    "keep partitions": {"task": "chat.tasks.keep_partitions", "schedule": crontab(hour=9, minute=10)},
    # Asks whether every connection still holds.
    "check grants": {"task": "streams.tasks.check_grants", "schedule": crontab(minute=25)},
    # Asks Twitch for the accounts of those who are new, or came to a stream.
    "ask for accounts": {
        "task": "viewers.tasks.ask_for_accounts",
        "schedule": timedelta(minutes=5),
        "options": {"expires": 300},
    },
    # Marks the viewers who are on our list of known bots: it may be a newer one.
    "mark bots": {"task": "viewers.tasks.mark_bots", "schedule": crontab(hour=9, minute=30)},
    # Forgets what is written of jobs that ran weeks ago.
    "forget runs": {"task": "streams.tasks.forget_runs", "schedule": crontab(hour=9, minute=40)},
}
