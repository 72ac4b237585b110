"""What changed, in the order in which it can be told: for delta sync, the live feed and webhooks."""

from typing import ClassVar

from django.db import models

from streams.models.channel import Channel


class ThisTransaction(models.Func):
    """The number of the transaction that writes: those that commit later than a snapshot have one it did not see."""

    template = "(pg_current_xact_id()::text::bigint)"
    arity = 0
    output_field = models.BigIntegerField()


class Change(models.Model):
    """Something changed: a row of a resource came, went or is another now. What it is now says the row itself.

    Triggers of the database write these, in the transaction of the change, so that nothing can be forgotten. They are
    kept for as long as somebody may come back with a cursor; see streams/sync.py.
    """

    xid = models.BigIntegerField(db_default=ThisTransaction(), help_text="Transaction that wrote it.")
    at = models.DateTimeField(db_default=models.functions.Now())
    channel = models.ForeignKey(
        Channel,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
        help_text="Empty: in every channel.",
    )
    resource = models.CharField(max_length=24, db_collation="C")
    key = models.CharField(max_length=160, db_collation="C", help_text="Which row, as the API names it.")
    whose = models.CharField(
        max_length=32, blank=True, db_default="", help_text="The viewer it is of, where the key does not say it."
    )
    sealed = models.TextField(
        blank=True, db_default="", help_text="The key of what was erased: only those who copy it may still be told."
    )

    class Meta:
        indexes: ClassVar = [
            # What changed in a channel since a transaction, in order.
            models.Index(fields=["channel", "resource", "xid", "key"], name="change_in_order"),
            # The oldest, to be forgotten; and what one transaction wrote, to be sealed.
            models.Index(fields=["xid"], name="change_by_number"),
        ]

    def __str__(self) -> str:
        return f"{self.resource} {self.key}"


class ChangeMark(models.Model):
    """Every transaction before `xid` was over at this time: what a time means to who syncs."""

    at = models.DateTimeField(primary_key=True)
    xid = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S}: {self.xid}"
