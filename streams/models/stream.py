"""Broadcasts: when a channel was on air, with what title, and how many watched."""

from datetime import datetime, timedelta
from typing import ClassVar, Self

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models.functions import Coalesce, Now

from streams.models.channel import Channel


class PresenceSource(models.TextChoices):
    """How it is known who was there."""

    CHATTERS = "chatters", "Twitch's list of who is connected to chat"
    SPOKE = "spoke", "who wrote something"


class StreamQuerySet(models.QuerySet["Stream"]):
    def live(self) -> Self:
        return self.filter(ended_at=None)

    def recent(self, channel: Channel) -> Self:
        """Streams of a channel, the newest first."""
        return self.filter(channel=channel).order_by("-started_at", "pk")


class Stream(models.Model):
    """One broadcast: [started_at, ended_at). Short drop-outs do not end it; its segments say when it was on air.

    How long it was on air is the time between, without `off_air_seconds`: `on_air_until` and TIME_ON_AIR say it.
    """

    id = models.CharField(
        max_length=32, primary_key=True, db_collation="C", help_text="Twitch's id of it, the first where it had more."
    )
    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="streams")
    twitch_ids = ArrayField(
        models.CharField(max_length=32),
        default=list,
        db_default=[],
        help_text="Every id Twitch gave it: a new one after each drop-out.",
    )
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    off_air_seconds = models.PositiveIntegerField(
        default=0, db_default=0, help_text="How long its drop-outs were, together."
    )
    title = models.CharField(max_length=255, blank=True, help_text="The latest one.")
    category_id = models.CharField(max_length=32, blank=True, db_default="")
    category = models.CharField(max_length=128, blank=True, db_default="", help_text="The latest one.")
    language = models.CharField(max_length=16, blank=True, db_default="")
    seen_at = models.DateTimeField(null=True, blank=True, help_text="When Twitch last said that it is live.")

    # What was counted of it: see chat/streamnumbers.py.
    peak_viewers = models.PositiveIntegerField(default=0, db_default=0)
    average_viewers = models.PositiveIntegerField(default=0, db_default=0)
    messages = models.PositiveBigIntegerField(default=0, db_default=0)
    chatters = models.PositiveIntegerField(default=0, db_default=0)
    watched_by = models.PositiveIntegerField(default=0, db_default=0, help_text="People with a view session in it.")
    new_viewers = models.PositiveIntegerField(default=0, db_default=0, help_text="Never seen here before it.")
    returning_viewers = models.PositiveIntegerField(default=0, db_default=0)
    watch_seconds = models.PositiveBigIntegerField(default=0, db_default=0)
    counted_at = models.DateTimeField(null=True, blank=True)
    streaks_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="The count that the streaks of its viewers were taken from."
    )

    # Who was there: see viewers/presence.py.
    presence_at = models.DateTimeField(null=True, blank=True, help_text="The last proof of who is there.")
    credited_at = models.DateTimeField(
        null=True, blank=True, help_text="Up to when its open sessions are added to the counters."
    )
    presence_source = models.CharField(max_length=16, choices=PresenceSource, blank=True, db_default="")

    objects = StreamQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            # Two reports of one beginning make one stream; and where to look for the one that is live.
            models.UniqueConstraint(fields=["channel"], condition=models.Q(ended_at=None), name="stream_one_live"),
        ]
        indexes: ClassVar = [
            # Recent streams on the channel page, and which stream a moment belongs to.
            models.Index(fields=["channel", "-started_at"], name="stream_recent"),
            # Live streams, and those that ended lately, whose numbers are to be counted.
            models.Index(fields=["ended_at"], name="stream_ended"),
            # Streams whose numbers are not counted yet, or are of other times than theirs now.
            models.Index(fields=["id"], condition=models.Q(counted_at=None), name="stream_uncounted"),
            # The stream that a part of it belongs to: by an address of before they were one, and when it comes on air.
            GinIndex(fields=["twitch_ids"], name="stream_parts"),
        ]

    def __str__(self) -> str:
        return f"{self.channel} {self.started_at:%Y-%m-%d %H:%M}"

    @property
    def has_numbers(self) -> bool:
        """Whether it was counted; also while it waits to be counted again, for a session was put right, say."""
        return self.counted_at is not None or any((self.messages, self.peak_viewers, self.watched_by))

    def on_air_until(self, now: datetime) -> timedelta:
        """How long it was on air; if it still is, up to now."""
        return max(timedelta(), (self.ended_at or now) - self.started_at - timedelta(seconds=self.off_air_seconds))

    @property
    def lasted(self) -> timedelta | None:
        """How long it was on air; None while it is live."""
        return self.on_air_until(self.ended_at) if self.ended_at else None


