"""manage.py connect: connect accounts at Twitch from a server without a browser."""

from argparse import ArgumentParser
from datetime import timedelta
from time import monotonic as clock
from time import sleep as pause

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console

from streams import grants, oauth
from streams.grants import WrongAccount
from streams.logins import login_of
from streams.models import Channel, TwitchGrant
from streams.oauth import Device, OAuthError, Pending, Tokens, TwitchAway

INTERRUPTED = 130


class Command(BaseCommand):
    help = (
        "Connect a channel or a bot at Twitch: open the address that is shown in any browser, and enter the code."
        " Ends with 0 once that is done, with 1 if it was refused or took too long, with 130 if you stop it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument(
            "--channel", metavar="NAME", help="connect this channel; its own account has to allow it, nobody else's"
        )
        what.add_argument("--bot", action="store_true", help="connect an account that moderates the channels")
        what.add_argument(
            "--list", dest="shows", action="store_true", help="show what is connected, and whether it works"
        )
        what.add_argument("--disconnect", metavar="LOGIN", help="give the tokens of this account back and forget them")

    def handle(
        self, *, channel: str | None, bot: bool, shows: bool, disconnect: str | None, **_options: object
    ) -> None:
        try:
            if shows:
                self._list()
            elif disconnect:
                self._disconnect(disconnect)
            else:
                self._connect(None if bot else _channel(channel or ""))
        except (OAuthError, WrongAccount) as error:
            raise CommandError(str(error)) from None
        except KeyboardInterrupt:
            raise CommandError("Stopped; nothing was connected.", returncode=INTERRUPTED) from None

    def _connect(self, channel: Channel | None) -> None:
        wanted = grants.asked_of(channel)
        device = oauth.ask(lambda server: server.device_start(wanted))
        who = channel.login if channel else "the account that moderates your channels"
        self.stdout.write(f"Open      {device.page}\nenter     {device.user_code}\nlog in as {who}")
        self.stdout.flush()
        tokens = self._wait(device)
        connected = grants.connect_channel(channel, tokens) if channel else grants.connect_bot(tokens)
        if connected.kept_old:
            self.stdout.write("It was connected before, and allowed more then: that still works, and stays as it was.")
        if connected.missing:
            self.stdout.write(f"Not allowed, so it will be missing: {', '.join(connected.missing)}.")
        self.stdout.write(f"Connected {connected.grant.login}.")

    def _wait(self, device: Device) -> Tokens:
        """Ask until somebody has entered the code, as often as Twitch likes to be asked."""
        ends_at = clock() + device.expires_in
        with Console(stderr=True).status("") as status:
            while (left := timedelta(seconds=int(ends_at - clock()))) > timedelta():
                status.update(f"Waiting for the code to be entered, {left} left. Ctrl+C stops it.")
                try:
                    return oauth.ask(lambda server: server.device_poll(device))
                except Pending:
                    pass
                except TwitchAway as error:
                    status.console.print(str(error), highlight=False)
                pause(device.interval)
        raise CommandError("Nobody entered the code in time. Start again for another one.")

    def _list(self) -> None:
        known = TwitchGrant.objects.select_related("channel").order_by("login")
        for grant in known:
            roles = [f"channel {grant.channel.login}"] if grant.channel else []
            roles += ["bot"] if grant.is_bot else []
            problem = grants.problem_of(grant)
            self.stdout.write(f"{grant.login:<25}  {' and '.join(roles) or '-':<34}  {problem or 'works'}")
        if not known:
            self.stdout.write("Nothing is connected.")

    def _disconnect(self, name: str) -> None:
        grant = TwitchGrant.objects.filter(login=login_of(name)).order_by("-granted_at").first()
        if grant is None:
            raise CommandError(f"No account named {name!r} is connected. `connect --list` shows those that are.")
        was_told = grants.revoke(grant)
        self.stdout.write(f"Disconnected {grant.login}.")
        if not was_told:
            self.stdout.write(
                "Twitch could not be told: disconnect the application there too, in Settings, Connections."
            )


def _channel(name: str) -> Channel:
    channel = Channel.objects.filter(login=login_of(name)).first()
    if channel is None or channel.login is None:
        raise CommandError(f"No channel named {name!r} is known. Follow it first: `manage.py follow NAME`.")
    return channel
