"""Text goes when its time is over; totals stay."""

from datetime import UTC, date, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from chat import partitions, retention
from chat.ingest.store import Store
from chat.models import ChatEvent, DeadLetter, Message, Redemption
from chat.rollups import countable, rebuild
from chat.tests.factories import ChannelFactory
from chat.tests.frames import cheer, redemption, resubscribe
from chat.tests.lines import DAY, NOON, moment, privmsg, read, usernotice
from chat.tests.orders import write
from chat.tests.patience import until_in_threads
from chat.tests.tables import channel, counters, everything
from chat.tests.writers import in_thread, waiting
from streams.locks import lock_channels
from streams.models import Channel

pytestmark = pytest.mark.django_db(transaction=True)

JANUARY, MARCH, APRIL = date(2026, 1, 1), date(2026, 3, 1), date(2026, 4, 1)


@pytest.fixture
def spoken() -> None:
    """A message on each of forty days, the last on 22 April, in one channel; a few in another."""
    ChannelFactory.create(login="example", retention_days=30)
    ChannelFactory.create(login="another", retention_days=60)
    Store().write(
        read(
            *[privmsg(f"day {day}", at=day * DAY) for day in range(40)],
            *[privmsg(f"day {day}", at=day * DAY, channel="another") for day in (0, 1, 39)],
        )
    )


def days_left(login: str = "example") -> list[int]:
    texts = Message.objects.filter(channel__login=login).values_list("text", flat=True)
    return sorted(int(text.removeprefix("day ")) for text in texts)


def test_messages_past_retention_are_removed(spoken):
    expired = retention.expire(moment(40 * DAY))
    assert days_left() == list(range(10, 40))
    assert expired.messages == 10


def test_a_message_is_kept_to_the_end_of_its_time(spoken):
    retention.expire(moment(35 * DAY))
    assert days_left()[0] == 5


def test_each_channel_has_its_own_retention(spoken):
    retention.expire(moment(61 * DAY))
    assert (days_left(), days_left("another")) == (list(range(31, 40)), [1, 39])


def test_totals_stay(spoken):
    before = counters()
    retention.expire(moment(400 * DAY))
    assert counters() == before


def test_a_month_nobody_may_keep_is_dropped_whole(spoken):
    expired = retention.expire(moment(78 * DAY))  # 31 May: sixty days before it is 1 April
    assert expired.months == [m for m in expired.months if m <= MARCH]
    assert MARCH in expired.months
    assert MARCH not in partitions.existing()
    assert APRIL in partitions.existing()


def test_a_month_that_one_channel_may_keep_stays(spoken):
    assert MARCH not in retention.expire(moment(77 * DAY)).months


def test_messages_that_wait_for_a_partition_are_removed_too(spoken):
    partitions.drop(partitions.existing())
    Store().write(read(privmsg("day 0", at=0)))
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE chat_message DETACH PARTITION chat_message_y2026m03")
        cursor.execute("INSERT INTO chat_message SELECT * FROM chat_message_y2026m03")
        cursor.execute("DROP TABLE chat_message_y2026m03")
    retention.expire(moment(31 * DAY))
    assert days_left() == []


def test_many_messages_are_removed_a_chunk_at_a_time(spoken, monkeypatch):
    monkeypatch.setattr(retention, "ROWS_AT_ONCE", 3)
    retention.expire(moment(40 * DAY))
    assert days_left() == list(range(10, 40))


def test_the_text_of_an_event_goes_and_the_event_stays(spoken):
    Store().write(read(usernotice("resub", text="old words", at=0), usernotice("resub", text="new words", at=39 * DAY)))
    expired = retention.expire(moment(40 * DAY))
    assert list(ChatEvent.objects.order_by("occurred_at").values_list("text", flat=True)) == ["", "new words"]
    assert expired.texts == 1


def test_the_text_of_a_redemption_goes_and_its_points_stay(spoken):
    write([redemption(text="old words"), redemption(text="new words", at=39 * DAY)])
    before = counters()
    expired = retention.expire(moment(40 * DAY))
    assert list(Redemption.objects.order_by("redeemed_at").values_list("text", flat=True)) == ["", "new words"]
    assert (expired.texts, counters()) == (1, before)


def test_the_words_of_a_cheer_that_only_eventsub_told_go(spoken):
    write([cheer(100, text="old words"), resubscribe(at=1, text="old words too")])
    retention.expire(moment(40 * DAY))
    assert set(ChatEvent.objects.values_list("text", flat=True)) == {""}


def test_a_dry_run_counts_the_texts_of_redemptions(spoken):
    write([redemption(text="old words")])
    assert retention.expire(moment(40 * DAY), dry_run=True).texts == 1
    assert Redemption.objects.get().text == "old words"


def test_dead_letters_are_kept_as_long_as_the_shortest_retention(spoken):
    for at in (9, 11):
        DeadLetter.objects.create(source=f"{at}", raw=b"", error="", received_at=moment(at * DAY))
    expired = retention.expire(moment(40 * DAY))
    assert (DeadLetter.objects.get().source, expired.dead) == ("11", 1)


