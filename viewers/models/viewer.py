"""Viewers, the names they had, and what was counted of them."""

from typing import ClassVar, Self

from django.db import models
from django.db.models.functions import Collate, Lower

from streams.models import Channel, ChatCounts, Stream

# Counting those ahead costs a row each, so it stops here.
RANKED = 1000


class ViewerQuerySet(models.QuerySet["Viewer"]):
    def named(self, login: str) -> Self:
        """Viewers who have, or ever had, exactly this login."""
        return self.filter(names__login=login).distinct()

    def seen_in(self, channel: Channel) -> Self:
        return self.filter(models.Exists(ViewerTotal.objects.filter(viewer=models.OuterRef("pk"), channel=channel)))


class BotSource(models.TextChoices):
    """Who said whether an account is a bot. What a moderator said is never overruled."""

    LIST = "list", "our list of known bots"
    CHANNEL = "channel", "a channel's list at BetterTTV"
    MODERATOR = "moderator", "a moderator"


class Viewer(models.Model):
    """A Twitch account. Its id is its identity; logins change, and pass to other people."""

    twitch_id = models.CharField(max_length=32, primary_key=True, db_collation="C")
    login = models.CharField(max_length=64, db_collation="C", help_text="The newest one seen.")
    display_name = models.CharField(max_length=64)
    color = models.CharField(max_length=7, blank=True, help_text="#RRGGBB, empty where never chosen.")
    named_at = models.DateTimeField(help_text="Time of the message that told the names above.")
    is_bot = models.BooleanField(default=False, help_text="Kept out of leaderboards and watch totals.")
    bot_source = models.CharField(
        max_length=16, choices=BotSource, blank=True, db_default="", help_text="Who said whether it is a bot."
    )
    avatar_url = models.URLField(max_length=300, blank=True, db_default="")
    account_created_at = models.DateTimeField(null=True, blank=True)
    details_at = models.DateTimeField(null=True, blank=True, help_text="When Twitch was last asked about the account.")
    is_missing = models.BooleanField(
        default=False, db_default=False, help_text="Twitch no longer knows the account: suspended, or deleted."
    )
    # What its owner chose: see viewers/choices.py.
    hidden_at = models.DateTimeField(null=True, blank=True, help_text="Since when no page shows them, in any channel.")
    stopped_at = models.DateTimeField(null=True, blank=True, help_text="Since when nothing more is kept of them.")
    resumed_at = models.DateTimeField(
        null=True, blank=True, help_text="Since when they are kept again: what they wrote before may be told once more."
    )

    objects = ViewerQuerySet.as_manager()

    class Meta:
        indexes: ClassVar = [
            # The viewer page by its address. Not unique: a login may pass from one account to another.
            models.Index(fields=["login"], name="viewer_login"),
            # The few who are bots, to be left out where watch time is credited.
            models.Index(fields=["twitch_id"], condition=models.Q(is_bot=True), name="viewer_bot"),
            # Whom Twitch was never asked for, the newest first.
            models.Index(fields=["-named_at"], condition=models.Q(details_at=None), name="viewer_not_asked_for"),
            # Whom Twitch did not know, to be asked for again.
            models.Index(fields=["details_at"], condition=models.Q(is_missing=True), name="viewer_missing"),
            # Of whom nothing more is kept: the ingest loads all of them.
            models.Index(fields=["twitch_id"], condition=models.Q(stopped_at__isnull=False), name="viewer_stopped"),
            # Of whom it once was so: loaded with them.
            models.Index(fields=["twitch_id"], condition=models.Q(resumed_at__isnull=False), name="viewer_resumed"),
        ]

    def __str__(self) -> str:
        return self.display_name or self.login


# A display name as it is searched: in small letters, in an order that a beginning is a stretch of.
DISPLAYED = Collate(Lower("display_name"), "C")
IS_DISPLAYED_OTHERWISE = ~models.Q(login=Lower("display_name"))


class ViewerNameQuerySet(models.QuerySet["ViewerName"]):
    def in_channel(self, channel: Channel) -> Self:
        """Names of viewers who wrote in the channel, with how much they wrote there."""
        of_channel = self.filter(viewer__totals__channel=channel).select_related("viewer")
        return of_channel.annotate(
            messages=models.F("viewer__totals__messages"),
            emotes=models.F("viewer__totals__emotes"),
            watch_seconds=models.F("viewer__totals__watch_seconds"),
            seen_at=models.F("viewer__totals__last_seen_at"),
        )

    def beginning_with(self, prefix: str) -> Self:
        """Logins that begin with this, in their order; `found` is what was found."""
        return self.filter(login__startswith=prefix).annotate(found=models.F("login")).order_by("found", "viewer")

    def displayed_as(self, prefix: str) -> Self:
        """The same of display names that are more than their login, which `beginning_with` does not find already."""
        displayed = self.filter(IS_DISPLAYED_OTHERWISE).exclude(login__startswith=prefix).annotate(found=DISPLAYED)
        beginning = Lower(models.Value(prefix))  # here and there by the same hand: alphabets are full of exceptions
        return displayed.filter(found__startswith=beginning).order_by("found", "viewer")

    def after(self, found: str, viewer_id: str) -> Self:
        """The names that follow this one in the order of either."""
        later = models.Q(found__gt=found) | models.Q(viewer__gt=viewer_id)
        return self.filter(later, found__gte=found)


