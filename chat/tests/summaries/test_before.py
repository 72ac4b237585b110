"""What was said of a viewer before, and is wrong: it does not come again, nor is it told to a model."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from chat.summaries import making, versions
from chat.tests.crowd import make_message
from chat.tests.summaries.written import agree
from streams.tests.cast import make_channel
from viewers.models import Claim, Summary, SummaryPolicy
from viewers.tests.cast import make_viewer

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_client")]

NOW = timezone.now()
WRONG = "They ask how bosses are beaten and share what worked."
RIGHT = "They look forward to puzzle games."
ANSWER = {"portrait": [{"text": text, "sources": ["m1"]} for text in (WRONG, RIGHT)]}


@pytest.fixture
def channel():
    channel = make_channel()
    SummaryPolicy.objects.create(channel=channel, is_on=True)
    return channel


@pytest.fixture
def ann(channel):
    viewer = make_viewer(channel, "ann", messages=100)
    agree(viewer)
    make_message(channel, viewer, NOW - timedelta(hours=1), text="has anyone tried the demo of that one yet")
    return viewer


@pytest.fixture
def answers():
    """What the model says, one after the other; the last again and again."""
    return [ANSWER]


@pytest.fixture
def make(channel, ann, providers, answers):
    """Have a version written."""
    for answer in answers:
        providers.answer("openai", answer)

    def made():
        number = Summary.objects.count() + 1
        summary = Summary.objects.create(channel=channel, viewer=ann, number=number, begun_at=NOW)
        making.make(summary.pk, making.OfViewer(), NOW)
        summary.refresh_from_db()
        return summary

    return made


def texts(summary):
    return list(summary.claims.order_by("position").values_list("text", flat=True))


def hide(summary, role):
    versions.hide(summary, User.objects.get_or_create(username=role, is_superuser=role == "moderator")[0], role)


def test_what_a_viewer_said_is_wrong_does_not_come_again(make):
    versions.report(make().claims.get(text=WRONG))
    assert texts(make()) == [RIGHT]


def test_a_version_says_that_it_was_left_out(make):
    versions.report(make().claims.get(text=WRONG))
    assert make().dropped == {"reported before": 1}


OTHERWISE = {"text": "they ask how bosses are beaten, and share what w\u043erked", "sources": ["m1"]}


@pytest.mark.parametrize("answers", [[ANSWER, {"portrait": [OTHERWISE]}]])
def test_it_does_not_come_again_with_other_signs(make):
    versions.report(make().claims.get(text=WRONG))
    assert make().dropped == {"reported before": 1}


def test_it_is_not_told_to_a_model(make, providers):
    first, second = make(), make()
    versions.report(first.claims.get(text=WRONG))
    Claim.objects.filter(summary=second).update(reported_at=None)
    make()
    assert WRONG not in providers.received[-1].content


def test_what_is_right_is_told_to_a_model(make, providers):
    versions.report(make().claims.get(text=WRONG))
    make()
    assert RIGHT in providers.received[-1].content


def test_what_a_moderator_hid_does_not_come_again(make):
    hide(make(), "moderator")
    assert make().state == "refused"


def test_what_a_viewer_hid_may_come_again(make):
    hide(make(), "viewer")
    assert texts(make()) == [WRONG, RIGHT]


@pytest.mark.parametrize("answers", [[{"portrait": ANSWER["portrait"][1:]}, ANSWER]])
def test_what_an_older_version_says_that_is_shown_may_come_again(make):
    make()
    hide(make(), "moderator")
    assert texts(make()) == [RIGHT]
