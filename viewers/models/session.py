"""Who watched when: sessions, the polls they rest on, and corrections."""

from typing import ClassVar, Self

from django.conf import settings
from django.db import models

from streams.models import Channel, PresenceSource, Stream
from viewers.models.viewer import Viewer


class PresencePoll(models.Model):
    """One look at who is there, or one that failed. Failed ones end nobody's session."""

    channel = models.ForeignKey(
        Channel, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+"
    )
    stream = models.ForeignKey(Stream, on_delete=models.CASCADE, db_index=False, related_name="polls")
    at = models.DateTimeField()
    source = models.CharField(max_length=16, choices=PresenceSource)
    chatters = models.PositiveIntegerField(null=True, blank=True, help_text="Empty for a poll that failed.")
    opened = models.PositiveIntegerField(default=0)
    closed = models.PositiveIntegerField(default=0)
    problem = models.TextField(blank=True)
    took_ms = models.PositiveIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [
            # The polls of a stream in order: the evidence behind its sessions, and chatters over time.
            models.UniqueConstraint(fields=["stream", "at"], name="presencepoll_once"),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S}: {self.problem or self.chatters}"


class ViewSessionQuerySet(models.QuerySet["ViewSession"]):
    def of(self, channel: Channel, viewer: Viewer) -> Self:
        """The sessions of a viewer in a channel, the newest first."""
        return self.filter(channel=channel, viewer=viewer).order_by("-started_at")


class ViewSession(models.Model):
    """[started_at, ended_at) in which a viewer was there while the stream was on air. Times are whole seconds.

    An open session, without an end, is proven up to its stream's `presence_at`, and added to the counters up to its
    `credited_at`.
    """

    class EndedBy(models.TextChoices):
        ABSENT = "absent", "a poll no longer showed the viewer"
        OFFLINE = "offline", "the stream went off air"
        SILENCE = "silence", "nobody looked for too long: ended at the last proof"
        MODERATOR = "moderator", "corrected by a moderator"
        BOT = "bot", "marked as a bot"
        STOPPED = "stopped", "the viewer wants nothing more to be kept"

    channel = models.ForeignKey(
        Channel, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+"
    )
    viewer = models.ForeignKey(
        Viewer, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="sessions"
    )
    stream = models.ForeignKey(Stream, on_delete=models.CASCADE, db_index=False, related_name="sessions")
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    source = models.CharField(max_length=16, choices=PresenceSource, help_text="What opened it.")
    ended_by = models.CharField(max_length=16, choices=EndedBy, blank=True)

    objects = ViewSessionQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            # Reconciliation: the open sessions of a stream, and never two of one viewer.
            models.UniqueConstraint(
                fields=["stream", "viewer"], condition=models.Q(ended_at=None), name="viewsession_one_open"
            ),
            # The sessions of a stream, viewer by viewer: its people, and a recount.
            models.UniqueConstraint(fields=["stream", "viewer", "started_at"], name="viewsession_once"),
            models.CheckConstraint(
                condition=models.Q(ended_at=None) | models.Q(ended_at__gt=models.F("started_at")),
                name="viewsession_has_length",
            ),
        ]
        indexes: ClassVar = [
            # The sessions on the viewer page, and a recount of one viewer.
            models.Index(fields=["channel", "viewer", "-started_at"], name="viewsession_of_viewer"),
        ]

    def __str__(self) -> str:
        return f"{self.viewer_id} in {self.stream_id} from {self.started_at:%Y-%m-%d %H:%M}"


class SessionCorrection(models.Model):
    """A session that a moderator put right: what it was, what it became, who did it and why."""

    session = models.ForeignKey(
        ViewSession, on_delete=models.SET_NULL, null=True, blank=True, related_name="corrections"
    )
    stream = models.ForeignKey(Stream, on_delete=models.CASCADE, related_name="+")
    viewer = models.ForeignKey(Viewer, on_delete=models.CASCADE, db_constraint=False, related_name="+")
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    made_at = models.DateTimeField(auto_now_add=True)
    reason = models.TextField()
    started_before = models.DateTimeField()
    ended_before = models.DateTimeField()
    started_after = models.DateTimeField()
    ended_after = models.DateTimeField(help_text="The same as the start where the whole session was wrong.")

    def __str__(self) -> str:
        return f"{self.viewer_id} in {self.stream_id}: {self.reason}"
