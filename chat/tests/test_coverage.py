"""Interval arithmetic: who received what, and what is missing. Times are seconds, for reading."""

import pytest

from chat.ingest.coverage import (
    GONE_MS,
    NOBODY_KNOWS,
    SETTLE_MS,
    SPANS_KEPT,
    Ledger,
    Record,
    Span,
    is_outdated,
    missing,
    union,
    until,
    without,
)
from chat.ingest.queue import Loss
from chat.ingest.sockets import Presence

LONG_AFTER = 1_000_000


def span(start, end, reason=""):
    return Span(start * 1000, end * 1000, reason)


def closed(*spans, written=0):
    return Record(written * 1000, False, tuple(spans))


def live(*spans, written):
    return Record(written * 1000, True, tuple(spans))


@pytest.mark.parametrize(
    ("spans", "joined"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([span(0, 5), span(7, 9)], [span(0, 5), span(7, 9)], id="apart"),
        pytest.param([span(7, 9), span(0, 5)], [span(0, 5), span(7, 9)], id="out of order"),
        pytest.param([span(0, 5), span(5, 9)], [span(0, 9)], id="touching"),
        pytest.param([span(0, 5), span(3, 9)], [span(0, 9)], id="overlapping"),
        pytest.param([span(0, 9, "a"), span(3, 5, "b")], [span(0, 9, "a")], id="one inside the other"),
        pytest.param([span(0, 5, "a"), span(3, 9, "b")], [span(0, 9, "b")], id="the later end has the reason"),
        pytest.param([span(0, 5), span(0, 5, "a")], [span(0, 5, "a")], id="a reason is better than none"),
    ],
)
def test_union(spans, joined):
    assert union(spans) == joined


@pytest.mark.parametrize(
    ("loss", "left"),
    [
        pytest.param((0, 5), [span(10, 20, "end")], id="before"),
        pytest.param((20, 25), [span(10, 20, "end")], id="behind"),
        pytest.param((5, 12), [span(12, 20, "end")], id="over the start"),
        pytest.param((15, 25), [span(10, 15, "full")], id="over the end"),
        pytest.param((12, 15), [span(10, 12, "full"), span(15, 20, "end")], id="in the middle"),
        pytest.param((10, 20), [], id="all of it"),
    ],
)
def test_a_loss_is_cut_out(loss, left):
    assert without([span(10, 20, "end")], span(loss[0], loss[1], "full")) == left


@pytest.mark.parametrize(
    ("end", "left"),
    [
        pytest.param(10, [], id="before"),
        pytest.param(15, [span(10, 15)], id="in the middle"),
        pytest.param(20, [span(10, 20, "end")], id="at its end"),
    ],
)
def test_what_is_not_safe_yet_is_cut_off(end, left):
    assert until([span(10, 20, "end")], end * 1000) == left


@pytest.mark.parametrize(
    ("records", "gaps"),
    [
        pytest.param({}, [], id="nobody was ever there"),
        pytest.param({"a": closed(span(0, 10))}, [], id="joined for the first time"),
        pytest.param({"a": closed(span(0, 10, "lost"), span(20, 30))}, [span(10, 20, "lost")], id="away and back"),
        pytest.param({"a": closed(span(0, 10), span(20, 30))}, [span(10, 20, NOBODY_KNOWS)], id="killed"),
        pytest.param({"a": closed(span(0, 10), span(9, 30))}, [], id="taken over with overlap"),
        pytest.param({"a": closed(span(0, 10), span(10.5, 30))}, [], id="shorter than a second"),
        pytest.param({"a": closed(span(0, 10), span(11, 30))}, [span(10, 11, NOBODY_KNOWS)], id="one second"),
        pytest.param(
            {"a": closed(span(0, 10), span(20, 30)), "b": closed(span(0, 30))}, [], id="another received all of it"
        ),
        pytest.param(
            {"a": closed(span(0, 10), span(20, 30)), "b": closed(span(5, 14, "lost"))},
            [span(14, 20, "lost")],
            id="another received the beginning",
        ),
        pytest.param(
            {"a": closed(span(0, 10, "lost"), span(20, 30)), "b": closed(span(14, 30))},
            [span(10, 14, "lost")],
            id="another received the end",
        ),
        pytest.param(
            {"a": closed(span(0, 10, "lost"), span(20, 30)), "b": closed(span(12, 14, "gone"))},
            [span(10, 12, "lost"), span(14, 20, "gone")],
            id="another received the middle",
        ),
        pytest.param(
            {"a": closed(span(0, 10, "lost"), span(20, 30)), "b": closed(span(0, 12, "lost"), span(18, 30))},
            [span(12, 18, "lost")],
            id="both were away, not at quite the same time",
        ),
        pytest.param({"a": closed(span(0, 10)), "b": closed(span(20, 30))}, [span(10, 20, NOBODY_KNOWS)], id="relief"),
        pytest.param({"a": closed(span(0, 10, "lost"))}, [], id="still away"),
    ],
)
def test_gaps(records, gaps):
    fixed = {  # half seconds are floats until here
        reader: Record(
            record.written_ms, False, tuple(Span(int(s.start_ms), int(s.end_ms), s.reason) for s in record.spans)
        )
        for reader, record in records.items()
    }
    assert missing(fixed, 0, LONG_AFTER)[0] == gaps


