"""Emotes, where they may be used under which name, and how often they were."""

from datetime import date
from typing import Any, ClassVar, Self, TypedDict, cast

from django.conf import settings
from django.db import models
from django.db.models import F, Value
from django.db.models.functions import Concat

from streams.models import Channel, Stream
from viewers.models import Viewer


class Provider(models.TextChoices):
    TWITCH = "twitch", "Twitch"
    SEVENTV = "7tv", "7TV"
    BTTV = "bttv", "BetterTTV"
    FFZ = "ffz", "FrankerFaceZ"
    EMOJI = "emoji", "Emoji"


TWITCH_PICTURE = "/emoticons/v2/{}/default/dark/2.0"


def picture(provider: str, provider_id: str, told: str) -> str:
    """Where the picture of an emote is: as its provider told us, or where Twitch has it today."""
    return settings.TWITCH_CDN_URL + TWITCH_PICTURE.format(provider_id) if provider == Provider.TWITCH else told


def label(provider: str, provider_id: str, name: str) -> str:
    """What chat shows of an emote without a picture: its name, or the emoji itself, which is its own id."""
    return provider_id if provider == Provider.EMOJI else name


class Emote(models.Model):
    """An emote. Provider and the provider's id are its identity; its name may change."""

    id = models.AutoField(primary_key=True)
    provider = models.CharField(max_length=8, choices=Provider)
    provider_id = models.CharField(max_length=64, db_collation="C")
    name = models.CharField(max_length=128, db_collation="C", help_text="The newest name; sets may use an alias.")
    # Where its provider told us the picture is. Twitch tells nothing: see `url`.
    image_url = models.CharField(max_length=500, blank=True)
    is_zero_width = models.BooleanField(default=False)
    is_animated = models.BooleanField(default=False)

    class Meta:
        constraints: ClassVar = [
            # Finds an emote's key when a message or a set names it.
            models.UniqueConstraint(fields=["provider", "provider_id"], name="emote_once"),
        ]
        indexes: ClassVar = [
            # Search by the beginning of a name in the admin.
            models.Index(fields=["name"], name="emote_name"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.provider})"

    @property
    def url(self) -> str:
        return picture(self.provider, self.provider_id, self.image_url)

    @property
    def label(self) -> str:
        return label(self.provider, self.provider_id, self.name)

    @property
    def spoken(self) -> str:
        """The name, of emoji in words: "red heart" for ":red_heart:"."""
        return self.name.strip(":").replace("_", " ") if self.provider == Provider.EMOJI else self.name


class EmoteSet(models.Model):
    """One provider's set in a channel (everywhere, if there is none). It has a row since it was first read.

    Whoever writes its entries holds this row. That there is one tells an empty set from one never read.
    """

    channel = models.ForeignKey(
        Channel, on_delete=models.CASCADE, null=True, blank=True, db_index=False, related_name="emote_sets"
    )
    provider = models.CharField(max_length=8, choices=Provider)
    first_read_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            # Finds the row to hold.
            models.UniqueConstraint(fields=["channel", "provider"], nulls_distinct=False, name="emoteset_once"),
        ]

    def __str__(self) -> str:
        return f"{self.provider} set of {self.channel_id or 'everybody'}"


class EmoteSetEntry(models.Model):
    """[since, until) in which an emote could be used in a channel (everywhere, if there is none) by this name.

    `since` is empty for what was there when the set was first read: it is taken to have been there before.
    """

    channel = models.ForeignKey(
        Channel, on_delete=models.CASCADE, null=True, blank=True, db_index=False, related_name="emote_entries"
    )
    emote = models.ForeignKey(Emote, on_delete=models.CASCADE, related_name="entries")
    provider = models.CharField(max_length=8, choices=Provider)
    name = models.CharField(max_length=128, db_collation="C", help_text="The name typed in chat.")
    since = models.DateTimeField(null=True, blank=True)
    until = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            # One present entry for a name in a set.
            models.UniqueConstraint(
                fields=["channel", "provider", "name"],
                condition=models.Q(until=None),
                nulls_distinct=False,
                name="emotesetentry_present_once",
            ),
        ]
        indexes: ClassVar = [
            # The whole set of a channel, with its past, when the ingest loads its index.
            models.Index(fields=["channel", "provider"], name="emotesetentry_of_channel"),
        ]
        verbose_name_plural = "emote set entries"

    def __str__(self) -> str:
        return self.name


class EmoteCount(TypedDict):
    """An emote, its number here, and how often it was used, as pages show it."""

    emote: int
    name: str
    url: str
    provider: str
    count: int


class EmoteUsesQuerySet(models.QuerySet[Any]):
    """Words for both tables that count uses of emotes."""

    def most_used(self) -> "models.QuerySet[Any, EmoteCount]":
        """Each emote once, with the sum of its uses, the most used first."""
        before, after = TWITCH_PICTURE.split("{}")
        at_twitch = Concat(Value(settings.TWITCH_CDN_URL + before), F("emote__provider_id"), Value(after))
        is_twitch = models.When(emote__provider=Provider.TWITCH, then=at_twitch)
        emotes = self.values(
            "emote",
            name=models.Case(
                models.When(emote__provider=Provider.EMOJI, then=F("emote__provider_id")),
                default=F("emote__name"),
                output_field=models.CharField(),
            ),
            url=models.Case(is_twitch, default=F("emote__image_url"), output_field=models.CharField()),
            provider=F("emote__provider"),
        )
        summed = emotes.annotate(count=models.Sum("uses")).order_by("-count", "emote")
        return cast("models.QuerySet[Any, EmoteCount]", summed)

    def since(self, day: date) -> Self:
        return self.filter(day__gte=day)


