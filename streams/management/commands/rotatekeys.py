"""manage.py rotatekeys: encrypt all tokens with the newest key."""

from django.core.management.base import BaseCommand, CommandError

from streams import grants


class Command(BaseCommand):
    help = (
        "Encrypt the tokens of all connections with the first of TOKEN_KEYS. To change keys: put a new one in front of"
        " the old one, restart everything, run this, then take the old one away. Without TOKEN_KEYS the key is"
        " SECRET_KEY: then the old one is that."
    )

    def handle(self, **_options: object) -> None:
        sealed, unreadable = grants.seal_again()
        self.stdout.write(f"Connections encrypted with the newest key: {sealed}.")
        if unreadable:
            raise CommandError(
                f"No key opens {unreadable} more. Put the key of those back into TOKEN_KEYS, or connect them again."
            )
