import socket

import pytest

from streamstats.local import ports


@pytest.fixture
def taken():
    with socket.create_server((ports.LOOPBACK, 0)) as listener:
        yield listener.getsockname()[1]


def test_a_port_with_a_listener_is_not_free(taken):
    assert not ports.is_free(taken)


def test_a_port_with_a_listener_answers(taken):
    assert ports.answers(taken)


def test_another_is_given_for_one_that_is_taken(taken):
    port = ports.free_port(preferred=taken)
    assert port != taken
    assert ports.is_free(port)


def test_the_next_free_one_is_another(taken):
    port = ports.next_free(taken)
    assert port != taken
    assert ports.is_free(port)


def test_after_the_last_port_it_begins_again():
    assert 1024 <= ports.next_free(ports.HIGHEST) < ports.HIGHEST


def test_a_preference_past_the_last_port_is_no_obstacle():
    assert ports.is_free(ports.free_port(preferred=ports.HIGHEST + 1))


def test_the_preferred_one_is_given_if_it_is_free(taken):
    free = ports.free_port(preferred=taken)
    assert ports.free_port(preferred=free) == free


def test_a_free_port_does_not_answer(taken):
    assert not ports.answers(ports.free_port(preferred=taken))