def test_a_second_time_finds_nothing(spoken):
    retention.expire(moment(78 * DAY))
    assert retention.expire(moment(78 * DAY)) == retention.Expired()


def test_without_channels_there_is_nothing_to_do():
    assert retention.expire(NOON) == retention.Expired()


def test_a_dry_run_says_what_would_go_and_takes_nothing(spoken):
    expired = retention.expire(moment(40 * DAY), dry_run=True)
    assert (expired.messages, len(days_left())) == (10, 40)


# What may be counted again


def test_days_that_lost_messages_are_not_counted_again(spoken):
    retention.expire(moment(40 * DAY))
    assert countable(channel()).first == date(2026, 3, 25)  # the morning of the 24th is gone


def test_a_longer_retention_brings_no_message_back(spoken):
    retention.expire(moment(40 * DAY))
    Channel.objects.update(retention_days=365)
    retention.expire(moment(40 * DAY))
    assert channel().messages_kept_from == moment(10 * DAY)


def test_what_is_gone_is_noted_before_it_goes(spoken, monkeypatch):
    monkeypatch.setattr(partitions, "drop", _power_cut)
    with pytest.raises(InterruptedError):
        retention.expire(moment(78 * DAY))
    assert channel().messages_kept_from == moment(48 * DAY)


def _power_cut(_months: object, **_options: object) -> None:
    raise InterruptedError


def test_a_dry_run_notes_nothing(spoken):
    retention.expire(moment(40 * DAY), dry_run=True)
    assert channel().messages_kept_from is None


def test_a_channel_that_lost_nothing_keeps_no_date(spoken):
    retention.expire(moment(20 * DAY))
    assert (channel().messages_kept_from, channel("another").messages_kept_from) == (None, None)


def test_only_channels_that_lost_messages_keep_a_date(spoken):
    retention.expire(moment(40 * DAY))
    assert (channel().messages_kept_from, channel("another").messages_kept_from) == (moment(10 * DAY), None)


def test_a_month_is_left_to_messages_that_came_in_only_now(spoken, monkeypatch):
    real = partitions.drop

    def late(*arguments: Any, **options: Any) -> partitions.Outcome:
        Store().write(read(privmsg("day 0", at=0, channel="newcomer")))
        return real(*arguments, **options)

    monkeypatch.setattr(partitions, "drop", late)
    ChannelFactory.create(login="newcomer", retention_days=60)
    assert MARCH not in retention.expire(moment(78 * DAY)).months
    assert days_left("newcomer") == [0]


def test_a_recount_that_began_before_leaves_alone_what_is_gone(spoken):
    before, span = counters(), countable(channel())
    retention.expire(moment(40 * DAY))
    rebuild(channel(), span)
    assert counters() == before


def test_what_is_gone_is_noted_after_the_count_that_is_under_way(spoken):
    with transaction.atomic(), connection.cursor() as cursor:
        lock_channels(cursor, [channel().pk])
        expiring = in_thread(retention.expire, moment(40 * DAY))
        until_in_threads(waiting(1))
        assert (channel().messages_kept_from, len(days_left())) == (None, 40)
    assert expiring.result().messages == 10


# Lines that come again afterwards


def test_lines_that_are_past_retention_are_not_counted_again(spoken):
    retention.expire(moment(40 * DAY))
    before = everything()
    Store().write(read(*[privmsg(f"day {day}", at=day * DAY) for day in range(40)]))
    assert everything() == before


def test_lines_that_are_past_retention_are_told():
    Store().write(read(privmsg("day 0")))
    retention.expire(moment(400 * DAY))
    lines = [privmsg("day 0"), privmsg("more", at=1), usernotice("sub", at=2), privmsg("new", at=400 * DAY)]
    stored = Store().write(read(*lines))
    assert (stored.expired, stored.messages, ChatEvent.objects.count()) == (3, 1, 0)


def test_a_line_of_the_very_moment_is_kept(spoken):
    retention.expire(moment(40 * DAY))
    lines = [privmsg("too old", at=10 * DAY - 0.001), privmsg("kept", at=10 * DAY)]
    assert Store().write(read(*lines)).expired == 1
    assert Message.objects.filter(text="kept").exists()


def test_another_channel_is_none_the_worse(spoken):
    retention.expire(moment(40 * DAY))
    stored = Store().write(read(privmsg("day 3", at=3 * DAY), privmsg("day 3", at=3 * DAY, channel="another")))
    assert (stored.expired, days_left("another")) == (1, [0, 1, 3, 39])


def test_an_old_capture_is_stored_where_nothing_was_removed():
    assert Store().write(read(privmsg("day -2600", at=-2600 * DAY))).messages == 1


# The command


def test_the_command_says_what_it_removed():
    ChannelFactory.create(retention_days=30)
    long_ago = datetime.now(UTC) - timedelta(days=100)
    Store().write(read(privmsg(tmi_sent_ts=str(round(long_ago.timestamp() * 1000))), b"garbage"))
    out = StringIO()
    call_command("partitions", stdout=out)
    said = out.getvalue()
    assert f"{long_ago:%Y-%m}: dropped" in said
    assert "1 dead letters past retention removed" in said
    assert not Message.objects.exists()
