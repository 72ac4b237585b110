"""A file of raw lines goes through the store: whole, resumable, and safe to run twice."""

import gzip
import os
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from chat.ingest.store import Store
from chat.models import DeadLetter, EmoteUsage, Message, Replay
from chat.replay import LINES_AT_ONCE, ReplayFile, replay_lines
from chat.retention import expire
from chat.tests.evening import EVENING
from chat.tests.factories import EntryFactory
from chat.tests.lines import DAY, moment, privmsg
from chat.tests.tables import counted_again, counters, everything

pytestmark = pytest.mark.django_db(transaction=True)

LINES = [privmsg(f"message {number}", user=f"viewer{number % 7}", at=number) for number in range(100)]


def replay(file: Path | str, **options: object) -> str:
    """Run the command without asking anybody for emotes; return what it said."""
    out = StringIO()
    call_command("replay", str(file), no_fetch=True, stdout=out, stderr=out, **options)
    return out.getvalue()


@pytest.fixture
def file(tmp_path):
    """A plain file of lines."""
    path = tmp_path / "chat.irc"
    path.write_bytes(b"\n".join(LINES) + b"\n")
    return path


def texts() -> set[str]:
    return set(Message.objects.values_list("text", flat=True))


def test_a_plain_file_is_stored(file):
    assert "100 lines read, 100 new messages. Done." in replay(file)
    assert texts() == {f"message {number}" for number in range(100)}


def test_a_gzipped_file_is_stored_whatever_its_name(tmp_path):
    file = tmp_path / "chat"
    file.write_bytes(gzip.compress(b"\n".join(LINES)))
    replay(file)
    assert Message.objects.count() == 100


def replay_input(tmp_path: Path, content: bytes) -> None:
    """Run the command with this on its standard input."""
    file = tmp_path / "input"
    file.write_bytes(content)
    before = os.dup(0)
    with file.open("rb") as given:
        os.dup2(given.fileno(), 0)
    try:
        replay("-")
    finally:
        os.dup2(before, 0)
        os.close(before)


@pytest.mark.parametrize("packed", [bytes, gzip.compress], ids=["plain", "gzipped"])
def test_standard_input_is_stored(tmp_path, packed):
    replay_input(tmp_path, packed(b"\n".join(LINES)))
    assert Message.objects.count() == 100


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"\r\n".join(LINES) + b"\r\n", id="CRLF"),
        pytest.param(b"\n".join(LINES), id="no line end at the end"),
        pytest.param(b"\n\n".join(LINES), id="empty lines"),
    ],
)
def test_line_ends_make_no_difference(tmp_path, content):
    file = tmp_path / "chat.irc"
    file.write_bytes(content)
    replay(file)
    assert texts() == {f"message {number}" for number in range(100)}
    assert not DeadLetter.objects.exists()


def test_an_empty_file_is_nothing(tmp_path):
    file = tmp_path / "empty"
    file.touch()
    assert "0 lines read, 0 new messages. Done." in replay(file)


def test_counters_are_right_afterwards(tmp_path):
    EntryFactory.create(name="Emote")
    file = tmp_path / "chat.irc"
    file.write_bytes(b"\n".join(EVENING))
    replay(file)
    assert EmoteUsage.objects.exists()
    assert counters() == counted_again()


# Twice


@pytest.mark.parametrize("again", [False, True])
def test_a_second_run_changes_nothing(file, again):
    replay(file)
    before = everything()
    replay(file, again=again)
    assert everything() == before


def test_a_second_run_says_that_all_is_done(file):
    replay(file)
    assert "Going on after 100 lines" in replay(file)


def test_a_file_that_has_grown_is_read_to_its_new_end(file):
    replay(file)
    with file.open("ab") as more:
        more.write(privmsg("one more", at=200))
    assert "1 new messages" in replay(file)


def test_the_same_file_under_another_name_is_done_already(file):
    replay(file)
    assert "0 lines read" in replay(file.rename(file.with_name("other.irc")))


def test_lines_past_retention_are_told(file):
    replay(file)
    expire(moment(400 * DAY))
    assert "100 lines are past retention and were not stored." in replay(file, again=True)


# Interrupted


class PowerCutError(Exception):
    pass


class Failing(Store):
    """A store that fails at the third batch."""

    batches = 0

    def write(self, lines):
        self.batches += 1
        if self.batches == 3:
            raise PowerCutError
        return super().write(lines)


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr("chat.replay.LINES_AT_ONCE", 10)


@pytest.fixture
def interrupted(file, small_batches) -> Replay:
    progress = Replay.objects.create(digest=ReplayFile(str(file)).digest(), name=str(file))
    with pytest.raises(PowerCutError):
        replay_lines(LINES, source="test", store=Failing(), progress=progress)
    return progress


def test_an_interrupted_run_knows_how_far_it_came(interrupted):
    interrupted.refresh_from_db()
    assert (interrupted.lines_done, Message.objects.count()) == (20, 20)