class EmoteUsage(models.Model):
    """Uses of one emote by one viewer in one channel on one UTC day."""

    channel = models.ForeignKey(
        Channel, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+"
    )
    viewer = models.ForeignKey(Viewer, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+")
    emote = models.ForeignKey(Emote, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+")
    day = models.DateField()
    uses = models.PositiveIntegerField(default=0)

    objects = EmoteUsesQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            # The store's upsert, and the favourite emotes on the viewer page.
            models.UniqueConstraint(fields=["channel", "viewer", "emote", "day"], name="emoteusage_once"),
        ]
        indexes: ClassVar = [
            # What was used on a day: those totals are folded, and the day is counted again. It is small, for the same
            # two values stand in it once for many rows.
            models.Index(fields=["channel", "day"], name="emoteusage_of_day"),
        ]

    def __str__(self) -> str:
        return f"{self.emote_id} by {self.viewer_id} on {self.day}"


class EmoteDay(models.Model):
    """Uses of one emote by anybody in one channel on one UTC day."""

    channel = models.ForeignKey(
        Channel, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+"
    )
    emote = models.ForeignKey(Emote, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+")
    day = models.DateField()
    uses = models.PositiveIntegerField(default=0)

    objects = EmoteUsesQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            # The store's upsert, and the top emotes of a channel over a span of days.
            models.UniqueConstraint(fields=["channel", "day", "emote"], name="emoteday_once"),
        ]
        indexes: ClassVar = [
            # How often one emote was used day by day, on its page.
            models.Index(fields=["channel", "emote", "day"], name="emoteday_of_emote"),
        ]

    def __str__(self) -> str:
        return f"{self.emote_id} in {self.channel_id} on {self.day}"


class EmoteStream(models.Model):
    """Uses of one emote by anybody in one stream."""

    channel = models.ForeignKey(
        Channel, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+"
    )
    stream = models.ForeignKey(Stream, on_delete=models.CASCADE, db_index=False, related_name="+")
    emote = models.ForeignKey(Emote, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+")
    uses = models.PositiveIntegerField(default=0)

    objects = EmoteUsesQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            # The count of a stream replaces what was counted before; the top emotes of a stream.
            models.UniqueConstraint(fields=["stream", "emote"], name="emotestream_once"),
        ]

    def __str__(self) -> str:
        return f"{self.emote_id} in {self.stream_id}"


class FoldedUses(models.Model):
    """Uses, folded from days. What stands for the days long past is not added up again each time."""

    uses = models.PositiveBigIntegerField(default=0)
    first_day = models.DateField()
    last_day = models.DateField()
    settled_before = models.DateField(
        null=True, blank=True, editable=False, help_text="Of earlier days `settled_uses` is the sum."
    )
    settled_uses = models.PositiveBigIntegerField(default=0, db_default=0, editable=False)

    objects = EmoteUsesQuerySet.as_manager()

    class Meta:
        abstract = True


class EmoteTotal(FoldedUses):
    """Uses of one emote by anybody in one channel, all time, folded from its days: see chat/standings.py."""

    channel = models.ForeignKey(
        Channel, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+"
    )
    emote = models.ForeignKey(Emote, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+")

    class Meta:
        constraints: ClassVar = [
            # The fold's upsert, and whether and when an emote was used.
            models.UniqueConstraint(fields=["channel", "emote"], name="emotetotal_once"),
        ]
        indexes: ClassVar = [
            # The emotes of a channel, the most used first.
            models.Index(fields=["channel", "-uses", "emote"], name="emotetotal_most_used"),
        ]

    def __str__(self) -> str:
        return f"{self.emote_id} in {self.channel_id}"


class EmoteYear(FoldedUses):
    """Uses of one emote by anybody in one channel in one year, folded from its days: see chat/standings.py."""

    channel = models.ForeignKey(
        Channel, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+"
    )
    emote = models.ForeignKey(Emote, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+")
    year = models.PositiveSmallIntegerField(help_text="UTC")

    class Meta:
        constraints: ClassVar = [
            # The fold's upsert, and the emotes of a channel in a year.
            models.UniqueConstraint(fields=["channel", "year", "emote"], name="emoteyear_once"),
        ]

    def __str__(self) -> str:
        return f"{self.emote_id} in {self.channel_id} in {self.year}"


class ViewerEmote(FoldedUses):
    """Uses of one emote by one viewer in one channel, all time, folded from their days: see chat/standings.py."""

    channel = models.ForeignKey(
        Channel, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+"
    )
    viewer = models.ForeignKey(Viewer, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+")
    emote = models.ForeignKey(Emote, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+")

    class Meta:
        constraints: ClassVar = [
            # The fold's upsert, and a viewer's favourite emotes of all time.
            models.UniqueConstraint(fields=["channel", "viewer", "emote"], name="vieweremote_once"),
        ]
        indexes: ClassVar = [
            # Who uses an emote most.
            models.Index(fields=["channel", "emote", "-uses", "viewer"], name="vieweremote_most_used"),
        ]

    def __str__(self) -> str:
        return f"{self.emote_id} by {self.viewer_id}"
