"""A superuser says that an account is a bot wherever it is seen."""

import pytest

from streams.tests.cast import make_channel
from viewers.models import BotSource, Viewer
from viewers.tests.cast import make_viewer
from viewers.tests.test_bots import said_of, watch_seconds, watched

pytestmark = pytest.mark.django_db


@pytest.fixture
def channel():
    return make_channel()


def page_of(viewer):
    return f"/admin/viewers/viewer/{viewer.pk}/change/"


def test_a_moderator_says_who_is_a_bot(admin_client, channel):
    ann = make_viewer(channel, "ann")
    watched(channel, ann)
    admin_client.post(page_of(ann), {"is_bot": "on"})
    assert said_of(ann) == (True, BotSource.MODERATOR)
    assert watch_seconds(ann) == ([0], 0)


def test_a_moderator_says_who_is_none(admin_client, channel):
    ann = make_viewer(channel, "ann", is_bot=True, bot_source=BotSource.LIST)
    watched(channel, ann)
    admin_client.post(page_of(ann), {})
    assert said_of(ann) == (False, BotSource.MODERATOR)
    assert watch_seconds(ann) == ([1800], 1800)


def test_saving_without_a_change_says_nothing(admin_client, channel):
    ann = make_viewer(channel, "ann")
    admin_client.post(page_of(ann), {})
    assert said_of(ann) == (False, "")


def test_names_that_were_learnt_meanwhile_stay(admin_client, channel, monkeypatch):
    ann = make_viewer(channel, "ann")
    is_asked = "chat.viewerfile.admin.ViewerAdmin.has_change_permission"

    def renamed_meanwhile(*_):
        Viewer.objects.filter(pk=ann.pk).update(login="anna")
        return True

    monkeypatch.setattr(is_asked, renamed_meanwhile)
    admin_client.post(page_of(ann), {"is_bot": "on"})
    assert Viewer.objects.get().login == "anna"
