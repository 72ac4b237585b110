"""The first page of the administration names who came for the first time today, however many come in a day."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from streams.models import Channel
from streams.tests.cast import make_channel
from streamstats import dashboard
from viewers.models import Viewer, ViewerDay, ViewerTotal

pytestmark = pytest.mark.django_db

NOW = datetime(2031, 5, 1, 18, tzinfo=UTC)
DAY = timedelta(days=1)


def come(channel: Channel, *names: str, first: datetime = NOW - timedelta(hours=1), **of_viewer: object) -> None:
    """To a channel today, one after another; first seen there a minute apart."""
    for number, name in enumerate(names):
        viewer, _ = Viewer.objects.get_or_create(
            twitch_id=f"{channel.pk}{name}",
            defaults={"login": name, "named_at": NOW, **of_viewer},
        )
        at = first + timedelta(minutes=number)
        ViewerDay.objects.create(channel=channel, viewer=viewer, day=NOW.date(), messages=1)
        ViewerTotal.objects.create(channel=channel, viewer=viewer, first_seen_at=at, last_seen_at=NOW, messages=1)


def named(*channels: Channel) -> list[str]:
    return [row.viewer.login for row in dashboard._newcomers([channel.pk for channel in channels], NOW)]


def test_newcomers_of_all_channels_are_named_the_last_first():
    here, there = make_channel("here"), make_channel("there")
    come(here, "ann", "bob")
    come(there, "cleo", first=NOW)
    come(here, "regular", first=NOW - 9 * DAY)
    come(here, "robot", is_bot=True)
    assert named(here, there) == ["cleo", "bob", "ann"]
    assert named(here) == ["bob", "ann"]
    assert named() == []


def test_newcomers_are_named_however_many_came_after_them():
    channel, other = make_channel(), make_channel("other")
    come(channel, "ann")
    viewers = [Viewer(twitch_id=f"regular{number}", named_at=NOW) for number in range(600)]
    Viewer.objects.bulk_create(viewers)
    ViewerDay.objects.bulk_create([ViewerDay(channel=channel, viewer=each, day=NOW.date()) for each in viewers])
    were_there = {"first_seen_at": NOW - 9 * DAY, "last_seen_at": NOW}
    ViewerTotal.objects.bulk_create([ViewerTotal(channel=channel, viewer=each, **were_there) for each in viewers])
    assert named(channel, other) == ["ann"]


def test_of_one_channel_with_many_there_is_room_for_those_of_another():
    here, there = make_channel("here"), make_channel("there")
    come(here, *(f"viewer{number}" for number in range(dashboard.ROWS + 2)))
    come(there, "cleo", first=NOW)
    assert named(here, there)[0] == "cleo"
    assert len(named(here, there)) == dashboard.ROWS


def test_it_is_one_question():
    channels = [make_channel(name) for name in ("here", "there")]
    with CaptureQueriesContext(connection) as asked:
        named(*channels)
    assert len(asked) == 1


def test_only_the_newest_of_each_channel_are_read():
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")  # the table is tiny
    plan = dashboard._newcomers([make_channel(name).pk for name in ("here", "there")], NOW).explain()
    assert "viewertotal_newest" in plan
    assert len(re.findall(r"Index Cond: \(\(channel_id = \d+\) AND \(first_seen_at >=", plan)) == 2
