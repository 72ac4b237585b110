"""Writing down what was done in the administration."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from django.contrib.auth.models import User

from streams.models import AuditEntry, Channel
from streams.reach import Role, reach_of

# For the transaction of an erasure: the database lets nobody else take anything out of an entry.
ERASING = "SET LOCAL streamstats.erasing = 'on'"


class About(NamedTuple):
    """Whom a deed concerns that many were met by, in words, too, and what is to be said of it."""

    viewer_id: str
    target: str
    detail: dict[str, Any]


def note_each(by: User | None, action: str, channel: Channel | int | None, met: Iterable[About]) -> None:
    """Add an entry for each viewer whom a deed met, all at once; see `note`."""
    channel_id = channel.pk if isinstance(channel, Channel) else channel
    role = reach_of(by).role_in(channel_id) if by else Role.COMMAND
    AuditEntry.objects.bulk_create(
        AuditEntry(
            by=by,
            role=role,
            channel_id=channel_id,
            action=action,
            viewer_id=about.viewer_id,
            target=about.target[:200],
            detail=about.detail,
        )
        for about in met
    )


def note(
    by: User | None,
    action: str,
    *,
    channel: Channel | int | None = None,
    viewer_id: str = "",
    target: object = "",
    detail: dict[str, Any] | None = None,
) -> AuditEntry:
    """Add an entry; nobody is whoever runs a command. Call it in the transaction of the deed, so both hold or none.

    `action` is thing.deed, such as page.hide. `detail` is JSON, with what it was before where something changed.
    """
    channel_id = channel.pk if isinstance(channel, Channel) else channel
    return AuditEntry.objects.create(
        by=by,
        role=reach_of(by).role_in(channel_id) if by else Role.COMMAND,
        channel_id=channel_id,
        action=action,
        viewer_id=viewer_id,
        target=str(target)[:200],
        detail=detail or {},
    )
