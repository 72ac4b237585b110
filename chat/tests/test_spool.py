"""Lines on disk for the time that Redis is away."""

import errno
import os

import pytest

from chat.ingest.spool import HEAD, START, Batch, Place, Spool

BATCHES = [Batch(1_700_000_000_000 + n, f"line {n}".encode()) for n in range(5)]


@pytest.fixture
def place(tmp_path):
    place = Place.take(tmp_path, "reader")
    yield place
    place.release()


def waiting(spool):
    return [batch for _, batch in spool.batches()]


def reopened(spool):
    """What a process finds that starts after this one was killed."""
    os.close(spool._file)
    return Spool(spool.place)


def test_batches_come_back_in_order(place):
    spool = Spool(place)
    spool.append(BATCHES[:2])
    spool.append(BATCHES[2:])
    assert waiting(spool) == BATCHES


def test_batches_outlive_the_process(place):
    spool = Spool(place)
    spool.append(BATCHES)
    assert waiting(reopened(spool)) == BATCHES


def test_what_was_handed_over_does_not_come_again_after_a_restart(place):
    spool = Spool(place)
    spool.append(BATCHES)
    marks = [mark for mark, _ in spool.batches()]
    spool.done_to(marks[2])
    assert waiting(reopened(spool)) == BATCHES[3:]


def test_the_disk_space_is_given_back_when_all_is_handed_over(place):
    spool = Spool(place)
    spool.append(BATCHES)
    spool.done_to([mark for mark, _ in spool.batches()][-1])
    assert not spool
    assert spool.path.stat().st_size == START.size


def test_it_can_be_filled_again_after_it_was_emptied(place):
    spool = Spool(place)
    spool.append(BATCHES[:1])
    spool.done_to(next(spool.batches())[0])
    spool.append(BATCHES[1:])
    assert waiting(reopened(spool)) == BATCHES[1:]


@pytest.mark.parametrize("bytes_left", [1, HEAD.size - 1, HEAD.size, HEAD.size + 3])
def test_a_torn_last_record_does_not_touch_the_others(place, bytes_left):
    spool = Spool(place)
    spool.append(BATCHES[:4])
    whole = spool.path.stat().st_size
    spool.append(BATCHES[4:])
    os.truncate(spool.path, whole + bytes_left)
    assert waiting(reopened(spool)) == BATCHES[:4]


def test_what_is_torn_off_is_kept_aside(place):
    spool = Spool(place)
    spool.append(BATCHES[:1])
    with spool.path.open("ab") as file:
        file.write(b"half a reco")
    reopened(spool)
    assert spool.path.with_suffix(".torn").read_bytes() == b"half a reco"


def test_new_batches_after_a_torn_record_can_be_read(place):
    spool = Spool(place)
    spool.append(BATCHES[:1])
    with spool.path.open("ab") as file:
        file.write(b"\x07")
    spool = reopened(spool)
    spool.append(BATCHES[1:])
    assert waiting(reopened(spool)) == BATCHES


def test_a_changed_byte_is_noticed(place):
    spool = Spool(place)
    spool.append(BATCHES[:1])
    with spool.path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"X")
    assert waiting(reopened(spool)) == []


def test_zeros_at_the_end_are_not_records(place):
    spool = Spool(place)
    spool.append(BATCHES)
    with spool.path.open("ab") as file:
        file.write(bytes(100))
    assert waiting(reopened(spool)) == BATCHES


def test_a_full_disk_leaves_nothing_half_written(place, monkeypatch):
    spool = Spool(place)
    spool.append(BATCHES[:1])
    pwrite = os.pwrite

    def write_some_then_fail(file, data, position):
        pwrite(file, data[:5], position)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", write_some_then_fail)
    with pytest.raises(OSError, match="No space"):
        spool.append(BATCHES[1:])
    monkeypatch.undo()
    spool.append(BATCHES[4:])
    assert waiting(reopened(spool)) == [BATCHES[0], BATCHES[4]]


def test_two_processes_never_have_the_same_place(tmp_path, place):
    other = Place.take(tmp_path, "reader")
    assert (place.number, other.number) == (0, 1)
    other.release()


def test_a_place_is_free_again_after_its_holder_is_gone(tmp_path):
    Place.take(tmp_path, "reader").release()
    place = Place.take(tmp_path, "reader")
    assert place.number == 0
    place.release()


def test_roles_have_places_of_their_own(tmp_path, place):
    writer = Place.take(tmp_path, "writer")
    assert writer.number == 0
    writer.release()


def test_a_filled_spool_that_nobody_holds_can_be_taken(tmp_path, place):
    gone = Spool(Place.take(tmp_path, "reader"))
    gone.append(BATCHES)
    gone.close()
    (taken,) = Place.take_abandoned(tmp_path, "reader")
    assert waiting(Spool(taken)) == BATCHES
    taken.release()


def test_a_spool_that_somebody_holds_is_not_taken(tmp_path, place):
    Spool(place).append(BATCHES)
    assert Place.take_abandoned(tmp_path, "reader") == []


def test_an_empty_spool_is_left_alone(tmp_path, place):
    Spool(Place.take(tmp_path, "reader")).close()
    assert Place.take_abandoned(tmp_path, "reader") == []