def test_an_interrupted_run_goes_on_where_it_stopped(interrupted, file):
    assert "80 lines read, 80 new messages" in replay(file)
    assert texts() == {f"message {number}" for number in range(100)}


def test_an_interrupted_run_can_start_over(interrupted, file):
    assert "100 lines read, 80 new messages" in replay(file, again=True)


def test_progress_is_told_line_by_line(small_batches):
    told: list[int] = []
    replay_lines(LINES[:25], source="test", on_progress=told.append)
    assert told == [10, 20, 25]


def test_channels_are_told_before_their_first_line_is_stored():
    stored_before: list[int] = []
    replay_lines(LINES, source="test", on_new_channels=lambda keys: stored_before.append(Message.objects.count()))
    assert stored_before == [0]


def test_sets_that_came_with_a_new_channel_are_used():
    def read_sets(keys: list[int]) -> None:
        EntryFactory.create(channel_id=keys[0])

    replay_lines([privmsg("Emote")], source="test", on_new_channels=read_sets)
    assert EmoteUsage.objects.get().uses == 1


# Bad input


def damaged(tmp_path: Path, content: bytes) -> str:
    file = tmp_path / "chat.gz"
    file.write_bytes(content)
    with pytest.raises(CommandError) as error:
        replay(file)
    return str(error.value)


BEFORE_THE_DAMAGE = [privmsg(f"message {number}", at=number) for number in range(LINES_AT_ONCE + 500)]


def test_what_stands_before_the_end_of_a_truncated_file_is_stored(tmp_path):
    compressed = gzip.compress(b"\n".join(BEFORE_THE_DAMAGE))
    message = damaged(tmp_path, compressed[: len(compressed) * 9 // 10])
    assert message.endswith(
        "chat.gz is damaged: Compressed file ended before the end-of-stream marker was reached."
        " What came before is stored."
    )
    assert Message.objects.count() > LINES_AT_ONCE


def test_what_stands_before_damage_in_the_middle_is_stored(tmp_path):
    first, second = gzip.compress(b"\n".join(LINES) + b"\n"), gzip.compress(b"\n".join(BEFORE_THE_DAMAGE))
    message = damaged(tmp_path, first + second[:10] + b"\xff" * 100)
    assert "is damaged" in message
    assert Message.objects.count() == 100


def test_a_truncated_file_that_is_whole_again_is_read_to_its_end(tmp_path):
    compressed = gzip.compress(b"\n".join(LINES))
    damaged(tmp_path, compressed[:-20])
    file = tmp_path / "chat.gz"
    file.write_bytes(compressed)
    replay(file)
    assert Message.objects.count() == 100


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(CommandError, match=r"^Cannot read .*nowhere: No such file or directory\.$"):
        replay(tmp_path / "nowhere")


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(CommandError, match=r"^Cannot read .*: Is a directory\.$"):
        replay(tmp_path)


@pytest.mark.parametrize(
    "content",
    [pytest.param(b"{", id="no JSON"), pytest.param(b"[]", id="no sets"), pytest.param(b"\xff", id="no text")],
)
def test_emotes_that_are_none_are_one_line(file, tmp_path, content):
    emotes = tmp_path / "emotes.json"
    emotes.write_bytes(content)
    with pytest.raises(CommandError, match=r"emotes\.json"):
        replay(file, emotes=emotes)


def test_lines_that_make_no_sense_are_kept_and_told(tmp_path):
    file = tmp_path / "noise"
    file.write_bytes(b"\n".join([*LINES, b"garbage", b"\xff\xfe", b"\x00"]))
    assert "3 lines could not be read; the admin lists them under dead letters." in replay(file)
    assert DeadLetter.objects.count() == 3


def test_a_room_that_cannot_be_one_costs_its_line_only(tmp_path):
    file = tmp_path / "noise"
    file.write_bytes(b"\n".join([*LINES, privmsg(room_id="31", channel="a\x00b"), privmsg(room_id="x" * 99)]))
    replay(file)
    assert (Message.objects.count(), DeadLetter.objects.count()) == (100, 2)


def test_a_dead_letter_names_the_line_of_the_file(file):
    with file.open("ab") as more:
        more.write(b"garbage\n")
    replay(file)
    assert DeadLetter.objects.get().source == f"replay {ReplayFile(str(file)).digest()[:16]}:100"


def test_a_second_run_buries_its_dead_once(tmp_path):
    file = tmp_path / "noise"
    file.write_bytes(b"garbage\nmore of it")
    replay(file)
    replay(file, again=True)
    assert DeadLetter.objects.count() == 2


def test_two_different_standard_inputs_bury_all_their_dead(tmp_path):
    for content in (b"garbage", b"rubbish"):
        replay_input(tmp_path, content)
    assert {bytes(raw) for raw in DeadLetter.objects.values_list("raw", flat=True)} == {b"garbage", b"rubbish"}
