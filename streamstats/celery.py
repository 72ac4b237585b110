"""Jobs: the Celery application, and when what is due."""

import os
from datetime import timedelta
from typing import Any

from celery import Celery
from celery.schedules import crontab

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "streamstats.settings")

app = Celery("streamstats")
app.set_default()
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

# What watch time hangs on waits for no long job: it has a queue and a worker of its own. What is in it must be short.
POLLS = "polls"
MUST_NOT_WAIT = (
    "chat.tasks.poll_streams",
    "chat.tasks.poll_chatters",
    "chat.tasks.poll_channel",
    "streams.tasks.check_grants",
)

# What takes up to an hour for somebody who does not sit in front of it. All else is short, and does not wait for it.
LONG = "long"
TAKES_LONG = (
    "chat.tasks.purge_channel",
    "chat.tasks.write_list",
    "chat.tasks.export_account",
    "chat.tasks.erase_accounts",
    "chat.tasks.index_words",
    "chat.tasks.keep_partitions",
    "chat.tasks.read_catalogue",
    "chat.tasks.read_channel_bots",
    "streams.tasks.forget_changes",
)

# A language model may take a minute to answer, and nothing else is to wait for that.
SUMMARIES = "summaries"
WAITS_FOR_OTHERS = ("chat.tasks.write_summary",)

# Webhooks are sent all the time: one job goes on for a minute, and the next is there when it ends. So its worker does
# one at a time.
WEBHOOKS = "webhooks"
GOES_ON = ("streams.tasks.tell_webhooks",)

app.conf.update(
    task_routes={
        **{task: {"queue": POLLS} for task in MUST_NOT_WAIT},
        **{task: {"queue": LONG} for task in TAKES_LONG},
        **{task: {"queue": SUMMARIES} for task in WAITS_FOR_OTHERS},
        **{task: {"queue": WEBHOOKS} for task in GOES_ON},
    },
    # A job is done when it is done, not when it was taken: a worker that is killed leaves it to another.
    # That is safe because running any of our jobs twice is.
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    # At a stop: this long to finish, then back into the queue.
    worker_soft_shutdown_timeout=10,
    worker_enable_soft_shutdown_on_idle=False,
)


def every(minutes: int, task: str) -> dict[str, Any]:
    """What comes again soon is not worth doing late: a worker that was away finds no pile of it."""
    span = timedelta(minutes=minutes)
    return {"task": task, "schedule": span, "options": {"expires": span.total_seconds()}}


def daily(at: str, task: str) -> dict[str, Any]:
    """At an hour UTC when most of the world is not on air."""
    hour, minute = at.split(":")
    return {"task": task, "schedule": crontab(hour=hour, minute=minute)}


app.conf.beat_schedule = {
    # Asks which channels are live, for what nobody told us.
    "poll streams": every(1, "chat.tasks.poll_streams"),
    # Asks who is in the chats of live channels, each every few minutes: see PRESENCE_MINUTES.
    "poll chatters": every(1, "chat.tasks.poll_chatters"),
    # Counts streams that are live, and those about which something came late.
    "count streams": every(5, "chat.tasks.count_streams"),
    # Folds what was counted of viewers since into places.
    "rank": every(5, "chat.tasks.rank"),
    # Begins the summaries that are due, as many as channels have in a minute.
    "give out summaries": every(1, "chat.tasks.give_out_summaries"),
    # Tells addresses that owners chose of what happens, and goes on with it until the next comes.
    "tell webhooks": every(1, "streams.tasks.tell_webhooks"),
    # Writes down what keys of the API were used for.
    "store API requests": every(1, "streams.tasks.store_api_requests"),
    # Asks Twitch for the accounts of those who are new, or came to a stream.
    "ask for accounts": every(5, "viewers.tasks.ask_for_accounts"),
    # Asks who moderates the channels that were just connected, and all others once a day.
    "read moderators": every(1, "chat.tasks.read_moderators"),
    # Reads the emotes, badges and cheers of channels that are new.
    "read new catalogues": every(5, "chat.tasks.read_new_catalogues"),
    # Writes the exports that were asked for, where that did not begin at once.
    "export unfinished": every(10, "chat.tasks.export_unfinished"),
    # Erases accounts where that did not begin at once, failed, or waits for lines that are still on their way.
    "erase accounts": every(5, "chat.tasks.erase_accounts"),
    # Writes the files of lists that were asked for, where that did not begin at once.
    "lists unfinished": every(10, "chat.tasks.lists_unfinished"),
    # Goes on with purges that were stopped.
    "purge unfinished": every(5, "chat.tasks.purge_unfinished"),
    # Notes how far the log of changes is whole, so that a time means something to who asks what changed since.
    "mark changes": every(1, "streams.tasks.mark_changes"),
    # Forgets changes that later ones repeat.
    "thin changes": {"task": "streams.tasks.thin_changes", "schedule": crontab(minute=50)},
    # Forgets changes that nobody may come back for any more.
    "forget changes": daily("8:30", "streams.tasks.forget_changes"),
    # Asks whether every connection still holds, as Twitch demands of whoever keeps tokens.
    "check grants": {"task": "streams.tasks.check_grants", "schedule": crontab(minute=25)},
    # Makes the indexes of words that searches are quick by, soon after midnight: what was said since is read through.
    "index words": daily("0:20", "chat.tasks.index_words"),
    # Makes the coming months' tables and drops what is past retention.
    "keep partitions": daily("9:10", "chat.tasks.keep_partitions"),
    # Reads Twitch's own emotes, badges and cheers again.
    "read catalogue": daily("9:20", "chat.tasks.read_catalogue"),
    # Marks the viewers who are on our list of known bots: it may be a newer one.
    "mark bots": daily("9:30", "viewers.tasks.mark_bots"),
    # Marks those whom channels name as their bots.
    "read channel bots": daily("9:35", "chat.tasks.read_channel_bots"),
    # Deletes the files of old exports.
    "forget exports": daily("9:45", "chat.tasks.forget_exports"),
    # Deletes the files of old lists.
    "forget lists": daily("9:55", "chat.tasks.forget_lists"),
    # Forgets who began to log in and did not, and sessions that are over.
    "forget logins": daily("9:50", "viewers.tasks.forget_logins"),
    # Forgets what webhooks were told weeks ago.
    "forget deliveries": daily("9:55", "streams.tasks.forget_deliveries"),
    # Forgets what keys of the API were used for weeks ago.
    "forget API requests": daily("9:57", "streams.tasks.forget_api_requests"),
    # Forgets what is written of jobs that ran weeks ago.
    "forget runs": daily("9:40", "streams.tasks.forget_runs"),
}
