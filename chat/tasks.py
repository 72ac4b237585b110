"""Jobs of chat. The timetable is in `streamstats/celery.py`."""

from datetime import UTC, datetime
from typing import Any

from celery import current_app

from chat import (
    catalogue,
    channelbots,
    erasure,
    export,
    listfiles,
    moderators,
    partitions,
    presence,
    purge,
    standings,
    streamnumbers,
    streampolls,
    wordindex,
)
from chat.retention import expire
from streams.grants import app_token
from streams.jobs import job
from streams.models import Stream
from streams.quickredis import quick_redis
from viewers.models import Summary
from viewers.presence import settle


@job(at_most_s=3000)
def keep_partitions() -> str:
    """Make the coming months, and forget what is past retention."""
    now = datetime.now(UTC)
    made = partitions.make(partitions.coming(now))
    expired = expire(now)
    busy = len(made.busy) + len(expired.busy)
    return (
        f"{len(made.done)} months made, {len(expired.months)} dropped, {busy} left for the next time; "
        f"{expired.messages:,} messages past retention deleted"
    )


@job(at_most_s=3000)
def index_words() -> str:
    """Index the words of what was said until last midnight."""
    return f"{wordindex.make(datetime.now(UTC)):,} indexes made"


@job(at_most_s=50)
def poll_streams() -> str:
    """Ask which channels are live."""
    return streampolls.poll(datetime.now(UTC))


@job(at_most_s=280)
def count_streams() -> str:
    """Count the numbers of streams that are live or ended lately."""
    return streamnumbers.count_due(datetime.now(UTC))


@job(at_most_s=1500)
def rank() -> str:
    """Fold what has changed into places."""
    return standings.rank()


@job(at_most_s=50)
def poll_chatters() -> str:
    """Have it asked who is in the chats of live channels, wherever that is due."""
    settle(presence.unsettled())
    due = presence.due(datetime.now(UTC))
    for stream in due:
        poll_channel.delay(stream.pk)
    return f"{len(due):,} due"


@job(at_most_s=240, lock_key=lambda stream_id: stream_id)
def poll_channel(stream_id: str) -> str:
    """Ask who is in the chat of one stream, unless somebody just did."""
    now = datetime.now(UTC)
    stream = Stream.objects.live().select_related("channel").filter(pk=stream_id).first()
    if stream is None or not presence.is_due(stream, now):
        return "not due any more"
    return f"{stream.channel}: {presence.poll(stream, now)}"


@job(at_most_s=280)
def read_moderators() -> str:
    """Ask who moderates, where a channel was just connected or a day went by since."""
    return moderators.read_due(datetime.now(UTC))


@job(at_most_s=3000)
def read_catalogue() -> str:
    """Read Twitch's own emotes, badges and cheers, of everywhere and of every channel."""
    return str(catalogue.read_all(app_token()))


@job(at_most_s=250)
def read_new_catalogues() -> str:
    """Read them for channels that came since."""
    return str(catalogue.read_new(app_token))


@job(at_most_s=3000)
def read_channel_bots() -> str:
    """Mark the bots that channels name at BetterTTV."""
    return channelbots.mark_bots_of_channels()


@job(at_most_s=3000, lock_key=lambda export_id: export_id)
def export_account(export_id: int) -> str:
    """Write everything about a viewer into a file for them."""
    return export.make(export_id)


@job(at_most_s=280)
def export_unfinished() -> str:
    """Begin the exports again that nobody begins: the queue was away when they were asked for, or something failed."""
    return _begin(export_account, export.unfinished())


@job(at_most_s=600)
def forget_exports() -> str:
    """Delete exports that are a week old, with their files."""
    return f"{export.forget(datetime.now(UTC)):,} forgotten"


@job(at_most_s=3000)
def erase_accounts() -> str:
    """Erase whoever asked for it, from where it stopped."""
    return erasure.erase_all()


@job(at_most_s=3000, lock_key=lambda file_id: file_id)
def write_list(file_id: int) -> str:
    """Write a list of the administration into a file."""
    return listfiles.make(file_id)


@job(at_most_s=280)
def lists_unfinished() -> str:
    """Begin the files again that nobody begins, or that failed."""
    return _begin(write_list, listfiles.unfinished())


@job(at_most_s=600)
def forget_lists() -> str:
    """Delete files of lists that are a week old."""
    return f"{listfiles.forget(datetime.now(UTC)):,} forgotten"


@job(at_most_s=3000, lock_key=lambda purge_id: purge_id)
def purge_channel(purge_id: int) -> str:
    """Count whom a purge would meet, or carry it out once it is confirmed."""
    return purge.carry_out(purge_id)


@job(at_most_s=50)
def purge_unfinished() -> str:
    """Begin the purges again that nobody begins, or that were stopped; forget those that are long done."""
    purge.forget(datetime.now(UTC))
    return _begin(purge_channel, purge.unfinished())


def _begin(work: Any, rows: list[int]) -> str:
    """Have a job done for each of these rows."""
    for row in rows:
        work.delay(row)
    return f"{len(rows):,} begun"


# Lines of chat wait in the same Redis: where no worker takes summaries, they must not fill it.
MOST_WAITING = 200


@job(at_most_s=50)
def give_out_summaries() -> str:
    """Begin the summaries and recaps that are due, and those that were begun and never written."""
    from chat.summaries import due, recaps  # noqa: PLC0415 - what writes summaries takes seconds to load

    if _waiting(write_summary.name) >= MOST_WAITING:
        return "none: those that were begun before are still waiting for a worker"
    now = datetime.now(UTC)
    begun, left = [*due.give_out(now), *recaps.give_out(now)], due.left_behind(now)
    for summary in [*begun, *(summary.pk for summary in left)]:
        write_summary.delay(summary)
    return f"{len(begun)} begun, {len(left)} tried again"


def _waiting(task: str) -> int:
    """How many jobs wait in the queue of this one."""
    queue = current_app.amqp.router.route({}, task)["queue"].name
    return int(quick_redis().llen(queue))


@job(at_most_s=600, lock_key=lambda summary: summary)
def write_summary(summary: int) -> str:
    """Write one summary, of a viewer or of a stream."""
    from chat.summaries import making, recaps  # noqa: PLC0415

    now = datetime.now(UTC)
    is_recap = Summary.objects.filter(pk=summary, stream__isnull=False).exists()
    return recaps.make(summary, now) if is_recap else making.make(summary, making.OfViewer(), now)
