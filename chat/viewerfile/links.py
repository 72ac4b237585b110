"""Accounts that a moderator takes for one person's: shown together on one file, and counted apart everywhere.

Never made by a program, and never lost: a link that is undone stays as history. There are no chains: an account is
linked to one that is itself linked to none, so everybody sees at once who belongs together.
"""

from collections.abc import Sequence

from django.contrib.auth.models import User
from django.db.models import Q
from django.utils import timezone

from chat.viewerfile.deeds import File, NotDone, cleaned, held
from streams import audit
from streams.models import Channel
from viewers.models import AccountLink, Viewer

LONGEST = 1000
MOST = 20
"""Accounts linked to one."""
HISTORY = 100


def of(channel: Channel, viewer: Viewer) -> list[AccountLink]:
    """Every link of an account, undone ones too, the newest first."""
    links = AccountLink.objects.filter(Q(viewer=viewer) | Q(main=viewer), channel=channel)
    return list(links.select_related("viewer", "main").order_by("-pk")[:HISTORY])


def people(viewer: Viewer, links: Sequence[AccountLink]) -> list[Viewer]:
    """The account itself, then those that are linked to it at present."""
    return [viewer, *(link.viewer for link in links if link.unlinked_at is None and link.main_id == viewer.pk)]


def link(file: File, main: Viewer, reason: str, by: User) -> AccountLink:
    """Show this account on the file of another from now on. Raises NotDone."""
    reason = cleaned(reason)
    if not reason:
        raise NotDone("Say how you know that both accounts are one person's: somebody may have to decide it again.")
    if len(reason) > LONGEST:
        raise NotDone(f"The reason has {len(reason):,} characters, and at most {LONGEST:,} are kept. Make it shorter.")
    if main.pk == file.viewer.pk:
        raise NotDone("This is the account itself. Name the other one.")
    with held(file, by, main):
        _refuse_chains(file, main)
        made = AccountLink.objects.create(
            channel=file.channel, viewer=file.viewer, main=main, reason=reason, linked_by=by
        )
        _tell(file, by, "account.link", made)
    return made


def undo(file: File, link_id: int, by: User) -> AccountLink:
    """Show both accounts on files of their own again. Raises AccountLink.DoesNotExist, NotDone."""
    either = Q(viewer=file.viewer) | Q(main=file.viewer)
    found = AccountLink.objects.select_related("viewer", "main").get(either, pk=link_id, channel=file.channel)
    with held(file, by, found.viewer, found.main):
        undone = AccountLink.objects.present().filter(pk=found.pk)
        if not undone.update(unlinked_at=timezone.now(), unlinked_by=by):
            raise NotDone("This link was undone already.")
        _tell(file, by, "account.unlink", found)
    return found


def _refuse_chains(file: File, main: Viewer) -> None:
    present = AccountLink.objects.present().filter(channel=file.channel)
    mine = present.filter(viewer=file.viewer).select_related("main").first()
    if mine:
        raise NotDone(f"{file.viewer} is linked to {mine.main} already. Undo that first.")
    if present.filter(main=file.viewer).exists():
        raise NotDone(f"Other accounts are linked to {file.viewer}. Link {main} to {file.viewer} instead, on its file.")
    theirs = present.filter(viewer=main).select_related("main").first()
    if theirs:
        raise NotDone(f"{main} is itself linked to {theirs.main}. Link this account to {theirs.main} instead.")
    if present.filter(main=main)[:MOST].count() == MOST:
        raise NotDone(f"{MOST} accounts are linked to {main} already. Undo one of these first.")


def _tell(file: File, by: User, action: str, made: AccountLink) -> None:
    detail = {"link": made.pk, "account": made.viewer_id, "shown_with": made.main_id}
    audit.note(by, action, channel=file.channel, viewer_id=made.viewer_id, target=made.viewer, detail=detail)
