"""What was done in the administration: who, when, to what, and what it was before."""

from typing import Any, ClassVar

from django.conf import settings
from django.db import models

from streams.auditwords import told
from streams.models.channel import Channel


class AuditEntry(models.Model):
    """One deed in the administration. Entries are added and never changed: a trigger of the database sees to it.

    Only an erasure takes names out of them, and only who did it may become nobody, when their login is deleted.
    """

    at = models.DateTimeField(auto_now_add=True)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, db_index=False, related_name="+"
    )
    role = models.CharField(max_length=16, help_text="As what: moderator, owner, superuser or command.")
    channel = models.ForeignKey(
        Channel, on_delete=models.SET_NULL, null=True, blank=True, db_index=False, related_name="+"
    )
    action = models.CharField(max_length=48, help_text="What was done, such as page.hide or key.make.")
    # The viewer by id alone: viewers stand above this app.
    viewer_id = models.CharField(
        max_length=32, blank=True, db_collation="C", help_text="Twitch id of whom it concerns."
    )
    target = models.CharField(max_length=200, blank=True, help_text="What it was done to, in words.")
    detail: Any = models.JSONField(default=dict, help_text="What it was before and after, or the rule and the numbers.")

    class Meta:
        verbose_name_plural = "audit entries"
        indexes: ClassVar = [
            # The newest deeds in a channel, for its owner and moderators.
            models.Index(fields=["channel", "-at"], name="auditentry_of_channel"),
            # The newest of all channels, for superusers.
            models.Index(fields=["-at"], name="auditentry_recent"),
            # What was done about one viewer, on their file.
            models.Index(
                fields=["viewer_id", "-at"], condition=~models.Q(viewer_id=""), name="auditentry_about_viewer"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action}: {self.target}"

    @property
    def told(self) -> str:
        """What was done, in words."""
        return told(self.action)
