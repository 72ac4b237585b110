"""A question that is put together once answers as the queryset it came from would."""

import threading

import pytest
from django.db import connection
from django.db.models import F, Value

from streams.models import Channel
from streams.statement import Given, GivenChannel, Statement
from streams.tests.cast import make_channel

pytestmark = pytest.mark.django_db


def named():
    return Channel.objects.filter(login=Given("login")).select_related("total").annotate(twice=F("pk") * Value(2))


def sorted_by(field):
    return Channel.objects.filter(pk__gt=Given("after")).order_by(field).values_list("login", flat=True)


def test_it_gives_the_rows_of_the_values_it_is_asked_with():
    make_channel("lantern"), make_channel("harbour")
    statement = Statement(named)
    assert [statement.first(login=login).login for login in ("lantern", "harbour")] == ["lantern", "harbour"]


def test_it_gives_nothing_where_there_is_nothing():
    assert Statement(named).first(login="nobody") is None


def test_rows_have_what_the_queryset_would_give_them(django_assert_num_queries):
    channel = make_channel("lantern")
    found = Statement(named).first(login="lantern")
    with django_assert_num_queries(0):
        assert (found, found.twice, found.counts.messages) == (channel, 2 * channel.pk, 0)


def test_it_is_put_together_once():
    made = []

    def make():
        made.append(1)
        return named()

    statement = Statement(make)
    statement.ask(login="lantern")
    statement.ask(login="harbour")
    assert made == [1]


def test_of_each_shape_there_is_one():
    make_channel("lantern", display_name="B"), make_channel("harbour", display_name="A")
    statement = Statement(sorted_by)
    asked = [statement.ask(field, after=0) for field in ("pk", "login", "pk")]
    assert asked == [["lantern", "harbour"], ["harbour", "lantern"], ["lantern", "harbour"]]


def test_a_value_that_is_not_given_is_missed():
    with pytest.raises(KeyError):
        Statement(named).ask()


def test_a_rule_that_differs_by_channel_is_told_which_it_is():
    assert [GivenChannel(is_open).is_open for is_open in (True, False)] == [True, False]


@pytest.mark.django_db(transaction=True)
def test_another_thread_asks_on_its_own_connection():
    make_channel("lantern")
    statement, found = Statement(named), []
    statement.ask(login="lantern")

    def ask():
        found.append(statement.first(login="lantern").login)
        connection.close()

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join(10)
    assert found == ["lantern"]
