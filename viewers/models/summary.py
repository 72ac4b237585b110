"""Summaries that a language model wrote, of viewers who agreed and of streams: what each says, what it cost."""

from datetime import datetime
from decimal import Decimal
from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models

from streams.models import Channel, Stream
from viewers.models.viewer import Viewer


class SummaryPolicy(models.Model):
    """What a channel has decided about summaries. A channel without a row has none."""

    channel = models.OneToOneField(Channel, on_delete=models.CASCADE, primary_key=True, related_name="summary_policy")
    is_on = models.BooleanField(default=False, help_text="Viewers who agree get a summary on their page.")
    has_recaps = models.BooleanField(default=False, help_text="Streams get a recap after they end.")
    needs_review = models.BooleanField(default=False, help_text="A moderator reads each before it is shown.")
    per_minute = models.PositiveSmallIntegerField(default=6, help_text="Most that are begun in one minute.")
    per_day = models.PositiveIntegerField(default=500, help_text="Most that are begun in one UTC day.")
    blocked_words = models.TextField(
        blank=True, help_text="One word or phrase a line. What says one of them is not shown; capitals do not matter."
    )

    class Meta:
        verbose_name_plural = "summary policies"

    def __str__(self) -> str:
        return f"summaries of {self.channel_id}"


class SummaryTurn(models.Model):
    """How many messages of a viewer there were when their last summary was begun: the next comes a hundred later.

    It stays when they take back what they agreed to: whoever agrees again would have the same hundred twice.
    """

    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, db_index=False, related_name="+")
    viewer = models.ForeignKey(Viewer, on_delete=models.CASCADE, related_name="+")
    messages = models.PositiveBigIntegerField()
    asked_at = models.DateTimeField(null=True, blank=True, help_text="When they last asked for one before it was due.")

    class Meta:
        constraints: ClassVar = [
            # Who is due; two who look at once cannot both begin the same hundred.
            models.UniqueConstraint(fields=["channel", "viewer"], name="summaryturn_once"),
        ]

    def __str__(self) -> str:
        return f"{self.viewer_id} in {self.channel_id} after {self.messages}"


class SummaryQuerySet(models.QuerySet["Summary"]):
    def of_viewer(self, channel: Channel, viewer: Viewer) -> "SummaryQuerySet":
        return self.filter(channel=channel, viewer=viewer)

    def of_stream(self, stream: Stream) -> "SummaryQuerySet":
        return self.filter(stream=stream)

    def shown(self) -> "SummaryQuerySet":
        """Those anybody may see. The newest of a page is the one on it."""
        return self.filter(state=Summary.State.SHOWN)