TIME_ON_AIR = models.ExpressionWrapper(
    Coalesce("ended_at", Now())
    - models.F("started_at")
    - models.ExpressionWrapper(
        models.F("off_air_seconds") * models.Value(timedelta(seconds=1)), output_field=models.DurationField()
    ),
    output_field=models.DurationField(),
)
"""The same for a question about many streams."""


class StreamSegment(models.Model):
    """[started_at, ended_at) of a stream on air with one title and category. Between two of them it was off air."""

    stream = models.ForeignKey(Stream, on_delete=models.CASCADE, db_index=False, related_name="segments")
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    title = models.CharField(max_length=255, blank=True)
    category_id = models.CharField(max_length=32, blank=True)
    category = models.CharField(max_length=128, blank=True)

    class Meta:
        constraints: ClassVar = [
            # The history of a stream, in order; a change that is told twice is written once.
            models.UniqueConstraint(fields=["stream", "started_at"], name="streamsegment_once"),
        ]

    def __str__(self) -> str:
        return f"{self.started_at:%H:%M} {self.title}"


class StreamSample(models.Model):
    """How many viewers Twitch counted at a moment of a stream."""

    channel = models.ForeignKey(
        Channel, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+"
    )
    stream = models.ForeignKey(Stream, on_delete=models.CASCADE, db_index=False, related_name="samples")
    at = models.DateTimeField()
    viewers = models.PositiveIntegerField()

    class Meta:
        constraints: ClassVar = [
            # The line of the stream page, and its peak and average.
            models.UniqueConstraint(fields=["stream", "at"], name="streamsample_once"),
        ]

    def __str__(self) -> str:
        return f"{self.viewers} at {self.at:%Y-%m-%d %H:%M}"


class StreamReport(models.Model):
    """What Twitch said of a channel: in an event, or in polls that answered the same in a row, [at, until].

    Events come late, twice and in any order, so what they said is kept: see streams/airtime.py.
    """

    class Kind(models.TextChoices):
        ONLINE = "online", "went on air"
        OFFLINE = "offline", "went off air"
        CHANGED = "changed", "changed title or category"
        SEEN = "seen", "polls showed it live"
        ABSENT = "absent", "polls did not show it"

    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, db_index=False, related_name="+")
    kind = models.CharField(max_length=8, choices=Kind)
    at = models.DateTimeField()
    until = models.DateTimeField(help_text="The last of the polls; for an event, its time.")
    second_at = models.DateTimeField(null=True, blank=True, help_text="The second of the polls.")
    previous_at = models.DateTimeField(null=True, blank=True, help_text="The last but one of the polls.")
    twitch_id = models.CharField(max_length=32, blank=True, db_collation="C", help_text="Of the stream.")
    started_at = models.DateTimeField(null=True, blank=True, help_text="Since when it is on air, as Twitch has it.")
    title = models.CharField(max_length=255, blank=True)
    category_id = models.CharField(max_length=32, blank=True)
    category = models.CharField(max_length=128, blank=True)
    language = models.CharField(max_length=16, blank=True)

    class Meta:
        constraints: ClassVar = [
            # What is told twice is written once.
            models.UniqueConstraint(
                fields=["channel", "kind", "at", "twitch_id", "title", "category_id"], name="streamreport_once"
            ),
        ]
        indexes: ClassVar = [
            # What was said of a channel since its last streams began.
            models.Index(fields=["channel", "until"], name="streamreport_since"),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.get_kind_display()}"
