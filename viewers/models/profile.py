"""The page of a viewer in a channel: whether it is shown, and the text on it with all its versions."""

from typing import ClassVar

from django.conf import settings
from django.db import models

from streams.models import Channel
from viewers.models.viewer import Viewer


class Profile(models.Model):
    """What was decided about a viewer's page in a channel. Most viewers have no row: nothing was decided."""

    class Visibility(models.TextChoices):
        AS_CHANNEL = "", "as the channel has it"
        SHOWN = "shown", "shown, as the viewer asked for"
        HIDDEN = "hidden", "hidden by the viewer"
        REMOVED = "removed", "hidden by a moderator"

    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, db_index=False, related_name="profiles")
    viewer = models.ForeignKey(Viewer, on_delete=models.CASCADE, related_name="profiles")
    visibility = models.CharField(max_length=8, choices=Visibility, blank=True, default=Visibility.AS_CHANNEL)
    chosen = models.CharField(
        max_length=8,
        choices=Visibility,
        blank=True,
        default=Visibility.AS_CHANNEL,
        db_default="",
        help_text="While a moderator hides the page: what the viewer chose, which holds again when it comes back.",
    )
    current = models.ForeignKey(
        "WikiRevision", on_delete=models.SET_NULL, null=True, blank=True, db_index=False, related_name="+"
    )
    locked_at = models.DateTimeField(null=True, blank=True, help_text="Since when only moderators may write the text.")
    locked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, db_index=False, related_name="+"
    )
    is_bot = models.BooleanField(
        default=False,
        db_default=False,
        help_text="A bot to this channel's moderators: on no board and no list here.",
    )
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints: ClassVar = [
            # The page of a viewer, and whether it is shown where many viewers are listed.
            models.UniqueConstraint(fields=["channel", "viewer"], name="profile_once"),
        ]

    def __str__(self) -> str:
        return f"{self.viewer} in {self.channel}"


class Verdict(models.Model):
    """What moderators had decided about the page of somebody who was erased. It holds again if they come back."""

    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, db_index=False, related_name="+")
    mark = models.CharField(
        max_length=64, db_collation="C", help_text="Keyed hash of the Twitch id: see viewers/marks.py."
    )
    is_removed = models.BooleanField(help_text="A moderator had hidden the page.")
    locked_at = models.DateTimeField(null=True, blank=True, help_text="Since when only moderators may write the text.")

    class Meta:
        constraints: ClassVar = [
            # One for each page, where an erasure keeps it.
            models.UniqueConstraint(fields=["channel", "mark"], name="verdict_once"),
        ]
        indexes: ClassVar = [
            # Those about an account that comes back.
            models.Index(fields=["mark"], name="verdict_by_mark"),
        ]

    def __str__(self) -> str:
        return f"{self.mark[:8]} in {self.channel}"


class WikiRevision(models.Model):
    """One version of the text on a viewer's page. One is restored as a new one; one that is withdrawn has no words."""

    class Role(models.TextChoices):
        VIEWER = "viewer", "the viewer"
        MODERATOR = "moderator", "a moderator"

    profile = models.ForeignKey(Profile, on_delete=models.CASCADE, db_index=False, related_name="revisions")
    number = models.PositiveIntegerField()
    text = models.TextField(blank=True, help_text="Markdown.")
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    role = models.CharField(max_length=16, choices=Role, help_text="As what its author wrote it.")
    note = models.CharField(max_length=200, blank=True, help_text="What was changed, in its author's words.")
    restored = models.PositiveIntegerField(null=True, blank=True, help_text="The version that this one brought back.")
    made_at = models.DateTimeField(auto_now_add=True)
    withdrawn_at = models.DateTimeField(null=True, blank=True, help_text="When its words were deleted for good.")
    withdrawn_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, db_index=False, related_name="+"
    )
    withdrawn_as = models.CharField(max_length=16, choices=Role, blank=True, db_default="", help_text="As what.")

    class Meta:
        constraints: ClassVar = [
            # The versions of a page in order; two who save at once cannot both have made the same one.
            models.UniqueConstraint(fields=["profile", "number"], name="wikirevision_once"),
        ]

    def __str__(self) -> str:
        return f"version {self.number} of {self.profile_id}"