def test_a_gap_is_decided_only_once():
    records = {"a": closed(span(0, 10), span(20, 30))}
    _, decided = missing(records, 0, LONG_AFTER)
    assert missing(records, decided, LONG_AFTER) == ([], decided)


def test_a_gap_is_decided_even_if_the_reader_that_had_it_died_in_between():
    first_life = [span(0, 10), span(20, 22)]
    records = {"a": closed(*first_life, span(40, 50))}
    assert missing(records, 0, LONG_AFTER)[0] == [span(10, 20, NOBODY_KNOWS), span(22, 40, NOBODY_KNOWS)]


def test_a_gap_waits_until_the_others_had_time_to_write():
    records = {"a": live(span(0, 10), span(20, 21), written=21)}
    assert missing(records, 0, 20_000 + SETTLE_MS - 1)[0] == []
    assert missing(records, 0, 20_000 + SETTLE_MS)[0] == [span(10, 20, NOBODY_KNOWS)]


def test_a_gap_waits_for_a_quiet_reader_that_may_yet_prove_it_was_there():
    quiet = live(span(0, 5), written=29)
    assert missing({"a": live(span(0, 10), span(20, 30), written=30), "b": quiet}, 0, 30_000)[0] == []


def test_a_quiet_reader_that_proved_it_was_there_closes_the_gap():
    proved = live(span(0, 35), written=36)
    assert missing({"a": live(span(0, 10), span(20, 36), written=36), "b": proved}, 0, 36_000)[0] == []


def test_a_gap_does_not_wait_for_a_reader_that_died():
    dead = live(span(0, 5), written=9)
    records = {"a": live(span(0, 10), span(20, 30), written=30), "b": dead}
    assert missing(records, 0, 30_000)[0] == [span(10, 20, NOBODY_KNOWS)]


def test_a_later_word_of_another_does_not_open_a_decided_gap_again():
    records = {"a": closed(span(0, 10), span(20, 30))}
    _, decided = missing(records, 0, LONG_AFTER)
    records["b"] = closed(span(12, 14))
    assert missing(records, decided, LONG_AFTER)[0] == []


@pytest.mark.parametrize(
    ("record", "outdated"),
    [
        pytest.param(closed(span(0, 5), written=6), True, id="silent for a day, all decided"),
        pytest.param(closed(written=6), True, id="silent for a day, never there"),
        pytest.param(closed(span(0, 15), written=16), False, id="its end is not decided"),
        pytest.param(closed(span(0, 5), written=GONE_MS / 1000), False, id="heard of today"),
    ],
)
def test_a_reader_that_is_long_gone_has_no_say(record, outdated):
    assert is_outdated(record, 10_000, GONE_MS + 10_000) is outdated


def test_a_record_is_read_as_it_was_written():
    record = live(span(0, 5, "l\N{LATIN SMALL LETTER O WITH DIAERESIS}st"), span(7, 9), written=10)
    assert Record.loads(record.dumps().encode()) == record


class TestLedger:
    def ledger(self):
        ledger = Ledger()
        ledger.follow(frozenset({"x"}))
        return ledger

    def test_what_is_received_now_counts(self):
        records = self.ledger().records(9000, [Presence("x", 1000, 8000)], None)
        assert records["x"] == live(span(1, 8), written=9)

    def test_past_and_present_are_told_together(self):
        ledger = self.ledger()
        ledger.left(Presence("x", 1000, 3000, "lost"))
        records = ledger.records(9000, [Presence("x", 5000, 8000)], None)
        assert records["x"].spans == (span(1, 3, "lost"), span(5, 8))

    def test_two_connections_that_overlap_are_one_span(self):
        records = self.ledger().records(9000, [Presence("x", 1000, 6000), Presence("x", 5000, 8000)], None)
        assert records["x"].spans == (span(1, 8),)

    def test_lines_that_a_sigkill_would_lose_do_not_count(self):
        records = self.ledger().records(9000, [Presence("x", 1000, 8000)], 6000)
        assert records["x"].spans == (span(1, 6),)

    def test_lines_that_were_lost_do_not_count(self):
        ledger = self.ledger()
        ledger.lost(Loss(3000, 5000, "disk full"))
        records = ledger.records(9000, [Presence("x", 1000, 8000)], None)
        assert records["x"].spans == (span(1, 3, "disk full"), span(5, 8))

    def test_a_channel_that_was_unfollowed_and_followed_again_starts_anew(self):
        ledger = self.ledger()
        ledger.left(Presence("x", 1000, 3000, "no longer followed"))
        assert ledger.follow(frozenset()) == {"x"}
        ledger.follow(frozenset({"x"}))
        assert ledger.records(9000, [Presence("x", 5000, 8000)], None)["x"].spans == (span(5, 8),)

    def test_a_channel_that_is_not_wanted_is_not_remembered(self):
        ledger = self.ledger()
        ledger.left(Presence("y", 1000, 3000))
        assert set(ledger.records(9000, [], None)) == {"x"}

    def test_it_does_not_grow_forever(self):
        ledger = self.ledger()
        for n in range(100):
            ledger.left(Presence("x", n * 1000, n * 1000 + 1))
        assert len(ledger.records(9000, [], None)["x"].spans) == SPANS_KEPT
