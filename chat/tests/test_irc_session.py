"""The protocol of one chat connection, without a socket or a clock."""

from itertools import pairwise

import pytest

from chat.ingest.sockets import Change, ChannelState, IrcSession, JoinLimiter, Phase, Timing

TIMING = Timing()
WELCOME = b":tmi.twitch.tv 001 justinfan7 :Welcome, GLHF!\r\n"
CHAT = b"@id=1 :a!a@a.tmi.twitch.tv PRIVMSG #x :hi"


def new_session(*channels, limiter=None):
    return IrcSession("justinfan7", channels, 0.0, limiter or JoinLimiter(), TIMING)


def ready_session(*channels, limiter=None):
    session = new_session(*channels, limiter=limiter)
    session.receive(WELCOME, 1.0)
    return session


def joined_session(*channels):
    session = ready_session(*channels)
    for channel in channels:
        session.receive(own("JOIN", channel), 2.0)
    session.take_outbox()
    session.take_changes()
    return session


def own(command, channel):
    return f":justinfan7!justinfan7@justinfan7.tmi.twitch.tv {command} #{channel}\r\n".encode()


@pytest.mark.parametrize(
    ("frame", "payload"),
    [
        pytest.param(CHAT + b"\r\n", CHAT, id="one line"),
        pytest.param(CHAT, CHAT, id="one line without an end"),
        pytest.param(CHAT + b"\n", CHAT, id="one line with a bare line feed"),
        pytest.param(CHAT + b"\r\n" + CHAT + b"\r\n", CHAT + b"\n" + CHAT, id="several lines"),
        pytest.param(CHAT + b"\r\n" + CHAT, CHAT + b"\n" + CHAT, id="several lines, the last without an end"),
        pytest.param(CHAT + b"\r\n\r\n" + CHAT + b"\r\n", CHAT + b"\n" + CHAT, id="an empty line between"),
        pytest.param(b"PING :x\r\n" + CHAT + b"\r\n", CHAT, id="PING before chat"),
        pytest.param(CHAT + b"\r\nPING :x\r\n", CHAT, id="PING behind chat"),
        pytest.param(b":tmi.twitch.tv PONG tmi.twitch.tv :x\r\n", b"", id="PONG"),
        pytest.param(b":tmi.twitch.tv CAP * ACK :twitch.tv/tags\r\n", b"", id="CAP"),
        pytest.param(b":tmi.twitch.tv 376 justinfan7 :>\r\n", b"", id="numeric"),
        pytest.param(b":j.tmi.twitch.tv 353 justinfan7 = #x :justinfan7\r\n", b"", id="only our own name is here"),
        pytest.param(
            b":j.tmi.twitch.tv 353 justinfan7 = #x :justinfan7 bob\r\n",
            b":j.tmi.twitch.tv 353 justinfan7 = #x :justinfan7 bob",
            id="names of others",
        ),
        pytest.param(own("JOIN", "x"), b"", id="own JOIN"),
        pytest.param(b":bob!bob@bob JOIN #x\r\n", b":bob!bob@bob JOIN #x", id="JOIN of another"),
        pytest.param(b":bob!bob@bob PART #x\r\n", b":bob!bob@bob PART #x", id="PART of another"),
        pytest.param(b":tmi.twitch.tv RECONNECT\r\n", b"", id="RECONNECT"),
        pytest.param(b":tmi.twitch.tv NOTICE #x :slow mode\r\n", b":tmi.twitch.tv NOTICE #x :slow mode", id="NOTICE"),
        pytest.param(b":tmi.twitch.tv SPLINES #x :odd\r\n", b":tmi.twitch.tv SPLINES #x :odd", id="unknown kind"),
        pytest.param(b"PRIVMSG\r\n", b"PRIVMSG", id="a word alone"),
        pytest.param(b":prefix\r\n", b":prefix", id="a prefix alone"),
        pytest.param(b"@\r\n", b"@", id="a tag sign alone"),
        pytest.param(b"\xff\xfe\r\n", b"\xff\xfe", id="not text"),
        pytest.param(b"", b"", id="nothing"),
    ],
)
def test_it_hands_on_what_is_chat_and_nothing_else(frame, payload):
    assert ready_session("x").receive(frame, 2.0) == payload


