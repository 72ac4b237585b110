"""manage.py ingest: read chat and events and write them to the database."""

import asyncio
import sys
from argparse import ArgumentParser
from functools import partial

from django.conf import settings
from django.core.management.base import BaseCommand

from chat.ingest import pipeline
from chat.ingest.processes import Part, supervise
from streamstats.local.launch import AS_IS, launcher

# In the order in which they stop: what the readers have is written before the writer goes.
ROLES = {
    "reader": pipeline.run_reader,
    "eventsub": pipeline.run_events,
    "writer": pipeline.run_writer,
    "emotes": pipeline.run_emotes,
}


class Command(BaseCommand):
    help = "Read chat of followed channels and events of connected ones into the database, until SIGTERM or Ctrl-C."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--role", choices=ROLES, help="only this part, as one process; by default all, as four")

    def handle(self, *, role: str | None, **_options: object) -> None:
        if role is not None:
            ROLES[role]()
        else:
            parts = [Part(name, command(name)) for name in ROLES]
            asyncio.run(pipeline.until_signalled(partial(supervise, parts)))


def command(role: str) -> list[str]:
    """The command line of a part, which ends when we do, however we do."""
    manage = [sys.executable, str(settings.BASE_DIR / "manage.py")]
    return [*launcher(AS_IS, "SIGTERM"), *manage, "ingest", "--role", role, "--skip-checks"]
