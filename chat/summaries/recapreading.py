"""What is read for the recap of a stream: messages of those who agreed to be in recaps, and of nobody else."""

from datetime import timedelta
from typing import Any, NamedTuple

from django.db import connection

from chat.summaries.quoting import plain
from chat.summaries.reading import Row, Sample, agreed, answered, sample, since, spread, within, worth_reading
from chat.summaries.recapfacts import Facts
from streams.models import Channel, Stream
from viewers.models import Claim, Consent, Viewer, ViewerStream
from viewers.visibility import people_in

MOST_PEOPLE = 100
EACH = 100
"""Messages of one person that are looked at: any of theirs, but the same ones each time."""
PEAK = timedelta(minutes=2)
"""From the beginning of a busy minute: what is said of something follows it."""
OF_A_PEAK = 8

# One step into an index for each of them, however much others wrote.
_MESSAGES = """
SELECT said.* FROM unnest(%(people)s::varchar[]) person(id) CROSS JOIN LATERAL (
    SELECT id, sent_at, text, emotes, reply_to_id, reply_to_viewer_id, viewer_id FROM chat_message
    WHERE channel_id = %(channel)s AND viewer_id = person.id COLLATE "C" AND source_channel_id = ''
        AND removed_at IS NULL AND sent_at >= %(start)s AND sent_at < %(end)s
    ORDER BY md5(id) LIMIT %(each)s
) said
"""


class Reading(NamedTuple):
    """What was read, and who wrote it: by id, the name by which a recap may call them."""

    sample: Sample
    people: dict[str, str]


def of_stream(channel: Channel, stream: Stream, facts: Facts, most_tokens: int) -> Reading:
    """Messages of a stream that is over: some of its peaks, which tell why they were, then of all its time.

    Four queries.
    """
    wrote = {viewer.pk: viewer for viewer in _people(channel, stream)}
    rows = spread(worth_reading(_rows(channel, stream, list(wrote))))
    chosen = within(_peaks_first(rows, facts), most_tokens)
    contexts = answered(channel, chosen, Consent.Kind.RECAP)
    read = sample(channel, chosen, contexts, allowed=wrote, most_tokens=most_tokens)
    people = {message.viewer_id: plain(str(wrote[message.viewer_id])) for message in read.messages}
    streamer = {channel.login or "", channel.display_name.lower()}
    # No emote and no category: somebody may be called like one.
    allowed = {name.lower() for name in people.values()} | streamer
    return Reading(read._replace(allowed=frozenset(allowed)), people)


def _peaks_first(rows: list[Row], facts: Facts) -> list[Row]:
    """The rows with the first of each peak before the others."""
    peaks = [fact.at for fact in facts.facts if fact.part == Claim.Part.PEAK and fact.at]
    first = [row for at in peaks for row in [row for row in rows if at <= row.sent_at < at + PEAK][:OF_A_PEAK]]
    taken = {row.id for row in first}
    return first + [row for row in rows if row.id not in taken]


def _people(channel: Channel, stream: Stream) -> list[Viewer]:
    """Who wrote most of those who agreed and are shown."""
    agreeing = ViewerStream.objects.filter(people_in(channel), agreed(Consent.Kind.RECAP), viewer__stopped_at=None)
    rows = agreeing.filter(stream=stream, messages__gt=0).select_related("viewer").order_by("-messages", "viewer")
    return [row.viewer for row in rows[:MOST_PEOPLE]]


def _rows(channel: Channel, stream: Stream, people: list[str]) -> list[Row]:
    """Their messages during the stream, the newest first."""
    values: dict[str, Any] = {
        "people": people,
        "channel": channel.pk,
        "start": max(stream.started_at, since(channel)),
        "end": stream.ended_at,
        "each": EACH,
    }
    with connection.cursor() as cursor:
        cursor.execute(_MESSAGES, values)
        rows = [Row(*row) for row in cursor.fetchall()]
    return sorted(rows, key=lambda row: (row.sent_at, row.id), reverse=True)
