"""`manage.py run`: everything on this machine, as one program."""

import os
import re
import signal
import sys
import urllib.error
import urllib.request
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import TextIOWrapper
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from honcho.printer import Printer

from streamstats.celery import LONG, POLLS, SUMMARIES, WEBHOOKS, app
from streamstats.local import ports
from streamstats.local.errors import LocalError
from streamstats.local.launch import die_with_parent
from streamstats.local.manage import PROJECT, require_local_packages
from streamstats.local.supervisor import Supervisor
from streamstats.simulator.addresses import addresses

CHANNEL_NAME = re.compile(r"[a-zA-Z0-9_]{1,25}")
MANAGE = [sys.executable, str(PROJECT / "manage.py")]
CELERY = [sys.executable, "-m", "celery", "--quiet", "-A", "streamstats"]
# Celery warns at length; on a machine with only root there is nothing to be done about it.
ROOT_IS_FINE = {"PYTHONWARNINGS": "ignore:You're running the worker with superuser privileges"}
# Asked to stop, the worker gives its jobs as long as `streamstats/celery.py` says, then hands them back.
STOPS_IN_TIME = {"REMAP_SIGTERM": "SIGQUIT"}
# Which queue each worker takes jobs from: see `streamstats/celery.py`.
WORKERS = {
    "polls": POLLS,
    "worker": app.conf.task_default_queue,
    "long": LONG,
    "summaries": SUMMARIES,
    "webhooks": WEBHOOKS,
}
# A live page keeps its connection open for ever, so a stop does not wait for connections.
WEB_OPTIONS = "--lifespan off --no-access-log --log-level warning --timeout-graceful-shutdown 2"
WEB = [sys.executable, "-m", "uvicorn", "streamstats.asgi:application", "--host", ports.LOOPBACK, *WEB_OPTIONS.split()]


class Command(BaseCommand):
    help = (
        "Run StreamStats on this machine: servers, ingest, pages and jobs, until Ctrl-C. "
        "Without --channel it shows a simulated channel with a month of history, and needs no network. "
        "With --channel it follows a real one, anonymously, and keeps its data apart from the demo's, "
        "in .data/live (unless STREAMSTATS_HOME says where)."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--channel", metavar="NAME", help="a Twitch channel to follow instead of the demo")

    def handle(self, *args: Any, channel: str | None, **options: Any) -> None:
        if channel is not None and not CHANNEL_NAME.fullmatch(channel):
            raise CommandError(f"{channel!r} is not the name of a Twitch channel")
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(line_buffering=True)  # whoever reads along in a file sees it when it is said
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
        if "MAKELEVEL" in os.environ:  # a `make run` that is killed does not leave us behind
            die_with_parent(signal.SIGTERM)
        try:
            with self._servers() as watch:
                self._run(channel, watch)
        except LocalError as error:
            raise CommandError(str(error)) from error

    @contextmanager
    def _servers(self) -> Iterator[Callable[[], None]]:
        """Start what is embedded, once nothing else speaks against a start; give what looks after it from then on."""
        if not settings.IS_ONE_MACHINE:
            check_port()
            yield lambda: None
            return
        require_local_packages()
        # Only here: a production image has no embedded servers, nor the libraries that look after them.
        from streamstats.local.servers import Servers, owned_home  # noqa: PLC0415

        with owned_home(settings.LAYOUT):
            check_port()
            self.stdout.write("Starting Postgres and Redis ...")
            with Servers(settings.LAYOUT, postgres=settings.EMBEDS_POSTGRES, redis=settings.EMBEDS_REDIS) as servers:
                yield lambda: servers.revive(self.stdout.write)

    def _run(self, channel: str | None, watch: Callable[[], None]) -> None:
        port = int(settings.PORT)
        self.stdout.write("Preparing the database ...")
        call_command("migrate", verbosity=0, interactive=False)
        # The same port each time, if it can be had: stored addresses of emote images contain it.
        simulator_port = ports.free_port(preferred=port + 1) if channel is None else None
        if channel is None:
            call_command("demo", port=simulator_port)
        else:
            call_command("follow", channel)
        connection.close()
        supervisor = Supervisor(Printer(sys.stdout, time_format=""), watch=watch)
        with supervisor.stopping_on_signals():
            try:
                start_programs(supervisor, port, simulator_port)
                if supervisor.wait_until(lambda: is_healthy(port)):
                    self._say_ready(port, channel)
                    supervisor.wait()
            finally:
                self.stdout.write("Stopping ...")
                supervisor.stop()
        self._report(supervisor)

    def _say_ready(self, port: int, channel: str | None) -> None:
        ready = f"StreamStats is running at http://{ports.LOOPBACK}:{port}/ — Ctrl-C stops it"
        self.stdout.write(self.style.SUCCESS(ready))
        if channel:
            self.stdout.write(f"For other commands on its data: export STREAMSTATS_HOME='{settings.STREAMSTATS_HOME}'")

    def _report(self, supervisor: Supervisor) -> None:
        ended = supervisor.first_ended
        if supervisor.is_stop_asked or ended is None:
            self.stdout.write("Stopped.")
            return
        last_words = ["its last words:", *ended.last_lines] if ended.last_lines else ["without a word"]
        raise CommandError("\n  ".join([f"{ended.name} {ended.fate()},", *last_words]))


def check_port() -> None:
    port = int(settings.PORT)
    if not ports.is_free(port):
        raise CommandError(f"port {port} is in use by another program: try `PORT={ports.next_free(port)} make run`")


def start_programs(supervisor: Supervisor, port: int, simulator_port: int | None) -> None:
    environment = environment_of_programs(os.environ, simulator_port)

    def start(name: str, *command: str, **how: Any) -> None:
        supervisor.start(name, command, environment, PROJECT, **how)

    if simulator_port:
        start("simulator", *MANAGE, "simulate", "--port", str(simulator_port), "--verbosity", "0", stops_last=True)
        supervisor.wait_until(lambda: ports.answers(simulator_port))
    start("ingest", *MANAGE, "ingest")
    start("web", *WEB, "--port", str(port))
    for name, queue in WORKERS.items():
        options = ("--queues", queue, "--hostname", f"{name}@%h", "--concurrency", "1", "--loglevel", "warning")
        start(name, *CELERY, "worker", *options)
    # Told to end while it begins, beat may go on for ever, beside the next one. A kill spoils nothing of it.
    schedule = ("--schedule", str(settings.LAYOUT.schedule), "--pidfile=")
    start("beat", *CELERY, "beat", *schedule, "--loglevel", "warning", dies_by=signal.SIGKILL)


def environment_of_programs(own: Mapping[str, str], simulator_port: int | None) -> dict[str, str]:
    """What programs are told. In the demo, Twitch and the providers are the simulator, whatever is configured.

    A real application's id, from a `.env` or from anywhere, has no business there: what the demo keeps as permission
    is none at the real Twitch, and what it asks is nobody's real account.
    """
    fixed = {"STREAMSTATS_HOME": str(settings.STREAMSTATS_HOME), "PYTHONUNBUFFERED": "1"}
    world = addresses(simulator_port) if simulator_port else {}
    return {"LOG_LEVEL": "WARNING", **own, **fixed, **ROOT_IS_FINE, **STOPS_IN_TIME, **world}


def is_healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://{ports.LOOPBACK}:{port}/healthz", timeout=2):
            return True
    except (urllib.error.URLError, OSError):
        return False
