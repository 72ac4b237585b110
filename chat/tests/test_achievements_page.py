"""Achievements as people see them: on the page of a viewer, and all of a channel."""

import re
from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import User
from social_django.models import UserSocialAuth

from chat.achievements import ACHIEVEMENTS, GROUPS
from chat.awards import award
from chat.tests.deeds import Deeds
from streams.models import Stream
from streams.reach import PROVIDER
from streams.tests.cast import make_channel
from viewers.models import Award, Viewer
from viewers.tests.cast import make_viewer

pytestmark = pytest.mark.django_db

PAGE = "/c/lantern/achievements/"
ANN = "/c/lantern/viewers/ann/"


@pytest.fixture
def channel():
    return make_channel()


@pytest.fixture
def ann(channel):
    return Deeds(channel, make_viewer(channel, "ann", 0))


def words(client, address):
    """The text of a page, without its tags."""
    page = client.get(address).content.decode().split("<main")[1]
    return " ".join("".join(part.split(">", 1)[-1] + " " for part in page.split("<")).split())


def section(client):
    return client.get(ANN).content.decode().split('aria-labelledby="achievements"')[1].split("</section>")[0]


# On the page of a viewer


def test_what_was_earned_is_told_with_its_day(client, channel, ann):
    ann.days(3, messages=45)
    award(channel, None)
    assert "Chatterbox level 1 Wrote 100 messages here. 4 Mar 2026" in words(client, ANN)


def test_what_was_earned_in_a_stream_leads_to_it(client, channel, ann):
    stream = ann.stream(messages=60)
    Stream.objects.update(title="<b>Late</b>")
    award(channel, None)
    assert f'<a href="/c/lantern/streams/{stream.pk}/"><bdi>&lt;b&gt;Late&lt;/b&gt;</bdi></a>' in section(client)


def test_what_was_more_than_asked_for_is_told(client, channel, ann):
    ann.event("raid", 42)
    award(channel, None)
    assert "Raided with 10 viewers. It was 42 viewers." in words(client, ANN)


def test_the_highest_level_says_so(client, channel, ann):
    ann.spends(60_000)
    award(channel, None)
    assert "Saved up level 3, the highest" in words(client, ANN)


def test_the_way_to_the_next_level_is_a_picture_with_words(client, channel, ann):
    ann.days(5, messages=18)
    award(channel, None)
    assert 'aria-label="90 % of the way"' in section(client)
    assert "Wrote 100 messages here. 90 messages so far" in words(client, ANN)


def test_many_are_folded_away_after_the_latest(client, channel, ann):
    ann.days(400, messages=40, watch_seconds=7200, bits=5, points=100, gifts=1, emotes=20)
    award(channel, None)
    part = section(client)
    assert part.split("<details")[0].count("<li>") == 9
    assert part.split("<details")[1].split("</details>")[0].count("<li>") > 2


def test_who_has_none_is_told_how_to_begin(client, channel, ann):
    assert "None yet: a first message is the first of them." in words(client, ANN)


def test_bots_earn_none(client, channel, ann):
    ann.days(5, messages=18)
    award(channel, None)
    Viewer.objects.update(is_bot=True)
    assert "Bots earn none." in words(client, ANN)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("2026-03", "achievements in March 2026"),
        ("2025", "Achievements in 2025 None was earned then."),
        ("2026-W10", "achievements in the week of 2 Mar 2026"),
    ],
)
def test_a_range_tells_what_was_earned_in_it(client, channel, ann, asked, expected):
    ann.days(3, messages=45)
    award(channel, None)
    assert expected in words(client, f"{ANN}?range={asked}")


def test_of_one_achievement_a_range_tells_the_highest_level_of_that_time(client, channel, ann):
    viewer = Viewer.objects.get(login="ann")
    for level, month in ((1, 1), (2, 3), (3, 5)):
        Award.objects.create(
            channel=channel,
            viewer=viewer,
            achievement="messages",
            level=level,
            earned_at=datetime(2026, month, 1, tzinfo=UTC),
            value=1,
        )
    assert re.findall(r"level \d", words(client, f"{ANN}?range=2026-03")) == ["level 2"]


# All of a channel


def test_all_are_there_by_their_kinds(client, channel):
    text = words(client, PAGE)
    for each in ACHIEVEMENTS:
        assert each.name.replace("'", "&#x27;") in text
    for name in GROUPS.values():
        assert name in text


def test_it_says_how_many_have_each(client, channel, ann):
    bob = Deeds(channel, make_viewer(channel, "bob", 0))
    ann.days(3, messages=45)
    bob.days(30, messages=45)
    award(channel, None)
    told = "100 messages: 2 viewers 1,000 messages: 1 viewer 5,000 messages: nobody yet"
    assert f"Chatterbox Wrote … messages here. {told}" in words(client, PAGE)


def test_it_names_nobody(client, channel, ann):
    ann.days(3, messages=45)
    award(channel, None)
    assert "ann" not in words(client, PAGE).lower().replace("channel", "").replace("anniversary", "")


def test_a_channel_without_viewers_has_it_too(client, channel):
    text = words(client, PAGE)
    assert "nobody yet" in text
    assert "as of" not in text


def test_a_channel_that_is_not_followed_has_none(client):
    assert client.get(PAGE).status_code == 404


def test_own_levels_are_marked(client, channel, ann):
    ann.days(3, messages=45)
    award(channel, None)
    user = User.objects.create_user("somebody")
    UserSocialAuth.objects.create(user=user, provider=PROVIDER, uid=ann.viewer.pk)
    assert "yours" not in words(client, PAGE)
    client.force_login(user, "django.contrib.auth.backends.ModelBackend")
    text = words(client, PAGE)
    assert "Chatterbox Wrote … messages here. 100 messages: 1 viewer yours 1,000 messages: nobody yet" in text


def test_it_is_only_read(client, channel):
    assert client.post(PAGE).status_code == 405


@pytest.mark.parametrize("logged_in", [False, True])
def test_it_costs_few_queries(client, channel, ann, django_assert_max_num_queries, logged_in):
    award(channel, None)
    if logged_in:
        user = User.objects.create_user("somebody")
        UserSocialAuth.objects.create(user=user, provider=PROVIDER, uid=ann.viewer.pk)
        client.force_login(user, "django.contrib.auth.backends.ModelBackend")
    with django_assert_max_num_queries(6 if logged_in else 2):
        client.get(PAGE)