class ViewerName(models.Model):
    """A login a viewer was seen with. `last_seen_at` is kept to within ten minutes."""

    viewer = models.ForeignKey(Viewer, on_delete=models.CASCADE, related_name="names")
    login = models.CharField(max_length=64, db_collation="C")
    display_name = models.CharField(max_length=64)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()

    objects = ViewerNameQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            # The store's upsert, and the names on the viewer page.
            models.UniqueConstraint(fields=["viewer", "login"], name="viewername_once"),
        ]
        indexes: ClassVar = [
            # Search by the beginning of any name, and redirects from old logins.
            models.Index(fields=["login"], name="viewername_login"),
            # Search by the beginning of a display name that is more than the login in other capitals: few are.
            models.Index(DISPLAYED, "viewer", condition=IS_DISPLAYED_OTHERWISE, name="viewername_displayed"),
        ]

    def __str__(self) -> str:
        return self.login

    @property
    def was(self) -> str:
        """The name by which it was found, where the viewer has another one now."""
        found: str = getattr(self, "found", self.login)
        name = self.login if found == self.login else self.display_name
        return "" if name in {self.viewer.login, self.viewer.display_name} else name


class ViewerCounts(ChatCounts):
    """Chat counts, and what other sources tell of a viewer."""

    watch_seconds = models.PositiveBigIntegerField(default=0)
    points = models.PositiveBigIntegerField(default=0, help_text="Channel points spent.")

    class Meta:
        abstract = True


class ViewerDay(ViewerCounts):
    """One viewer in one channel on one UTC day."""

    channel = models.ForeignKey(
        Channel, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+"
    )
    viewer = models.ForeignKey(
        Viewer, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="days"
    )
    day = models.DateField()

    class Meta:
        constraints: ClassVar = [
            # The store's upsert, and the activity picture on the viewer page.
            models.UniqueConstraint(fields=["channel", "viewer", "day"], name="viewerday_once"),
        ]
        indexes: ClassVar = [
            # Who did anything on a day: of these the places are folded, and the day is counted again. It is small, for
            # the same two values stand in it once for many rows.
            models.Index(fields=["channel", "day"], name="viewerday_of_day"),
        ]

    def __str__(self) -> str:
        return f"{self.viewer_id} in {self.channel_id} on {self.day}"


class ViewerTotalQuerySet(models.QuerySet["ViewerTotal"]):
    def people(self) -> Self:
        return self.filter(viewer__is_bot=False)

    def most_messages(self, channel: Channel) -> Self:
        """The people of a channel in the order of its list, each with the viewer."""
        people = self.people().filter(channel=channel).select_related("viewer")
        return people.annotate(seen_at=models.F("last_seen_at")).order_by("-messages", "viewer")

    def level_after(self, messages: int, viewer_id: str) -> Self:
        """Those with as many messages who follow this one in the order of `most_messages`.

        Half of a channel may have written once: asked for together with the rest, the index could not skip them.
        """
        return self.filter(messages=messages, viewer__gt=viewer_id)

    def below(self, messages: int) -> Self:
        return self.filter(messages__lt=messages)


class ViewerTotal(ViewerCounts):
    """One viewer in one channel, all time: the sum of their days."""

    channel = models.ForeignKey(
        Channel, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+"
    )
    viewer = models.ForeignKey(
        Viewer, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="totals"
    )
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()

    objects = ViewerTotalQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            # The store's upsert, and the numbers on the viewer page.
            models.UniqueConstraint(fields=["channel", "viewer"], name="viewertotal_once"),
        ]
        indexes: ClassVar = [
            # The viewer list of a channel, most messages first, page after page.
            models.Index(fields=["channel", "-messages", "viewer"], name="viewertotal_most_messages"),
            # Who came to a channel for the first time lately, for the first page of the administration.
            models.Index(fields=["channel", "-first_seen_at"], name="viewertotal_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.viewer_id} in {self.channel_id}"


class ViewerStream(models.Model):
    """One viewer in one stream: what it adds up to, for the stream's page and for who came when."""

    channel = models.ForeignKey(
        Channel, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+"
    )
    stream = models.ForeignKey(Stream, on_delete=models.CASCADE, db_index=False, related_name="viewers")
    viewer = models.ForeignKey(
        Viewer, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="streams"
    )
    messages = models.PositiveIntegerField(default=0)
    emotes = models.PositiveIntegerField(default=0)
    watch_seconds = models.PositiveIntegerField(default=0)
    is_new = models.BooleanField(default=False, help_text="Never seen in the channel before this stream.")
    streak = models.PositiveIntegerField(
        default=0, db_default=0, help_text="Streams in a row the viewer came to, up to and with this one."
    )

    class Meta:
        constraints: ClassVar = [
            # The count of a stream replaces what was counted before.
            models.UniqueConstraint(fields=["stream", "viewer"], name="viewerstream_once"),
        ]
        indexes: ClassVar = [
            # Who wrote most in a stream.
            models.Index(fields=["stream", "-messages", "viewer"], name="viewerstream_most_messages"),
            # The streams a viewer came to.
            models.Index(fields=["channel", "viewer", "stream"], name="viewerstream_of_viewer"),
        ]

    def __str__(self) -> str:
        return f"{self.viewer_id} in {self.stream_id}"