def test_it_logs_in_anonymously_with_tags():
    assert new_session().take_outbox() == "CAP REQ :twitch.tv/tags twitch.tv/commands\r\nNICK justinfan7\r\n"


def test_it_joins_only_after_the_welcome():
    session = new_session("x", "y")
    assert "JOIN" not in session.take_outbox()
    session.receive(WELCOME, 1.0)
    assert session.take_outbox() == "JOIN #x,#y\r\n"


def test_it_answers_ping_with_the_same_text():
    session = joined_session("x")
    session.receive(b"PING :tmi.twitch.tv\r\n", 3.0)
    assert session.take_outbox() == "PONG :tmi.twitch.tv\r\n"


def test_a_channel_is_joined_once_our_own_join_came_back():
    session = ready_session("x", "y")
    session.receive(own("JOIN", "y"), 2.0)
    assert session.joined() == {"y"}
    assert session.take_changes() == [Change("y", ChannelState.JOINED)]


def test_a_second_join_echo_changes_nothing():
    session = joined_session("x")
    session.receive(own("JOIN", "x"), 3.0)
    assert session.take_changes() == []


def test_a_join_of_another_does_not_count_as_ours():
    session = ready_session("x")
    session.receive(b":justinfan77!justinfan77@justinfan77.tmi.twitch.tv JOIN #x\r\n", 2.0)
    assert session.joined() == frozenset()


def test_a_join_that_is_not_answered_is_seen_after_ten_seconds():
    session = ready_session("x")
    session.tick(10.9)
    assert session.joins["x"].state is ChannelState.ASKED
    session.tick(11.0)
    assert session.take_changes() == [Change("x", ChannelState.UNANSWERED)]


def test_a_channel_that_does_not_answer_is_asked_less_and_less_often():
    session = ready_session("x")
    session.take_outbox()
    asked_at = []
    for second in range(1, 1000):
        session.receive(b"PONG\r\n", float(second))
        session.tick(float(second))
        if "JOIN" in session.take_outbox():
            asked_at.append(second)
    waits = [later - earlier for earlier, later in pairwise(asked_at)]
    assert asked_at[0] == 31
    assert waits == [50, 90, 170, 330]


def test_a_channel_that_answers_late_is_joined():
    session = ready_session("x")
    session.tick(11.0)
    session.receive(own("JOIN", "x"), 12.0)
    assert session.joined() == {"x"}


def test_a_channel_that_puts_us_out_is_asked_again_later():
    session = joined_session("x")
    session.receive(own("PART", "x"), 5.0)
    assert session.take_changes() == [Change("x", ChannelState.UNANSWERED)]
    session.tick(25.0)
    assert session.take_outbox() == "JOIN #x\r\n"


def test_a_channel_no_longer_wanted_is_left_at_once():
    session = joined_session("x", "y")
    session.want(frozenset({"y"}))
    assert session.take_outbox() == "PART #x\r\n"
    assert session.take_changes() == [Change("x", None)]


def test_a_channel_that_was_never_asked_for_is_not_parted():
    session = new_session("x")
    session.take_outbox()
    session.want(frozenset())
    assert session.take_outbox() == ""


def test_a_newly_wanted_channel_is_joined_with_the_next_tick():
    session = joined_session("x")
    session.want(frozenset({"x", "z"}))
    session.tick(3.0)
    assert session.take_outbox() == "JOIN #z\r\n"


def test_the_echo_of_a_channel_that_is_no_longer_wanted_is_ignored():
    session = ready_session("x")
    session.want(frozenset())
    session.take_changes()
    session.receive(own("JOIN", "x"), 2.0)
    assert session.take_changes() == []