class Summary(models.Model):
    """One version of the summary of a viewer in a channel, or of the recap of a stream.

    It is written in `Claim`s. None is changed once it is made, but for whether it is shown; those of a viewer are
    deleted when they no longer agree.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "waiting for its turn"
        RUNNING = "running", "being written"
        REVIEW = "review", "waiting for a moderator to read it"
        SHOWN = "shown", "shown"
        HIDDEN = "hidden", "hidden"
        REFUSED = "refused", "not written: it could not be done properly"
        FAILED = "failed", "not written: something went wrong"

    class Source(models.TextChoices):
        MODEL = "model", "a language model"
        DIGEST = "digest", "computed from numbers"

    class Role(models.TextChoices):
        VIEWER = "viewer", "the viewer"
        MODERATOR = "moderator", "a moderator"

    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, db_index=False, related_name="summaries")
    viewer = models.ForeignKey(Viewer, on_delete=models.CASCADE, null=True, blank=True, related_name="summaries")
    stream = models.ForeignKey(Stream, on_delete=models.CASCADE, null=True, blank=True, related_name="recaps")
    number = models.PositiveIntegerField(help_text="The first version of a page is 1.")
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    is_asked = models.BooleanField(default=False, help_text="The viewer asked for it, before it was due.")
    begun_at = models.DateTimeField(help_text="When its turn was given out.")
    tried_at = models.DateTimeField(null=True, blank=True, help_text="When it was last begun to be written.")
    tries = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text="How often it was begun to be written: each may have been paid for."
    )
    messages_then = models.PositiveBigIntegerField(default=0, help_text="Messages of the viewer there were by then.")

    made_at = models.DateTimeField(null=True, blank=True)
    made_by = models.CharField(max_length=8, choices=Source, blank=True)
    provider = models.CharField(max_length=32, blank=True)
    model = models.CharField(max_length=100, blank=True)
    prompt_version = models.CharField(max_length=32, blank=True)
    messages_read = models.PositiveIntegerField(default=0, help_text="Messages that were given to whoever wrote it.")
    input_tokens = models.PositiveIntegerField(default=0, help_text="Of all calls for it, failed ones too.")
    output_tokens = models.PositiveIntegerField(default=0)
    cost = models.DecimalField(max_digits=12, decimal_places=6, default=Decimal(0), help_text="US dollars.")
    dropped = models.JSONField(default=dict, help_text="Claims that were not kept, by why: no words of anybody.")
    reason = models.CharField(max_length=300, blank=True, help_text="Why it was not written, in a sentence for people.")

    decided_at = models.DateTimeField(null=True, blank=True, help_text="When it was hidden, restored or let through.")
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, db_index=False, related_name="+"
    )
    decided_as = models.CharField(max_length=16, choices=Role, blank=True)

    objects = SummaryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "summaries"
        constraints: ClassVar = [
            # The versions of a viewer's page, the newest on it.
            models.UniqueConstraint(
                fields=["channel", "viewer", "number"],
                condition=models.Q(viewer__isnull=False),
                name="summary_version_of_viewer",
            ),
            # The versions of a stream's recap, the newest on its page.
            models.UniqueConstraint(
                fields=["stream", "number"], condition=models.Q(stream__isnull=False), name="summary_version_of_stream"
            ),
            models.CheckConstraint(
                condition=models.Q(viewer__isnull=False, stream__isnull=True)
                | models.Q(viewer__isnull=True, stream__isnull=False),
                name="summary_of_viewer_or_stream",
            ),
            # At most one of a viewer is being written.
            models.UniqueConstraint(
                fields=["channel", "viewer"],
                condition=models.Q(state__in=("waiting", "running"), viewer__isnull=False),
                name="summary_one_open",
            ),
            # And of a stream.
            models.UniqueConstraint(
                fields=["stream"],
                condition=models.Q(state__in=("waiting", "running"), stream__isnull=False),
                name="recap_one_open",
            ),
        ]
        indexes: ClassVar = [
            # How many were begun in a channel in this minute and on this day.
            models.Index(fields=["channel", "begun_at"], name="summary_begun"),
            # Those that wait for somebody: to be written, or to be read by a moderator.
            models.Index(
                fields=["state", "begun_at"],
                condition=models.Q(state__in=("waiting", "running", "review")),
                name="summary_waits",
            ),
        ]

    def __str__(self) -> str:
        return f"version {self.number} of {self.viewer_id or self.stream_id} in {self.channel_id}"

    @property
    def is_open(self) -> bool:
        return self.state in {self.State.WAITING, self.State.RUNNING}


class Claim(models.Model):
    """One thing that a summary says, in plain text, and the messages it rests on."""

    class Part(models.TextChoices):
        PORTRAIT = "portrait", "portrait"
        INTEREST = "interest", "interest"
        JOKE = "joke", "running joke"
        TONE = "tone", "tone"
        HAPPENED = "happened", "what happened"
        PEAK = "peak", "peak"
        EMOTES = "emotes", "emotes"
        PEOPLE = "people", "new and returning viewers"
        MOMENT = "moment", "memorable moment"

    summary = models.ForeignKey(Summary, on_delete=models.CASCADE, db_index=False, related_name="claims")
    position = models.PositiveSmallIntegerField()
    part = models.CharField(max_length=16, choices=Part)
    text = models.CharField(max_length=400, help_text="Plain text: no link, nobody else's name.")
    # Two lists of the same length. The times say which month's table a message is in, and stay when it is past
    # retention.
    source_ids = ArrayField(models.CharField(max_length=64), default=list, help_text="Messages it rests on.")
    source_times = ArrayField(models.DateTimeField(), default=list, help_text="When they were sent.")
    at = models.DateTimeField(null=True, blank=True, help_text="When it was, of peaks and moments.")
    reported_at = models.DateTimeField(null=True, blank=True, help_text="When the viewer said that it is wrong.")
    people = models.ManyToManyField(
        Viewer, related_name="+", blank=True, help_text="In recaps: who is named, and who wrote what it rests on."
    )

    class Meta:
        constraints: ClassVar = [
            # What a summary says, in order.
            models.UniqueConstraint(fields=["summary", "position"], name="claim_once"),
        ]
        indexes: ClassVar = [
            # Those that viewers called wrong lately, on the first page of the administration: there are few.
            models.Index(
                fields=["-reported_at"], condition=models.Q(reported_at__isnull=False), name="claim_called_wrong"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.part}: {self.text[:60]}"

    @property
    def sources(self) -> list[tuple[str, datetime]]:
        """(message id, when it was sent), in order."""
        return list(zip(self.source_ids, self.source_times, strict=True))


class ModelCall(models.Model):
    """One call of a language model: what it used, what it cost, how it ended. The ledger; of nobody's text."""

    class Outcome(models.TextChoices):
        OPEN = "open", "not answered yet"
        OK = "ok", "answered"
        REFUSED = "refused", "the model would not"
        MALFORMED = "malformed", "the answer could not be read"
        LIMITED = "limited", "too many calls for the provider"
        TIMEOUT = "timeout", "took too long"
        ERROR = "error", "failed"

    # A channel that is deleted gives no money back: today's budget counts what it spent.
    channel = models.ForeignKey(
        Channel, on_delete=models.SET_NULL, null=True, blank=True, db_index=False, related_name="model_calls"
    )
    summary = models.ForeignKey(Summary, on_delete=models.SET_NULL, null=True, blank=True, related_name="calls")
    provider = models.CharField(max_length=32)
    model = models.CharField(max_length=100)
    began_at = models.DateTimeField()
    took_ms = models.PositiveIntegerField(default=0)
    outcome = models.CharField(max_length=9, choices=Outcome, default=Outcome.OPEN)
    input_tokens = models.PositiveIntegerField(default=0)
    output_tokens = models.PositiveIntegerField(default=0)
    cost = models.DecimalField(
        max_digits=12, decimal_places=6, help_text="US dollars. While it is open, the most that it can come to."
    )
    is_priced = models.BooleanField(default=True, help_text="The price is known; else the cost is a cautious guess.")
    detail = models.CharField(max_length=200, blank=True, help_text="What the provider said when it failed.")

    class Meta:
        indexes: ClassVar = [
            # What was spent today, by everybody: the budget.
            models.Index(fields=["began_at"], name="modelcall_by_time"),
            # Those that nobody closed.
            models.Index(fields=["began_at"], condition=models.Q(outcome="open"), name="modelcall_open"),
            # What a channel spent, in the admin.
            models.Index(fields=["channel", "began_at"], name="modelcall_of_channel"),
        ]

    def __str__(self) -> str:
        return f"{self.provider}:{self.model} at {self.began_at:%Y-%m-%d %H:%M}"
