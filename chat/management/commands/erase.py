"""manage.py erase: erase an account, as its owner can on the site."""

from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Q
from rich.console import Console
from rich.progress import Progress

from chat import erasure, receipts
from streams.locks import GoesOn
from viewers import choices
from viewers.choices import NotNow
from viewers.models import Erasure, Viewer

WAITING = 2


class Command(BaseCommand):
    help = (
        "Erase everything about a Twitch account, as its owner can on the site: rows, texts, files and login go, what"
        " is counted of everybody together stays. It cannot be undone. The account's own channel, where it is followed,"
        " stays as it is: see unfollow and the connections in the administration. Exit code 2 means that all but the"
        " last is done, which has to wait for lines that the ingest still holds: the jobs go on by themselves."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("account", metavar="LOGIN_OR_ID", help="any name the account ever had, or its Twitch id")
        parser.add_argument("--dry-run", action="store_true", help="say what would be removed, and change nothing")
        parser.add_argument("--yes", action="store_true", help="do not ask first")

    def handle(self, *, account: str, dry_run: bool, yes: bool, **_options: object) -> None:
        viewer = _find(account)
        for line in _told(erasure.would_remove(viewer.pk)) if dry_run or not yes else ():
            self.stdout.write(line)
        if dry_run:
            self.stdout.write("Nothing was changed.")
            return
        if not yes and not _is_sure(viewer):
            raise CommandError("Nothing was changed.")
        try:
            asked = choices.ask_to_erase(viewer)
        except NotNow as error:
            raise CommandError(str(error)) from error
        self._erase(asked)

    def _erase(self, asked: Erasure) -> None:
        console = Console(stderr=True)
        with Progress(console=console, disable=not console.is_terminal) as progress:
            bar = progress.add_task("erasing", total=None)

            def show(done: int, steps: int, words: str) -> None:
                progress.update(bar, completed=done, total=steps, description=words)

            try:
                is_done = erasure.erase(asked, show)
            except GoesOn:
                raise CommandError(
                    f"This account is being erased by a job just now. Its receipt: /erased/{asked.receipt}/",
                    returncode=WAITING,
                ) from None
        if not is_done:
            raise CommandError(
                "The ingest still holds lines from before. Once it has stored them, the jobs erase the rest."
                f" The receipt: /erased/{asked.receipt}/",
                returncode=WAITING,
            )
        asked.refresh_from_db()
        for line in _told(asked.removed):
            self.stdout.write(line)
        self.stdout.write(f"Erased. The receipt: /erased/{asked.receipt}/")


def _find(account: str) -> Viewer:
    name = account.strip().removeprefix("@").lower()
    by_id = Viewer.objects.filter(pk=account.strip()).first()
    if by_id:
        return by_id
    found = list(Viewer.objects.filter(Q(names__login=name) | Q(login=name)).distinct().order_by("pk")[:20])
    if not found:
        raise CommandError(f"Nobody is known here as {account!r}. Nothing was changed.")
    if len(found) > 1:
        who = ", ".join(f"{viewer.pk} (now {viewer.login})" for viewer in found)
        raise CommandError(f"Several accounts were called {account!r}. Say which by its id: {who}")
    return found[0]


def _is_sure(viewer: Viewer) -> bool:
    answer = input(f"This cannot be undone. To erase {viewer.login}, type its Twitch id ({viewer.pk}): ")
    return answer.strip() == viewer.pk


def _told(removed: dict[str, int]) -> list[str]:
    receipt = receipts.read(removed)
    lines = [f"{line.number:>12,}  {line.words}" for line in (*receipt.removed, *receipt.cleaned)]
    return lines + [f"Kept: {words}" for words in receipt.kept]
