"""What leaderboards are read from: each viewer's counts in each span that has a board."""

from typing import ClassVar

from django.db import models

from streams.models import Channel
from viewers.models.viewer import Viewer


def _board(measure: str) -> models.Index:
    return models.Index(
        fields=["channel", "period", f"-{measure}", "viewer"],
        condition=models.Q(**{f"{measure}__gt": 0}),
        name=f"standing_by_{measure}",
    )


class Standing(models.Model):
    """One viewer in one channel in one period: all time, a year, a month or a week.

    A copy of what days and streams add up to, folded every few minutes by chat/standings.py. Bots and hidden viewers
    are in it; whoever reads it leaves them out.
    """

    MEASURES = ("watch_seconds", "messages", "emotes", "streak", "points")

    channel = models.ForeignKey(
        Channel, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="+"
    )
    period = models.CharField(
        max_length=8, db_collation="C", help_text="As in addresses: all, 2026, 2026-11 or 2026-W47."
    )
    viewer = models.ForeignKey(
        Viewer, on_delete=models.CASCADE, db_constraint=False, db_index=False, related_name="standings"
    )
    messages = models.PositiveBigIntegerField(default=0)
    emotes = models.PositiveBigIntegerField(default=0)
    watch_seconds = models.PositiveBigIntegerField(default=0)
    points = models.PositiveBigIntegerField(default=0)
    streak = models.PositiveIntegerField(default=0, help_text="The longest streak reached in the period, in streams.")

    class Meta:
        constraints: ClassVar = [
            # The fold's upsert, and one viewer's own row.
            models.UniqueConstraint(fields=["channel", "viewer", "period"], name="standing_once"),
        ]
        indexes: ClassVar = [
            # A board, page after page, and how many are ahead of somebody: one index for each measure.
            *map(_board, ("watch_seconds", "messages", "emotes", "streak", "points")),
        ]

    def __str__(self) -> str:
        return f"{self.viewer_id} in {self.channel_id}, {self.period}"
