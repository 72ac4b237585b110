"""manage.py simulate: a local Twitch to try things on."""

import asyncio
import signal
import zlib
from argparse import ArgumentParser
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from streamstats.simulator.addresses import addresses
from streamstats.simulator.catalogue import Catalogue
from streamstats.simulator.feeds import LineFile, LiveWorld, serve_file
from streamstats.simulator.server import FAULTS, PROVIDER_FAULTS, CannotListen, SimulatedTwitch
from streamstats.simulator.world import DEFAULT_SEED, World
from streamstats.simulator.worldfacts import WorldFacts

HIGHEST_PORT = 65_535


class Command(BaseCommand):
    help = (
        "Serve a simulated Twitch on a port of this machine: chat over WebSocket, log-in, Helix and EventSub, 7TV,"
        " BetterTTV and FrankerFaceZ with their live sockets, and pictures. It prints the settings that point"
        " StreamStats at it. Faults are asked for with POST /control/FAULT, where FAULT is: "
        + "; ".join(f"{name}: {meaning}" for name, meaning in FAULTS.items())
        + ". An emote provider is 7tv, bttv or ffz, and its faults are: "
        + "; ".join(f"{name}: {meaning}" for name, meaning in PROVIDER_FAULTS.items())
        + ". POST /control/say?channel= sends the lines in its body; GET /control shows who is connected."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, help="0 takes any free one (default: the one after PORT)")
        parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help="another seed is another world")
        parser.add_argument(
            "--file", type=Path, help="send these raw IRC lines, plain or gzipped, once, instead of a world"
        )
        parser.add_argument(
            "--rate", type=float, default=0, help="lines of --file a second (default: as fast as they are taken)"
        )
        parser.add_argument(
            "--after-joins",
            type=int,
            default=1,
            metavar="N",
            help="start --file when so many of its channels have been joined (default: 1; 0 starts at once)",
        )
        parser.add_argument(
            "--providers", type=Path, metavar="JSON", help="what the emote providers answer: provider -> path -> body"
        )

    def handle(
        self,
        *,
        port: int | None,
        seed: int,
        file: Path | None,
        rate: float,
        after_joins: int,
        providers: Path | None,
        **options: object,
    ) -> None:
        port = int(settings.PORT) + 1 if port is None else port
        if not 0 <= port <= HIGHEST_PORT:
            raise CommandError(f"--port must be from 0 to {HIGHEST_PORT}.")
        if not 0 <= rate < float("inf") or after_joins < 0:
            raise CommandError("--rate and --after-joins cannot be less than 0, nor without end.")
        lines = _read(file) if file else None
        catalogue = _read_catalogue(providers) if providers else None
        is_quiet = options.get("verbosity") == 0
        try:
            if lines is None:
                asyncio.run(self._simulate(port, seed, catalogue, is_quiet=is_quiet))
            else:
                asyncio.run(self._send(port, lines, catalogue, rate, after_joins))
        except CannotListen as error:
            raise CommandError(str(error)) from error
        self.stdout.write("Done.")

    async def _simulate(self, port: int, seed: int, catalogue: Catalogue | None, *, is_quiet: bool) -> None:
        """Play the world until told to stop."""
        now = datetime.now(UTC)
        world = World.watched_at(now, seed)
        rooms = {channel.login: channel.twitch_id for channel in world.channels}
        # The facts are asked only once it serves, and then it knows its port.
        facts = WorldFacts(world, lambda: datetime.now(UTC), lambda: twitch.base_url)
        async with SimulatedTwitch(rooms, catalogue=catalogue, facts=facts, port=port) as twitch:
            live = LiveWorld(twitch, world, is_changing_sets=catalogue is None)
            if not is_quiet:
                self._say_where(twitch)
            await _until_stopped(twitch.start(live.play()))

    async def _send(
        self, port: int, lines: LineFile, catalogue: Catalogue | None, rate: float, after_joins: int
    ) -> None:
        """Send the file, then stay until told to stop, as Twitch would."""
        async with SimulatedTwitch(lines.rooms, catalogue=catalogue, port=port) as twitch:
            self._say_where(twitch)

            async def send() -> None:
                sent = await serve_file(twitch, lines, rate=rate, after_joins=after_joins)
                self.stdout.write(f"Sent {sent:,} lines.")
                await asyncio.Event().wait()

            await _until_stopped(twitch.start(send()))

    def _say_where(self, twitch: SimulatedTwitch) -> None:
        for name, address in addresses(twitch.port).items():
            self.stdout.write(f"export {name}={address}")
        self.stdout.write(f"# channels: {', '.join(twitch.irc.rooms)}", ending="\n")
        self.stdout.flush()


def _read(file: Path) -> LineFile:
    try:
        return LineFile(file)
    except OSError as error:
        raise CommandError(f"Cannot read {file}: {error.strerror or error}.") from error
    except (ValueError, EOFError, zlib.error) as error:
        raise CommandError(f"{file}: {error}.") from error


def _read_catalogue(file: Path) -> Catalogue:
    try:
        catalogue = Catalogue.read(file)
    except OSError as error:
        raise CommandError(f"Cannot read {file}: {error.strerror}.") from error
    except (ValueError, AttributeError, TypeError) as error:
        raise CommandError(f"{file} is not JSON of the shape provider -> path -> body: {error}.") from error
    if not any(catalogue.bodies.values()):
        raise CommandError(f"{file} has no sets of the shape provider -> path -> body in it.")
    return catalogue


async def _until_stopped(work: asyncio.Task[None]) -> None:
    """Wait for SIGINT or SIGTERM. Work that ends by itself has failed, and its error is raised here."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    with ExitStack() as undo:
        for signum in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(signum, stopped.set)
            undo.callback(loop.remove_signal_handler, signum)
        stopping = asyncio.create_task(stopped.wait())
        undo.callback(stopping.cancel)
        await asyncio.wait({work, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            work.result()
