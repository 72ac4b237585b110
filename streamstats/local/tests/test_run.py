"""`manage.py run` brings everything up, and takes everything down."""

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator

import psutil
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from streamstats.local import ports
from streamstats.local.manage import PROJECT
from streamstats.local.servers import owned_home
from streamstats.management.commands.run import environment_of_programs
from streamstats.simulator.addresses import addresses


class Run:
    """`manage.py run --channel somebody` in a home of its own, with nothing outside to talk to, nor an application."""

    def __init__(self, layout):
        self.port = ports.free_port()
        nowhere = ports.free_port()
        self.environment = {
            **{name: value for name, value in os.environ.items() if name == "PATH" or name.startswith("COVERAGE")},
            "ENV_FILE": os.devnull,
            "STREAMSTATS_HOME": str(layout.home),
            "PORT": str(self.port),
            "LOG_LEVEL": "CRITICAL",
            **{name: value for name, value in addresses(nowhere).items() if "CLIENT" not in name},
        }
        self.processes: list[subprocess.Popen[str]] = []

    def start(self):
        """Return once it says that it runs."""
        process = subprocess.Popen(
            [sys.executable, str(PROJECT / "manage.py"), "run", "--channel", "somebody"],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.processes.append(process)
        assert process.stdout
        said = []
        for line in process.stdout:
            said.append(line)
            if f"http://127.0.0.1:{self.port}/" in line:
                return
        raise AssertionError("".join(said))

    def end(self, number):
        """Return how it ended, and its last line."""
        process = self.processes.pop()
        process.send_signal(number)
        said, _ = process.communicate()
        return process.returncode, said.splitlines()[-1:]

    def family(self):
        return psutil.Process(self.processes[-1].pid).children(recursive=True)


@pytest.fixture
def run(layout) -> Iterator[Run]:
    run = Run(layout)
    yield run
    while run.processes:
        run.end(signal.SIGTERM)


def test_it_starts_again_after_a_kill_and_ends_cleanly(run):
    run.start()
    family = run.family()
    run.end(signal.SIGKILL)
    run.start()
    _, left = psutil.wait_procs(family, timeout=30)
    assert left == []

    with urllib.request.urlopen(f"http://127.0.0.1:{run.port}/healthz") as answer:
        assert answer.status == 200

    family = run.family()
    assert run.end(signal.SIGTERM) == (0, ["Stopped."])
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in family)


def test_the_demo_speaks_to_the_simulator_whatever_is_configured():
    configured = {"TWITCH_CLIENT_ID": "real", "TWITCH_HELIX_URL": "https://api.twitch.tv/helix", "LOG_LEVEL": "INFO"}
    told = environment_of_programs(configured, 8001)
    assert addresses(8001).items() <= told.items()
    assert told["LOG_LEVEL"] == "INFO"


def test_a_real_channel_is_followed_with_what_is_configured():
    told = environment_of_programs({"TWITCH_CLIENT_ID": "real"}, None)
    assert told["TWITCH_CLIENT_ID"] == "real"
    assert "TWITCH_HELIX_URL" not in told


@pytest.mark.parametrize("name", ["", "two words", "a" * 26, "name;", "näme"])
def test_what_cannot_be_a_channel_is_refused(name):
    with pytest.raises(CommandError, match="is not the name of a Twitch channel"):
        call_command("run", channel=name)


def test_a_port_that_is_taken_is_named(run):
    with socket.create_server((ports.LOOPBACK, run.port)), pytest.raises(AssertionError) as failure:
        run.start()
    assert str(failure.value).startswith(f"CommandError: port {run.port} is in use by another program: try `PORT=")


def test_a_home_that_is_in_use_is_named(run, layout):
    with owned_home(layout), pytest.raises(AssertionError, match="is in use by process"):
        run.start()
