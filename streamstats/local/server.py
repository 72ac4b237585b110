"""What the embedded servers have in common: start, wait for an answer, stop, and clear up after a crash."""

import os
import re
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import psutil

from streamstats.local.errors import LocalError
from streamstats.local.fate import fate
from streamstats.local.identity import Identity, identity_for, private_folder
from streamstats.local.launch import launcher
from streamstats.local.layout import Layout

POLL_SECONDS = 0.02
LOG_BYTES_KEPT = 5_000_000
# A crash is repaired at start, which takes as long as it takes, within reason.
START_SECONDS = 300
STOP_SECONDS = 30


class EmbeddedServer(ABC):
    """A server process of our own, which ends with this process, whatever ends this process.

    `durable=False` trades what an acknowledged write promises for speed; it is for tests.
    """

    name: ClassVar[str]
    may_be_root: ClassVar[bool]
    process_names: ClassVar[frozenset[str]]
    stop_signal: ClassVar[signal.Signals]

    def __init__(self, layout: Layout, *, durable: bool = True) -> None:
        self.layout = layout
        self.durable = durable
        self._identity: Identity | None = None
        self._process: psutil.Popen | None = None
        self._log_start = 0

    @property
    @abstractmethod
    def url(self) -> str:
        """Where clients reach it, in the form of the setting."""

    @property
    @abstractmethod
    def program(self) -> Path: ...

    @property
    @abstractmethod
    def data(self) -> Path: ...

    @abstractmethod
    def prepare_data(self) -> None:
        """Make the data folder, if there is none."""

    @abstractmethod
    def arguments(self) -> list[str]: ...

    @abstractmethod
    def answers(self) -> bool:
        """Whether it takes commands now; False while it starts, repairs or is away."""

    @property
    def log(self) -> Path:
        return self.layout.logs / f"{self.name.lower()}.log"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def identity(self) -> Identity:
        if self._identity is None:
            self._identity = identity_for(self.program, self.data, may_be_root=self.may_be_root)
        return self._identity

    def start(self) -> None:
        """Return once the server answers."""
        if self._process:
            raise RuntimeError(f"{self.name} runs already")
        self._stop_orphans()
        self._make_folders()
        self.prepare_data()
        self._process = self.spawn(self.program, self.arguments())
        try:
            self._wait_for_answer(self._process)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Let the server finish what it has begun and end."""
        if self._process:
            end(self._process, self.stop_signal)
            self._process = None

    def kill(self) -> None:
        """End the server as a crash would: at once, with every process it has."""
        if self._process:
            kill_tree(self._process)
            self._process = None

    def fate(self) -> str | None:
        """How it ended, if it did so unasked."""
        returncode = self._process.poll() if self._process else None
        return None if returncode is None else fate(returncode)

    def start_again(self) -> None:
        """Return once a new process answers in place of one that ended."""
        self.kill()
        self.start()

    def spawn(self, program: Path, arguments: list[str]) -> psutil.Popen:
        """Run a program as the server's identity, in a session of its own: a Ctrl-C is for us, not for it."""
        with self.log.open("ab") as log:
            self._log_start = log.tell()
            return psutil.Popen(
                [*launcher(self.identity.name, self.stop_signal.name), str(program), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd="/",
                env=server_environment(),
            )

    def failure(self, what: str) -> LocalError:
        return LocalError(f"{what}: {self._last_complaint()} (see {self.log})")

    def _last_complaint(self) -> str:
        """The line that says best why the program stopped."""
        text = self.log.read_bytes()[self._log_start :].decode(errors="replace")
        lines = [line for line in text.splitlines() if line.strip()]
        grave = [line for line in lines if "FATAL" in line or "PANIC" in line or "rror" in line]
        return re.sub(r"^.*(FATAL|PANIC|ERROR): +", "", (grave or lines or ["it said nothing"])[-1]).strip()

    def _make_folders(self) -> None:
        self.layout.logs.mkdir(parents=True, exist_ok=True)
        private_folder(self.layout.sockets, self.identity.uid)
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES_KEPT:
            self.log.replace(self.log.with_suffix(".old.log"))

    def _wait_for_answer(self, process: psutil.Popen) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if process.poll() is not None:
                raise self.failure(f"{self.name} did not start")
            if time.monotonic() > deadline:
                raise self.failure(f"{self.name} did not answer within {START_SECONDS} s")
            time.sleep(POLL_SECONDS)

    def _stop_orphans(self) -> None:
        """Stop what still runs on our data after its supervisor was killed.

        Only the holder of the home's lock starts servers, so nobody uses such a server on purpose.
        """
        for process in self._orphans():
            end(process, self.stop_signal)
        # Postgres backends may outlive their postmaster, and then keep the next one from starting.
        for process in self._orphans():
            kill_tree(process)

    def _orphans(self) -> list[psutil.Process]:
        """Server processes that work in our data folder, without the children of another of them."""
        found = list(self._working_in_data())
        pids = {process.pid for process in found}
        return [process for process in found if process.info["ppid"] not in pids]

    def _working_in_data(self) -> Iterator[psutil.Process]:
        data = str(self.data.resolve())
        for process in psutil.process_iter(["ppid", "name", "cwd"]):
            # Both servers change into their data folder. A shell in there is none of our business.
            if process.info["cwd"] == data and process.info["name"] in self.process_names:
                yield process


def end(process: psutil.Process, stop_signal: signal.Signals) -> None:
    with suppress(psutil.NoSuchProcess):
        try:
            process.send_signal(stop_signal)
            process.wait(STOP_SECONDS)
        except psutil.TimeoutExpired:
            kill_tree(process)


def kill_tree(process: psutil.Process) -> None:
    family = [process]
    with suppress(psutil.NoSuchProcess):
        family += process.children(recursive=True)
    for member in family:
        with suppress(psutil.NoSuchProcess):
            member.kill()
    psutil.wait_procs(family, timeout=STOP_SECONDS)


def server_environment() -> dict[str, str]:
    """Ours, but for what would quietly change a server: PGPORT moves its socket, a locale translates its messages."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
    return {**kept, "LC_ALL": "C"}
