"""Keys of the API, and what they were used for."""

from typing import ClassVar, Self

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

from streams.models.channel import Channel


class Scope(models.TextChoices):
    """What a key may be used for, beyond what anybody may read."""

    READ = "read", "everything that is public, more often than strangers may"
    MESSAGES = "messages", "the messages of its channel, word for word"
    MODERATION = "moderation", "what moderators did in its channel"


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def usable(self) -> Self:
        """Keys that were neither taken back nor have run out."""
        now = timezone.now()
        return self.filter(revoked_at=None).exclude(expires_at__lte=now)


class ApiKey(models.Model):
    """A key of the API, made by a channel's owner. The key itself was shown once; here is its hash."""

    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=80, help_text="What it is for.")
    prefix = models.CharField(max_length=16, db_collation="C", help_text="How it begins, to know it again.")
    digest = models.CharField(max_length=64, unique=True, db_collation="C", help_text="SHA-256 of the key.")
    scopes = ArrayField(models.CharField(max_length=16, choices=Scope), default=list)
    networks = ArrayField(
        models.CharField(max_length=43),
        default=list,
        blank=True,
        help_text="Addresses or networks it may be used from, such as 203.0.113.0/24. Empty: from anywhere.",
    )
    per_minute = models.PositiveIntegerField(default=300, help_text="Requests in a minute.")
    per_day = models.PositiveIntegerField(default=100_000, help_text="Requests in a UTC day.")
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Empty: never.")
    revoked_at = models.DateTimeField(null=True, blank=True)
    replaced_by = models.OneToOneField(
        "self",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="replaces",
        help_text="The key that was made in its place. Both work until this one expires.",
    )
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, db_index=False, related_name="+"
    )
    mail = models.EmailField(
        blank=True,
        default="",
        db_default="",
        verbose_name="mail address",
        help_text="Who is told when most of a day's requests are used. Empty: whoever runs this site is told.",
    )
    made_at = models.DateTimeField(auto_now_add=True)
    used_at = models.DateTimeField(null=True, blank=True, help_text="Last used, to within a minute.")

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        verbose_name = "API key"

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @property
    def is_running(self) -> bool:
        """Whether its time is not over."""
        return self.expires_at is None or self.expires_at > timezone.now()


class ApiRequest(models.Model):
    """One request with a key: kept for some weeks. Nothing of what was asked for or answered, and no address."""

    key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, db_index=False, related_name="requests")
    at = models.DateTimeField()
    method = models.CharField(max_length=8)
    route = models.CharField(max_length=120, help_text="The operation, without what it was asked for.")
    status = models.PositiveSmallIntegerField()
    took_ms = models.PositiveIntegerField()
    size = models.PositiveIntegerField(default=0, help_text="Bytes of the answer.")

    class Meta:
        verbose_name = "API request"
        indexes: ClassVar = [
            # The newest requests of a key.
            models.Index(fields=["key", "-at"], name="apirequest_of_key"),
            # The oldest, to be forgotten.
            models.Index(fields=["at"], name="apirequest_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.method} {self.route}: {self.status}"
