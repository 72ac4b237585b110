"""Channels that are followed, what was counted of them, and the times when nothing could be received."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Lower

LATELY_HEARD = models.F("total__last_message_at").desc(nulls_last=True)


class ChannelQuerySet(models.QuerySet["Channel"]):
    def followed(self) -> "ChannelQuerySet":
        """Channels the reader should be joined to: switched on, and with a login to join."""
        return self.filter(is_followed=True, login__isnull=False)

    def listed(self) -> "ChannelQuerySet":
        """Channels that have a page."""
        return self.filter(login__isnull=False)

    def lately_heard_first(self) -> "ChannelQuerySet":
        return self.select_related("total").order_by(LATELY_HEARD, "login")

    def front_page(self) -> "ChannelQuerySet":
        """Channels that are followed, then those with a history: not those only met as the source of a copy."""
        shown = self.listed().filter(models.Q(is_followed=True) | models.Q(total__messages__gt=0))
        return shown.select_related("total").order_by("-is_followed", LATELY_HEARD, "login")


class Channel(models.Model):
    """A Twitch channel. The Twitch id is its identity; it is learnt from the first line received."""

    class PagePolicy(models.TextChoices):
        OPEN = "open", "every viewer has a page"
        OPT_IN = "opt-in", "only viewers who asked for one have a page"

    twitch_id = models.CharField(max_length=32, unique=True, null=True, blank=True, db_collation="C")
    login = models.CharField(
        max_length=64,
        unique=True,
        null=True,
        blank=True,
        db_collation="C",
        help_text="Lower-case name in the address. Empty once another channel took the name over.",
    )
    display_name = models.CharField(max_length=64, blank=True)
    is_followed = models.BooleanField(default=True)
    page_policy = models.CharField(max_length=8, choices=PagePolicy, default=PagePolicy.OPEN)
    retention_days = models.PositiveSmallIntegerField(
        default=90, help_text="Days for which the text of messages is kept. Totals stay."
    )
    messages_kept_from = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Older messages are gone, so older counters are not recounted."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ChannelQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            # Logins are compared as they are, so there is one way to write each: Twitch's, in lower case.
            models.CheckConstraint(condition=models.Q(login=Lower("login")), name="channel_login_is_lower_case"),
        ]

    def __str__(self) -> str:
        return self.display_name or self.login or f"channel {self.twitch_id}"

    @property
    def is_open(self) -> bool:
        """Whether every viewer is shown who did not say no; else only who asked for a page."""
        return self.page_policy == self.PagePolicy.OPEN

    @property
    def counts(self) -> "ChannelTotal":
        """The totals; zeros before the first message."""
        try:
            return self.total
        except ChannelTotal.DoesNotExist:
            return ChannelTotal(channel=self)


class ChatCounts(models.Model):
    """What is counted of chat, at every grain that has a table."""

    messages = models.PositiveBigIntegerField(default=0)
    emotes = models.PositiveBigIntegerField(default=0)
    bits = models.PositiveBigIntegerField(default=0)
    subs = models.PositiveBigIntegerField(default=0, help_text="Subscriptions and resubscriptions announced in chat.")
    # Not "positive": the parts of a gift bomb come in any order, and one may take back what another added.
    gifts = models.BigIntegerField(default=0, help_text="Subscriptions given to others.")

    class Meta:
        abstract = True


class ChannelDay(ChatCounts):
    """One channel on one UTC day."""

    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="days")
    day = models.DateField()
    chatters = models.PositiveIntegerField(default=0)
    # Whoever changes what was counted of a viewer on this day raises `changes`; places are up to date where
    # `ranked` says the same: see chat/standings.py.
    changes = models.PositiveBigIntegerField(default=1, db_default=1, editable=False)
    ranked = models.PositiveBigIntegerField(default=0, db_default=0, editable=False)

    class Meta:
        constraints: ClassVar = [
            # The store adds to this row; the channel page reads the last days.
            models.UniqueConstraint(fields=["channel", "day"], name="channelday_once"),
        ]

    def __str__(self) -> str:
        return f"{self.channel_id} on {self.day}"


class ChannelTotal(ChatCounts):
    """One channel since it was first followed."""

    channel = models.OneToOneField(Channel, on_delete=models.CASCADE, primary_key=True, related_name="total")
    chatters = models.PositiveIntegerField(default=0)
    last_message_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"total of {self.channel_id}"


class Gap(models.Model):
    """[started_at, ended_at) in which a channel's chat could not be received, and why."""

    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="gaps")
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField()
    reason = models.CharField(max_length=200)

    class Meta:
        constraints: ClassVar = [
            # A gap that is handed over twice is written once; charts look gaps up by channel and time.
            models.UniqueConstraint(fields=["channel", "started_at", "ended_at"], name="gap_once"),
            # Spans are [from, to): one that does not end after its start holds no time.
            models.CheckConstraint(condition=models.Q(ended_at__gt=models.F("started_at")), name="gap_has_length"),
        ]

    def __str__(self) -> str:
        return f"{self.channel} {self.started_at:%Y-%m-%d %H:%M:%S} to {self.ended_at:%H:%M:%S}: {self.reason}"
