"""Several programs as one: started together, heard together, stopped together.

Honcho gives the processes and the printer. Its `Manager` does not fit: the processes that it puts between itself
and the programs would outlive a SIGKILL, and the programs with them.
"""

import os
import shlex
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from types import FrameType
from typing import Any

from honcho.colour import get_colours
from honcho.printer import Message, Printer
from honcho.process import Process

from streamstats.local.fate import fate
from streamstats.local.launch import AS_IS, launcher

TICK_SECONDS = 0.1
LAST_LINES = 20
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass
class Program:
    """One program and what became of it."""

    name: str
    stops_last: bool = False
    pid: int | None = None
    returncode: int | None = None
    last_lines: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_LINES))

    def fate(self) -> str:
        return "runs" if self.returncode is None else fate(self.returncode)

    def signal(self, number: signal.Signals) -> None:
        if self.pid and self.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, number)  # honcho gives each a session, hence a group, of its own


class Supervisor:
    """Runs programs until one ends or a stop is asked for, then ends them all.

    `watch` is called over and over meanwhile: it looks after what the programs lean on, and raises if it cannot.
    """

    def __init__(self, printer: Printer, *, watch: Callable[[], None] = lambda: None, stop_seconds: float = 20) -> None:
        self.programs: list[Program] = []
        self.first_ended: Program | None = None
        self._printer = printer
        self._watch = watch
        self._stop_seconds = stop_seconds
        self._colours = get_colours()
        self._events: SimpleQueue[Message] = SimpleQueue()
        self.is_stop_asked = False

    def start(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        *,
        stops_last: bool = False,
        dies_by: signal.Signals = signal.SIGTERM,
    ) -> None:
        """Start a program that dies with this process, by that signal; `stops_last` is for what others complain about
        when it goes.
        """
        line = f"exec {shlex.join([*launcher(AS_IS, dies_by.name), *command])}"
        process = Process(line, name=name, colour=next(self._colours), env=dict(environment), cwd=str(folder))
        self._printer.width = max(self._printer.width, len(name))
        self.programs.append(Program(name, stops_last))
        Thread(target=process.run, args=(self._events,), name=name, daemon=True).start()

    def wait_until(self, condition: Callable[[], bool]) -> bool:
        """Serve events until the condition holds; False if a stop was asked for, or a program ended, before."""
        while not self._should_stop():
            self._watch()
            if condition():
                return True
            self._serve_event()
        return False

    def wait(self) -> None:
        """Serve events until a stop is asked for or a program ends."""
        self.wait_until(lambda: False)

    def stop(self) -> None:
        """Ask every program to end, and insist when time is up."""
        self._serve_until(lambda: all(program.pid for program in self.programs))
        for is_last in (False, True):
            programs = [program for program in self.programs if program.stops_last == is_last]
            for number in (signal.SIGTERM, signal.SIGKILL):
                for program in programs:
                    program.signal(number)
                self._serve_until(partial(all_ended, programs))

    @contextmanager
    def stopping_on_signals(self) -> Iterator[None]:
        """Take Ctrl-C, SIGTERM and a closed terminal for a wish to stop."""
        before = {number: signal.signal(number, self._ask_to_stop) for number in STOP_SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _ask_to_stop(self, number: int, frame: FrameType | None) -> None:
        self.is_stop_asked = True

    def _should_stop(self) -> bool:
        return self.is_stop_asked or self.first_ended is not None

    def _serve_until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + self._stop_seconds
        while not condition() and time.monotonic() < deadline:
            self._serve_event()

    def _serve_event(self) -> None:
        try:
            message: Any = self._events.get(timeout=TICK_SECONDS)
        except Empty:
            return
        program = next(program for program in self.programs if program.name == message.name)
        if message.type == "start":
            program.pid = message.data["pid"]
        elif message.type == "stop":
            program.returncode = message.data["returncode"]
            self.first_ended = self.first_ended or program
        else:
            program.last_lines.append(message.data.decode(errors="replace").rstrip())
            self._printer.write(message)


def all_ended(programs: Iterable[Program]) -> bool:
    return all(program.returncode is not None for program in programs)
