"""manage.py simulate: what it refuses, in one line each. What it serves is tested with the simulator."""

import gzip
import socket
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

LINE = b"@id=1;room-id=1001;tmi-sent-ts=1 :ann!ann@ann.tmi.twitch.tv PRIVMSG #harbor :hi\n"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        pytest.param({"port": 70_000}, "--port must be from 0 to 65535", id="a port there is not"),
        pytest.param({"rate": -1.0}, "cannot be less than 0", id="a rate below nothing"),
        pytest.param({"rate": float("nan")}, "cannot be less than 0", id="no number"),
        pytest.param({"file": Path("/nowhere.irc")}, "Cannot read /nowhere.irc: No such file", id="no file"),
        pytest.param({"providers": Path("/nowhere.json")}, "Cannot read /nowhere.json: No such file", id="no sets"),
    ],
)
def test_it_refuses(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        call_command("simulate", **options)


def test_it_refuses_a_file_without_chat(tmp_path: Path) -> None:
    file = tmp_path / "shopping.txt"
    file.write_text("milk\n")
    with pytest.raises(CommandError, match=r"no line in it names a channel\.$"):
        call_command("simulate", file=file)


@pytest.mark.parametrize("cut", [pytest.param(slice(0, -9), id="cut off"), pytest.param(slice(0, 10), id="nothing")])
def test_it_refuses_a_file_that_ends_too_early(tmp_path: Path, cut: slice) -> None:
    file = tmp_path / "chat.irc.gz"
    file.write_bytes(gzip.compress(LINE)[cut])
    with pytest.raises(CommandError, match="before the end-of-stream marker"):
        call_command("simulate", file=file)


def test_it_refuses_a_file_that_is_damaged(tmp_path: Path) -> None:
    file = tmp_path / "chat.irc.gz"
    file.write_bytes(gzip.compress(LINE)[:10] + b"\xff" * 20)
    with pytest.raises(CommandError, match="while decompressing"):
        call_command("simulate", file=file)


@pytest.mark.parametrize("text", ["{", "[]", '{"7tv": 3}'])
def test_it_refuses_what_are_no_sets(tmp_path: Path, text: str) -> None:
    file = tmp_path / "sets.json"
    file.write_text(text)
    with pytest.raises(CommandError, match="provider -> path -> body"):
        call_command("simulate", providers=file)


@pytest.mark.parametrize("is_world", [True, False])
def test_it_says_that_its_port_is_taken(tmp_path: Path, is_world: bool) -> None:
    file = tmp_path / "chat.irc"
    file.write_bytes(LINE)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CommandError, match=f"Cannot listen on port {port}"):
            call_command("simulate", port=port, file=None if is_world else file)
