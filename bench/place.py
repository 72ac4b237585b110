"""A place to measure in: a new home with durable servers of its own, emptied afterwards."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import django

from streamstats.local.layout import Layout
from streamstats.local.servers import Servers, owned_home

ROOT = Path(__file__).resolve().parent.parent


@contextmanager
def installation(kept: Path | None = None, **environment: str) -> Iterator[Servers]:
    """Start servers as `make run` does, migrate, and set Django up on them: in a new home, or in one that is kept."""
    home = kept.resolve() if kept else Path(tempfile.mkdtemp(prefix="streamstats-bench-"))
    layout = Layout(home)
    for name in ("DATABASE_URL", "REDIS_URL"):
        os.environ.pop(name, None)
    os.environ |= {"STREAMSTATS_HOME": str(home), "DJANGO_SETTINGS_MODULE": "streamstats.settings", **environment}
    os.environ |= {"SECRET_KEY": "bench", "LOG_LEVEL": os.environ.get("LOG_LEVEL", "WARNING")}
    try:
        with owned_home(layout), Servers(layout) as servers:
            django.setup()
            from django.core.management import call_command

            call_command("migrate", verbosity=0)
            yield servers
    finally:
        if kept is None:
            shutil.rmtree(home, ignore_errors=True)


def manage(*arguments: str) -> "subprocess.Popen[bytes]":
    """Start a management command in a process of its own."""
    return subprocess.Popen([sys.executable, str(ROOT / "manage.py"), *arguments], cwd=ROOT)


def run_manage(*arguments: str) -> None:
    subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *arguments], cwd=ROOT, check=True, stdout=subprocess.DEVNULL
    )