def test_joins_wait_for_the_limiter():
    session = ready_session(*(f"c{n:02}" for n in range(20)))
    assert session.take_outbox().count("#") == 18
    session.tick(13.4)
    assert "c18" not in session.take_outbox()
    session.tick(13.5)
    assert session.take_outbox() == "JOIN #c18,#c19\r\n"


@pytest.mark.parametrize(
    ("now", "sent", "phase"),
    [
        pytest.param(31.9, "", Phase.READY, id="quiet for less than 30 s"),
        pytest.param(32.0, "PING :streamstats\r\n", Phase.READY, id="quiet for 30 s"),
        pytest.param(42.0, "", Phase.DEAD, id="no answer for 10 s more"),
    ],
)
def test_silence(now, sent, phase):
    session = joined_session("x")
    session.tick(now)
    assert (session.take_outbox(), session.phase) == (sent, phase)


def test_it_asks_only_once_in_a_silence():
    session = joined_session("x")
    session.tick(32.0)
    session.take_outbox()
    session.tick(33.0)
    assert session.take_outbox() == ""


def test_an_answer_ends_the_silence():
    session = joined_session("x")
    session.tick(32.0)
    session.receive(b":tmi.twitch.tv PONG tmi.twitch.tv :streamstats\r\n", 41.0)
    session.tick(42.0)
    assert session.phase is Phase.READY


def test_a_login_that_nobody_answers_is_given_up():
    session = new_session("x")
    session.tick(10.0)
    assert (session.phase, session.reason) == (Phase.DEAD, "Twitch did not answer the login")


@pytest.mark.parametrize(
    "line",
    [
        b":tmi.twitch.tv NOTICE * :Login authentication failed\r\n",
        b":tmi.twitch.tv NOTICE * :Improperly formatted auth\r\n",
        b":tmi.twitch.tv CAP * NAK :twitch.tv/tags\r\n",
    ],
)
def test_a_refused_login_is_told_from_a_lost_connection(line):
    session = new_session("x")
    session.receive(line, 1.0)
    assert session.phase is Phase.REFUSED


def test_the_reason_for_a_refused_login_is_kept():
    session = new_session("x")
    session.receive(b":tmi.twitch.tv NOTICE * :Login authentication failed\r\n", 1.0)
    assert session.reason == "Twitch refused the login: Login authentication failed"


def test_after_reconnect_it_goes_on_handing_on_chat():
    session = joined_session("x")
    session.receive(b":tmi.twitch.tv RECONNECT\r\n", 3.0)
    assert session.phase is Phase.MOVING
    assert session.receive(CHAT + b"\r\n", 4.0) == CHAT


def test_after_reconnect_it_asks_for_no_more_joins():
    session = joined_session("x")
    session.receive(b":tmi.twitch.tv RECONNECT\r\n", 3.0)
    session.want(frozenset({"x", "y"}))
    session.tick(4.0)
    assert session.take_outbox() == ""


class TestJoinLimiter:
    def test_it_gives_eighteen_joins_in_twelve_and_a_half_seconds(self):
        limiter = JoinLimiter()
        assert [limiter.take(n / 10) for n in range(20)] == [True] * 18 + [False] * 2

    def test_each_join_is_given_back_when_its_own_time_is_over(self):
        limiter = JoinLimiter(joins=2, seconds=10)
        assert [limiter.take(at) for at in (0, 5, 9.9, 10, 14.9, 15)] == [True, True, False, True, False, True]

    def test_no_span_of_ten_seconds_ever_holds_more_than_twenty(self):
        limiter = JoinLimiter()
        taken = [at / 10 for at in range(1000) if limiter.take(at / 10)]
        assert max(sum(1 for other in taken if at <= other < at + 10) for at in taken) <= 20

    def test_connections_share_it(self):
        limiter = JoinLimiter(joins=3)
        first, second = ready_session("a", "b", limiter=limiter), ready_session("c", "d", limiter=limiter)
        assert (first.take_outbox().count("#"), second.take_outbox().count("#")) == (2, 1)
