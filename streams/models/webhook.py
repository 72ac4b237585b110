"""Whom a channel tells of what happens, and every attempt to do so."""

from typing import Any, ClassVar, Self

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models

from streams.models.channel import Channel
from streams.sealed import SealedTextField


class WebhookQuerySet(models.QuerySet["Webhook"]):
    def working(self) -> Self:
        return self.filter(is_on=True, disabled_at=None)


class Webhook(models.Model):
    """An address that is told of chosen events of a channel, signed with a secret that only both know."""

    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="webhooks")
    url = models.URLField(max_length=500, help_text="An https address that anybody on the internet could reach.")
    events = ArrayField(models.CharField(max_length=32), help_text="Which kinds of events it is told of.")
    secret = SealedTextField(editable=False)
    old_secret = SealedTextField(blank=True, db_default="", editable=False)
    old_secret_until = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="Until then both secrets sign: whoever checks has time to change.",
    )
    is_on = models.BooleanField(default=True)
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, db_index=False, related_name="+"
    )
    mail = models.EmailField(
        blank=True,
        default="",
        db_default="",
        verbose_name="mail address",
        help_text="Who is told when it is given up. Empty: whoever runs this site is told.",
    )
    made_at = models.DateTimeField(auto_now_add=True)
    on_since = models.DateTimeField(
        db_default=models.functions.Now(), editable=False, help_text="It is told of nothing that was before."
    )
    told_until = models.BigIntegerField(
        default=0, editable=False, help_text="Transactions before this one are in its deliveries."
    )
    failures = models.PositiveIntegerField(default=0, db_default=0, help_text="Attempts in a row that failed.")
    rests_until = models.DateTimeField(null=True, blank=True, help_text="Nothing is tried before.")
    failing_since = models.DateTimeField(null=True, blank=True, help_text="Nothing was taken since.")
    disabled_at = models.DateTimeField(null=True, blank=True, help_text="When it was given up.")
    problem = models.TextField(blank=True, help_text="Why, and what to do.")

    objects = WebhookQuerySet.as_manager()

    def __str__(self) -> str:
        return self.url


class Delivery(models.Model):
    """One event for one webhook: which, what was sent, and what came back of the last attempt.

    What it tells is read anew for every attempt, so that nothing is told of who chose otherwise meanwhile.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "waits for its turn"
        DONE = "done", "taken"
        FAILED = "failed", "given up"
        GONE = "gone", "not sent: what it told of is not public any more"

    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, db_index=False, related_name="deliveries")
    event_id = models.CharField(max_length=200, db_collation="C", help_text="The same for every attempt.")
    event = models.CharField(max_length=32)
    key = models.CharField(
        max_length=160,
        blank=True,
        db_default="",
        db_collation="C",
        help_text="Which row it tells of, as the API names it.",
    )
    viewer_id = models.CharField(
        max_length=32, blank=True, db_default="", db_collation="C", help_text="Twitch id of whom it concerns."
    )
    sealed = models.TextField(
        blank=True, db_default="", editable=False, help_text="Whom it tells of as gone, until that was told."
    )
    happened_at = models.DateTimeField(db_default=models.functions.Now())
    body: Any = models.JSONField(null=True, blank=True, help_text="What the last attempt sent.")
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    made_at = models.DateTimeField(auto_now_add=True)
    next_at = models.DateTimeField(null=True, blank=True, help_text="When it is tried next.")
    attempts = models.PositiveSmallIntegerField(default=0)
    tried_at = models.DateTimeField(null=True, blank=True)
    status = models.PositiveSmallIntegerField(null=True, blank=True, help_text="HTTP status of the last answer.")
    answer = models.TextField(blank=True, help_text="The beginning of the last answer.")
    took_ms = models.PositiveIntegerField(null=True, blank=True)
    problem = models.TextField(blank=True, help_text="Why the last attempt failed.")

    class Meta:
        verbose_name_plural = "deliveries"
        constraints: ClassVar = [
            # An event is one delivery, however often it is looked for.
            models.UniqueConstraint(fields=["webhook", "event_id"], name="delivery_once"),
        ]
        indexes: ClassVar = [
            # The next of a webhook whose time has come.
            models.Index(
                fields=["webhook", "next_at", "id"], condition=models.Q(state="waiting"), name="delivery_next"
            ),
            # Those about a viewer, when they are erased.
            models.Index(fields=["viewer_id"], condition=~models.Q(viewer_id=""), name="delivery_about_viewer"),
            # The newest of a webhook in the admin.
            models.Index(fields=["webhook", "-made_at"], name="delivery_of_webhook"),
            # The oldest, to be forgotten.
            models.Index(fields=["made_at"], name="delivery_by_time"),
            # Those that were tried while it was looked whom they name, when somebody is erased.
            models.Index(fields=["tried_at"], condition=models.Q(tried_at__isnull=False), name="delivery_by_attempt"),
        ]

    def __str__(self) -> str:
        return f"{self.event} for {self.webhook_id}"
