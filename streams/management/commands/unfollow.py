"""manage.py unfollow: stop reading the chat of channels."""

from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError

from streams.management.commands.follow import logins
from streams.models import Channel


class Command(BaseCommand):
    help = "Stop following channels. What is known of them stays."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("names", nargs="+", metavar="NAME", help="name or twitch.tv address of a channel")

    def handle(self, *, names: list[str], **_options: object) -> None:
        wanted = logins(names)
        known = Channel.objects.in_bulk(wanted, field_name="login")
        if unknown := [login for login in wanted if login not in known]:
            raise CommandError(f"No channel named {', '.join(unknown)} is known.")
        for login in wanted:
            is_news = Channel.objects.filter(login=login, is_followed=True).update(is_followed=False)
            self.stdout.write(f"No longer following {login}." if is_news else f"{login} is not followed.")
