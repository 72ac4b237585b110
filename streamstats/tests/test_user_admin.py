"""Users in the admin have the names that chat knows them by: that is where moderators are made."""

import json

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import CharField, JSONField, TextField
from django.test.utils import CaptureQueriesContext
from social_django.models import UserSocialAuth

from streams.models import AuditEntry
from streams.scopedadmin import values
from streams.tests.cast import make_channel
from viewers.tests.cast import make_viewer

pytestmark = pytest.mark.django_db

USERS = "/admin/auth/user/"


def log_in_once(twitch_id):
    user = User.objects.create_user(twitch_id)
    UserSocialAuth.objects.create(user=user, provider="twitch", uid=twitch_id)
    return user


@pytest.fixture
def ann(db):
    return log_in_once(make_viewer(make_channel(), "ann", formerly="candle", display_name="安娜").pk)


def test_who_logged_in_with_twitch_has_their_name(admin_client, ann):
    assert "安娜 (ann)" in admin_client.get(USERS).content.decode()
    assert "安娜 (ann)" in admin_client.get(f"{USERS}{ann.pk}/change/").content.decode()


def test_who_was_never_seen_in_chat_is_said_to_be(admin_client):
    log_in_once("4711")
    page = admin_client.get(USERS).content.decode()
    assert "not seen in chat" in page
    assert "logs in with a password" in page


@pytest.mark.parametrize("typed", ["an", "@Cand"])
def test_users_are_found_by_any_name_they_had(admin_client, ann, typed):
    assert list(admin_client.get(USERS, {"q": typed}).context["cl"].result_list) == [ann]


def test_staff_is_made_here(admin_client, ann):
    form = admin_client.get(f"{USERS}{ann.pk}/change/").context["adminform"].form
    given = {name: value for name, value in form.initial.items() if value and name in ("username", "is_active")}
    joined = {"date_joined_0": "2026-05-01", "date_joined_1": "12:00"}
    answer = admin_client.post(f"{USERS}{ann.pk}/change/", {**given, **joined, "is_staff": "on"})
    assert answer.status_code == 302
    assert User.objects.get(pk=ann.pk).is_staff


def test_many_users_cost_no_more_queries(admin_client, ann):
    def asked():
        with CaptureQueriesContext(connection) as captured:
            admin_client.get(USERS)
        return len(captured)

    few = asked()
    for viewer in range(5):
        log_in_once(make_viewer(make_channel(f"c{viewer}"), f"v{viewer}").pk)
    assert asked() == few <= 8


def test_the_audit_log_of_a_deleted_login_has_no_word_of_its_password(admin_client):
    user = User.objects.create_user("wren", password="a flock of cranes")
    admin_client.post(f"{USERS}{user.pk}/delete/", {"post": "yes"})
    entry = AuditEntry.objects.get(action="user.delete")
    assert entry.detail["before"]["username"] == "wren"
    assert user.password not in json.dumps(entry.detail)


SECRET = ("password", "digest", "secret", "token", "session_key", "extra_data", "sealed")


def test_nothing_secret_of_any_row_is_written_down():
    """Texts only: how many tokens a model read is a number, and no secret."""
    met = set()
    for model in admin.site._registry:
        fields = [each for each in model._meta.concrete_fields if isinstance(each, CharField | TextField | JSONField)]
        secret = {field.name for field in fields if any(word in field.name for word in SECRET)}
        assert not secret & set(values(model())), model
        met |= secret
    assert met >= {
        "password",
        "digest",
        "secret",
        "old_secret",
        "access_token",
        "refresh_token",
        "extra_data",
        "sealed",
    }
