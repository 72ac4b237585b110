"""Several programs run as one: what they say is heard, and they end together."""

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from honcho.printer import Printer

from streamstats.local.errors import LocalError
from streamstats.local.supervisor import Program, Supervisor

SLEEPER = ["/bin/sh", "-c", "echo up; exec sleep 600"]
STUBBORN = ["/bin/sh", "-c", "trap '' TERM; echo up; while :; do sleep 1; done"]


@pytest.fixture
def output():
    return io.StringIO()


@pytest.fixture
def supervisor(output):
    supervisor = Supervisor(Printer(output, time_format=""), stop_seconds=20)
    yield supervisor
    supervisor.stop()


def start(supervisor, name, command):
    supervisor.start(name, command, os.environ, Path())


def is_up(supervisor, *numbers):
    return lambda: all("up" in supervisor.programs[number].last_lines for number in numbers)


def test_what_a_program_says_is_heard_with_its_name(supervisor, output):
    start(supervisor, "talker", ["/bin/sh", "-c", "echo hello; echo trouble >&2"])
    supervisor.wait()
    assert [line.strip() for line in output.getvalue().splitlines()] == ["talker | hello", "talker | trouble"]


def test_a_command_line_is_taken_word_by_word(supervisor, output):
    start(supervisor, "talker", ["/bin/echo", "a  b", "$HOME", "'"])
    supervisor.wait()
    assert "a  b $HOME '" in output.getvalue()


def test_the_first_to_end_is_remembered_with_its_code_and_last_words(supervisor):
    start(supervisor, "sleeper", SLEEPER)
    start(supervisor, "broken", ["/bin/sh", "-c", "echo no >&2; exit 3"])
    supervisor.wait()
    ended = supervisor.first_ended
    assert (ended.name, ended.returncode, list(ended.last_lines)) == ("broken", 3, ["no"])


def test_a_program_that_cannot_be_run_says_so(supervisor):
    start(supervisor, "absent", ["/nonexistent/program"])
    supervisor.wait()
    assert list(supervisor.first_ended.last_lines) == ["cannot run /nonexistent/program: No such file or directory"]


def test_all_are_asked_to_end(supervisor):
    for name in ("one", "two"):
        start(supervisor, name, SLEEPER)
    assert supervisor.wait_until(is_up(supervisor, 0, 1))
    supervisor.stop()
    assert [program.returncode for program in supervisor.programs] == [-signal.SIGTERM] * 2


def test_what_others_lean_on_ends_last(supervisor):
    supervisor.start("base", SLEEPER, os.environ, Path(), stops_last=True)
    start(supervisor, "user", SLEEPER)
    assert supervisor.wait_until(is_up(supervisor, 0, 1))
    supervisor.stop()
    assert supervisor.first_ended.name == "user"


def test_one_that_does_not_listen_is_killed(output, tmp_path):
    supervisor = Supervisor(Printer(output), stop_seconds=0.5)
    supervisor.start("stubborn", STUBBORN, os.environ, tmp_path)
    assert supervisor.wait_until(is_up(supervisor, 0))
    supervisor.stop()
    assert supervisor.programs[0].returncode == -signal.SIGKILL


def test_a_stop_right_after_the_start_leaves_nothing(supervisor):
    start(supervisor, "sleeper", SLEEPER)
    supervisor.stop()
    assert not psutil.pid_exists(supervisor.programs[0].pid)


@pytest.mark.parametrize(
    ("returncode", "fate"),
    [(None, "runs"), (0, "ended by itself with code 0"), (-9, "was ended by SIGKILL")],
)
def test_what_became_of_a_program_is_told_in_words(returncode, fate):
    assert Program("one", returncode=returncode).fate() == fate


def test_what_cannot_be_looked_after_ends_the_waiting(output):
    def watch():
        raise LocalError("it is lost")

    with pytest.raises(LocalError, match="it is lost"):
        Supervisor(Printer(output), watch=watch).wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_a_wish_to_stop(supervisor, number):
    start(supervisor, "sleeper", SLEEPER)
    with supervisor.stopping_on_signals():
        signal.raise_signal(number)
        supervisor.wait()
    assert supervisor.is_stop_asked
    assert supervisor.first_ended is None


def test_signals_are_handled_as_before_afterwards(supervisor):
    before = signal.getsignal(signal.SIGTERM)
    with supervisor.stopping_on_signals():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent is gone")
def test_programs_do_not_outlive_a_killed_supervisor(tmp_path):
    source = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from honcho.printer import Printer\n"
        "from streamstats.local.supervisor import Supervisor\n"
        "supervisor = Supervisor(Printer(sys.stderr))\n"
        f"supervisor.start('sleeper', {SLEEPER!r}, os.environ, Path({str(tmp_path)!r}))\n"
        "supervisor.wait_until(lambda: 'up' in supervisor.programs[0].last_lines)\n"
        "print(supervisor.programs[0].pid, flush=True)\n"
        "supervisor.wait()\n"
    )
    killed = subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert killed.stdout
    program = psutil.Process(int(killed.stdout.readline()))
    killed.kill()
    killed.communicate()
    gone, _ = psutil.wait_procs([program], timeout=10)
    assert gone == [program]
