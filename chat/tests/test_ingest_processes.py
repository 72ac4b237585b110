"""The parts of the ingest under one supervisor."""

import asyncio
import os
import signal
import sys

import psutil

from chat.ingest.processes import Part, supervise
from chat.tests.patience import run, until

WAIT = "import signal; signal.sigwait([signal.SIGTERM])"


def part(name, code, *arguments):
    return Part(name, [sys.executable, "-c", code, *(str(argument) for argument in arguments)], first_delay=0.01)


def test_a_part_that_dies_is_started_again():
    async def scenario():
        waiting = part("waiting", WAIT)
        stop = asyncio.Event()
        supervising = asyncio.create_task(supervise([waiting], stop))
        await until(lambda: waiting.process)
        first = waiting.process.pid
        os.kill(first, signal.SIGKILL)
        await until(lambda: waiting.process.pid != first)
        stop.set()
        await supervising

    run(scenario)


def test_parts_stop_one_after_another_in_order(tmp_path):
    log = tmp_path / "log"
    code = (
        "import signal, sys; signal.pthread_sigmask(signal.SIG_BLOCK, [15]); open(sys.argv[1], 'a').write('+');"
        "signal.sigwait([15]); open(sys.argv[1], 'a').write(sys.argv[2])"
    )

    async def scenario():
        stop = asyncio.Event()
        parts = [part(str(number), code, log, number) for number in range(3)]
        supervising = asyncio.create_task(supervise(parts, stop))
        await until(lambda: log.exists() and log.read_text() == "+++")
        stop.set()
        await supervising

    run(scenario)
    assert log.read_text() == "+++012"


def test_a_part_that_does_not_stop_is_killed(monkeypatch):
    monkeypatch.setattr("chat.ingest.processes.STOP_SECONDS", 0.1)

    async def scenario():
        stop = asyncio.Event()
        deaf = part("deaf", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)")
        supervising = asyncio.create_task(supervise([deaf], stop))
        await until(lambda: deaf.process)
        stop.set()
        await supervising
        assert not psutil.pid_exists(deaf.process.pid)

    run(scenario)
