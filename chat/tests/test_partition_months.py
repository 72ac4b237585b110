"""Which months get a partition of their own."""

from datetime import UTC, date, datetime

import pytest

from chat.ingest.batch import read_lines
from chat.ingest.store import Store
from chat.models import Message
from chat.partitions import believable, existing
from chat.tests.lines import privmsg

NOW = datetime(2026, 11, 21, tzinfo=UTC)


@pytest.mark.parametrize(
    ("month", "is_believed"),
    [
        pytest.param(date(2011, 5, 1), False, id="before Twitch began"),
        pytest.param(date(2011, 6, 1), True, id="when Twitch began"),
        pytest.param(date(2026, 11, 1), True, id="this month"),
        pytest.param(date(2027, 2, 1), True, id="the last one made ahead"),
        pytest.param(date(2027, 3, 1), False, id="later than those made ahead"),
        pytest.param(date(9999, 12, 1), False, id="the end of time"),
    ],
)
def test_a_month_is_believed_if_chat_can_be_from_it(month, is_believed):
    assert (month in believable([month], NOW)) is is_believed


@pytest.mark.django_db(transaction=True)
def test_a_message_from_the_year_2050_is_kept_without_a_partition():
    before = set(existing())
    Store().write(read_lines("file", "irc", 0, [privmsg("hello", tmi_sent_ts=2_524_608_000_000)]))
    assert (Message.objects.count(), set(existing())) == (1, before)
