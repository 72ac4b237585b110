"""What moderators keep about a viewer for themselves: notes, tags, and which accounts are one person's.

None of it is ever on a public page or in the API.
"""

from typing import ClassVar, Self

from django.conf import settings
from django.db import models

from streams.models import Channel
from viewers.models.viewer import Viewer


class Note(models.Model):
    """Something moderators of a channel should know about a viewer. What it says is in its versions."""

    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, db_index=False, related_name="+")
    viewer = models.ForeignKey(Viewer, on_delete=models.CASCADE, db_index=False, related_name="notes")
    made_at = models.DateTimeField(auto_now_add=True)
    withdrawn_at = models.DateTimeField(null=True, blank=True, help_text="When a moderator took it back.")
    withdrawn_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, db_index=False, related_name="+"
    )

    class Meta:
        indexes: ClassVar = [
            # The notes on a viewer's file.
            models.Index(fields=["viewer", "channel", "-made_at"], name="note_of_viewer"),
            # The newest notes of a channel.
            models.Index(fields=["channel", "-made_at"], name="note_of_channel"),
        ]

    def __str__(self) -> str:
        return f"note {self.pk}"


class NoteVersion(models.Model):
    """What a note said from then on, and who wrote it."""

    note = models.ForeignKey(Note, on_delete=models.CASCADE, db_index=False, related_name="versions")
    number = models.PositiveIntegerField()
    text = models.TextField(max_length=5000)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, db_index=False, related_name="+"
    )
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            # The versions of a note in order; two who save at once cannot both have made the same one.
            models.UniqueConstraint(fields=["note", "number"], name="noteversion_once"),
        ]

    def __str__(self) -> str:
        return f"version {self.number} of note {self.note_id}"


class Tag(models.Model):
    """A word of a channel's moderators for viewers, such as "regular" or "watch out"."""

    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, db_index=False, related_name="+")
    name = models.CharField(max_length=40)
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            # The tags of a channel, each once.
            models.UniqueConstraint(fields=["channel", "name"], name="tag_once"),
        ]

    def __str__(self) -> str:
        return self.name


class Tagging(models.Model):
    """A tag on a viewer."""

    tag = models.ForeignKey(Tag, on_delete=models.CASCADE, db_index=False, related_name="taggings")
    viewer = models.ForeignKey(Viewer, on_delete=models.CASCADE, related_name="taggings")
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, db_index=False, related_name="+"
    )
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            # Who has a tag. Those of one viewer are found by the viewer's own index.
            models.UniqueConstraint(fields=["tag", "viewer"], name="tagging_once"),
        ]

    def __str__(self) -> str:
        return f"{self.tag_id} on {self.viewer_id}"


class AccountLinkQuerySet(models.QuerySet["AccountLink"]):
    def present(self) -> Self:
        """Those that were not undone."""
        return self.filter(unlinked_at=None)


class AccountLink(models.Model):
    """Two accounts that a moderator takes for one person's: `viewer` is shown on the file of `main` from then on.

    Nothing is counted together in public, and nothing is lost when it is undone. Never made by a program.
    """

    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="+")
    viewer = models.ForeignKey(Viewer, on_delete=models.CASCADE, related_name="links")
    main = models.ForeignKey(Viewer, on_delete=models.CASCADE, related_name="linked")
    reason = models.TextField(max_length=1000)
    linked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, db_index=False, related_name="+"
    )
    linked_at = models.DateTimeField(auto_now_add=True)
    unlinked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, db_index=False, related_name="+"
    )
    unlinked_at = models.DateTimeField(null=True, blank=True)

    objects = AccountLinkQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            # An account is linked to one other at a time.
            models.UniqueConstraint(
                fields=["channel", "viewer"], condition=models.Q(unlinked_at=None), name="accountlink_one_present"
            ),
            models.CheckConstraint(condition=~models.Q(viewer=models.F("main")), name="accountlink_of_two"),
        ]

    def __str__(self) -> str:
        return f"{self.viewer_id} is {self.main_id}"
