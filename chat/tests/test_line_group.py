"""The writers' end of the queue."""

from typing import Any

import pytest
import redis

from chat.ingest.queue import GROUP, STREAM, LineGroup, connect_writer


def add(client, *payloads, source="irc"):
    return [client.xadd(STREAM, {"source": source, "at": 1_700_000_000_000, "lines": text}) for text in payloads]


def lines_of(entries):
    return [line for entry in entries for line in entry.lines]


def test_what_was_there_before_the_first_writer_is_read(redis_client):
    (id_,) = add(redis_client, b"a\nb")
    (entry,) = LineGroup(redis_client, "w").read(100, 10)
    assert entry == (id_, "irc", 1_700_000_000_000, [b"a", b"b"])


def test_an_empty_queue_gives_nothing(redis_client):
    assert LineGroup(redis_client, "w").read(100, 1) == []


def test_it_collects_entries_up_to_the_number_of_lines(redis_client):
    add(redis_client, *[b"a\nb"] * 10)
    group = LineGroup(redis_client, "w")
    assert [len(lines_of(group.read(6, 1))) for _ in range(5)] == [6, 6, 6, 2, 0]


def test_more_entries_than_one_answer_holds_are_read_in_order(redis_client):
    texts = [f"{n}".encode() for n in range(1000)]
    add(redis_client, *texts)
    group = LineGroup(redis_client, "w")
    assert lines_of(group.read(700, 1)) == texts[:700]
    assert lines_of(group.read(700, 1)) == texts[700:]


def test_an_entry_with_more_lines_than_asked_for_is_given_whole(redis_client):
    add(redis_client, b"a\nb\nc", b"d")
    assert lines_of(LineGroup(redis_client, "w").read(2, 1)) == [b"a", b"b", b"c"]


def test_two_writers_share_the_entries(redis_client):
    add(redis_client, *[f"{n}".encode() for n in range(100)])
    first, second = LineGroup(redis_client, "w1"), LineGroup(redis_client, "w2")
    shared = lines_of(first.read(10, 1)), lines_of(second.read(1000, 1)), lines_of(first.read(1000, 1))
    assert sorted(int(line) for part in shared for line in part) == list(range(100))


def test_acknowledged_entries_leave_the_stream(redis_client):
    add(redis_client, b"a", b"b")
    group = LineGroup(redis_client, "w")
    group.ack(entry.id for entry in group.read(1, 1))
    assert (redis_client.xlen(STREAM), group.backlog()) == (1, 1)


def test_unacknowledged_entries_come_first_after_a_restart(redis_client):
    add(redis_client, b"a", b"b")
    LineGroup(redis_client, "w").read(100, 1)
    add(redis_client, b"c")
    assert lines_of(LineGroup(redis_client, "w").read(100, 1)) == [b"a", b"b", b"c"]


def test_entries_are_given_out_once_in_a_life(redis_client):
    add(redis_client, b"a")
    group = LineGroup(redis_client, "w")
    group.read(100, 1)
    assert group.read(100, 1) == []


def test_entries_of_a_dead_writer_are_taken_over(redis_client):
    add(redis_client, b"a")
    LineGroup(redis_client, "dead").read(100, 1)
    assert lines_of(LineGroup(redis_client, "alive").claim(0)) == [b"a"]


def test_entries_of_a_writer_at_work_are_left_to_it(redis_client):
    add(redis_client, b"a")
    LineGroup(redis_client, "busy").read(100, 1)
    assert LineGroup(redis_client, "other").claim(60_000) == []


def test_own_entries_in_work_are_not_claimed(redis_client):
    add(redis_client, b"a")
    group = LineGroup(redis_client, "w")
    group.read(100, 1)
    assert group.claim(0) == []


def test_more_than_one_answer_of_dead_entries_is_claimed_step_by_step(redis_client):
    add(redis_client, *[f"{n}".encode() for n in range(150)])
    LineGroup(redis_client, "dead").read(1000, 1)
    group = LineGroup(redis_client, "alive")
    claimed = [len(group.claim(0)) for _ in range(3)]
    assert sum(claimed) == 150


def test_a_gap_is_an_entry_of_its_own_source(redis_client):
    add(redis_client, b"{}", source="gap")
    assert LineGroup(redis_client, "w").read(1, 1)[0].source == "gap"


def test_a_group_that_is_gone_with_all_data_is_made_again(redis_client):
    group = LineGroup(redis_client, "w")
    add(redis_client, b"a")
    group.read(100, 1)
    redis_client.flushdb()
    add(redis_client, b"b")
    assert lines_of(group.read(100, 1)) == [b"b"]


def test_two_writers_can_make_the_group_at_the_same_time(redis_client):
    first, second = LineGroup(redis_client, "w1"), LineGroup(redis_client, "w2")
    first.read(1, 1)
    redis_client.xgroup_destroy(STREAM, GROUP)
    add(redis_client, b"a")
    assert lines_of(second.read(1, 1)) + lines_of(first.read(1, 1)) == [b"a"]


class TestRedisAway:
    @pytest.fixture
    def client(self, own_redis):
        client = connect_writer(own_redis.url)
        yield client
        client.close()

    def test_reading_gives_nothing_and_goes_on_afterwards(self, own_redis, client):
        group = LineGroup(client, "w")
        own_redis.kill()
        assert group.read(100, 1) == []
        own_redis.start()
        add(client, b"a")
        assert lines_of(group.read(100, 1)) == [b"a"]

    def test_an_acknowledgement_is_made_up_for(self, own_redis, client):
        group = LineGroup(client, "w")
        add(client, b"a")
        (entry,) = group.read(100, 1)
        own_redis.kill()
        group.ack([entry.id])
        own_redis.start()
        assert group.read(100, 1) == []
        assert client.xlen(STREAM) == 0

    def test_the_backlog_is_not_said_to_be_empty(self, own_redis, client):
        own_redis.kill()
        with pytest.raises(redis.ConnectionError):
            LineGroup(client, "w").backlog()


class LosesAnswers:
    """A Redis whose answer to the first read gets lost after it was carried out."""

    def __init__(self, client):
        self.client = client
        self.has_lost = False

    def __getattr__(self, name):
        return getattr(self.client, name)

    def xreadgroup(self, *args, **kwargs):
        answer = self.client.xreadgroup(*args, **kwargs)
        if answer and not self.has_lost:
            self.has_lost = True
            raise redis.ConnectionError("connection closed")
        return answer


def test_entries_whose_answer_got_lost_are_read_again(redis_client):
    group = LineGroup(redis_client, "w")
    group.read(1, 1)
    unreliable: Any = LosesAnswers(redis_client)
    group.client = unreliable
    add(redis_client, b"a")
    assert group.read(100, 1) == []
    assert lines_of(group.read(100, 1)) == [b"a"]
