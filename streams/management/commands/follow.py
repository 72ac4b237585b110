"""manage.py follow: read the chat of more channels."""

from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError

from streams.logins import login_of
from streams.models import Channel


class Command(BaseCommand):
    help = "Follow channels. A running ingest joins them within seconds."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("names", nargs="+", metavar="NAME", help="name or twitch.tv address of a channel")

    def handle(self, *, names: list[str], **_options: object) -> None:
        for login in logins(names):
            channel, is_new = Channel.objects.get_or_create(login=login)
            if not is_new and channel.is_followed:
                self.stdout.write(f"{login} is followed already.")
                continue
            Channel.objects.filter(pk=channel.pk).update(is_followed=True)
            self.stdout.write(f"Following {login}.")


def logins(names: list[str]) -> list[str]:
    """Return the login that each name means, before anything is done with one of them."""
    found = []
    for name in names:
        login = login_of(name)
        if login is None:
            raise CommandError(f"{name!r} is not a channel: 1 to 25 of a-z, 0-9 and _, or a twitch.tv address.")
        found.append(login)
    return found
