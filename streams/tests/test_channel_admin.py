import pytest
from redis.exceptions import RedisError

from streams import pages
from streams.models import Channel
from streams.tests.cast import make_channel

pytestmark = pytest.mark.django_db

LIST = "/admin/streams/channel/"
FORM = {"is_followed": "on", "page_policy": "open", "retention_days": "90"}


def chosen(action, *channels):
    return {"action": action, "_selected_action": [channel.pk for channel in channels]}


def test_channels_can_be_followed_again(admin_client):
    channel = make_channel(is_followed=False)
    admin_client.post(LIST, chosen("follow", channel))
    assert Channel.objects.get().is_followed


def test_channels_can_be_left(admin_client):
    channel = make_channel()
    admin_client.post(LIST, chosen("unfollow", channel))
    assert not Channel.objects.get().is_followed


def test_a_channel_can_be_added_by_its_address(admin_client):
    admin_client.post(f"{LIST}add/", {"login": "https://www.twitch.tv/LanternLight", **FORM})
    assert Channel.objects.get().login == "lanternlight"


def test_what_is_no_name_is_refused_with_words(admin_client):
    page = admin_client.post(f"{LIST}add/", {"login": "not a name", **FORM})
    assert "Not the name of a channel" in page.content.decode()


def test_a_channel_cannot_be_deleted(admin_client):
    channel = make_channel()
    assert admin_client.post(f"{LIST}{channel.pk}/delete/", {"post": "yes"}).status_code == 403


def test_retention_can_be_changed(admin_client):
    channel = make_channel()
    admin_client.post(f"{LIST}{channel.pk}/change/", {"login": "lantern", **FORM, "retention_days": "7"})
    assert Channel.objects.get().retention_days == 7


def test_pages_kept_ready_are_forgotten_when_a_channel_changes(
    admin_client, monkeypatch, django_capture_on_commit_callbacks
):
    told = []
    monkeypatch.setattr(pages, "forget", lambda logins: told.append(set(logins)))
    channel = make_channel("lantern")
    with django_capture_on_commit_callbacks(execute=True):
        admin_client.post(f"{LIST}{channel.pk}/change/", {"login": "torch", **FORM, "page_policy": "opt-in"})
    assert told == [{"lantern", "torch"}]


@pytest.mark.django_db(transaction=True)
def test_staff_are_told_where_pages_cannot_be_forgotten(admin_client, monkeypatch):
    def away(logins):
        raise RedisError("away")

    monkeypatch.setattr(pages, "forget", away)
    channel = make_channel()
    admin_client.post(f"{LIST}{channel.pk}/change/", {"login": "lantern", **FORM, "page_policy": "opt-in"})
    assert Channel.objects.get().page_policy == "opt-in"
    assert "pages may show what was before" in admin_client.get(LIST).content.decode()
