"""The administration as a whole: the way in, where it begins, what its palette finds, and what its pages may load."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from redis.exceptions import RedisError

from chat.models import ChatMinute, ModerationEvent
from chat.tests.crowd import make_message
from streams.models import AuditEntry, ChannelModerator, ChannelTotal, JobRun, Stream
from streams.tests.cast import make_channel
from streamstats import adminlogin, adminsite
from viewers.models import Claim, Profile, Summary, ViewerDay, WikiRevision
from viewers.tests.accounts import make_user
from viewers.tests.cast import make_viewer

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_client")]

LOGIN = "/admin/login/"
RIGHT = {"username": "root", "password": "correct horse"}


@pytest.fixture
def root():
    return User.objects.create_superuser(**RIGHT)


@pytest.fixture
def channel():
    return make_channel("lantern", twitch_id="11")


@pytest.fixture
def owner(channel):
    return make_user("11")


@pytest.fixture
def moderator(channel):
    now = timezone.now()
    ChannelModerator.objects.create(channel=channel, twitch_id="22", since=now, told_at=now)
    return make_user("22")


class TestWayIn:
    def test_strangers_are_led_to_the_login_and_from_there_back(self, client):
        answer = client.get("/admin/chat/message/?q=x")
        assert answer["Location"] == "/admin/login/?next=/admin/chat/message/%3Fq%3Dx"

    def test_twitch_stands_first_and_knows_where_to_come_back_to(self, client, settings):
        settings.TWITCH_CLIENT_ID = settings.TWITCH_CLIENT_SECRET = "x"
        page = client.get(LOGIN, {"next": "/admin/chat/message/"}).content.decode()
        assert page.index('action="/login/twitch/"') < page.index('type="password"')
        assert page.count('name="next" value="/admin/chat/message/"') == 2

    def test_nobody_is_led_elsewhere(self, client, root):
        answer = client.post(LOGIN, {**RIGHT, "next": "https://elsewhere.test/"})
        assert answer["Location"] == "/admin/"

    def test_who_is_in_already_is_led_on(self, client, owner):
        client.force_login(owner)
        assert client.get(LOGIN)["Location"] == "/admin/"

    def test_who_has_no_channel_is_told_so_and_not_sent_round(self, client):
        client.force_login(make_user("99"))
        for address in ("/admin/", LOGIN, "/admin/chat/message/"):
            answer = client.get(address)
            assert answer.status_code == 403
            assert "No channel here is yours to look after" in answer.content.decode()

    def test_who_has_no_channel_can_log_out(self, client):
        client.force_login(make_user("99"))
        assert client.post("/admin/logout/").status_code == 200
        assert "_auth_user_id" not in client.session

    def test_a_removed_moderator_is_out_with_the_next_request_of_an_open_session(self, client, moderator):
        client.force_login(moderator)
        assert client.get("/admin/").status_code == 200
        ChannelModerator.objects.all().delete()
        assert client.get("/admin/").status_code == 403
        assert client.get("/admin/chat/message/").status_code == 403

    def test_nothing_of_it_is_kept_by_browsers(self, client, root):
        assert "no-store" in client.get(LOGIN)["Cache-Control"]
        client.force_login(root)
        assert "no-store" in client.get("/admin/")["Cache-Control"]


class TestPassword:
    def test_superusers_come_in(self, client, root):
        assert client.post(LOGIN, RIGHT)["Location"] == "/admin/"
        assert client.get("/admin/").status_code == 200

    @pytest.mark.parametrize("wrong", [{"password": "wrong"}, {"username": "nobody"}, {"username": "Root"}])
    def test_what_is_wrong_is_refused_in_the_same_words(self, client, root, wrong):
        answer = client.post(LOGIN, {**RIGHT, **wrong})
        assert answer.status_code == 403
        assert adminlogin.WRONG in answer.content.decode()

    def test_everybody_else_is_told_to_come_by_twitch(self, client, root):
        User.objects.create_user("staff", password="pass", is_staff=True)
        answer = client.post(LOGIN, {"username": "staff", "password": "pass"})
        assert adminlogin.NOT_FOR_YOU in answer.content.decode()
        assert "_auth_user_id" not in client.session

    def test_who_is_switched_off_stays_out(self, client, root):
        User.objects.update(is_active=False)
        assert client.post(LOGIN, RIGHT).status_code == 403

    def test_a_name_that_nobody_has_costs_as_much_as_a_wrong_password(self, client, root, monkeypatch):
        hashed = []
        monkeypatch.setattr(User, "set_password", lambda user, raw: hashed.append(raw))
        client.post(LOGIN, {"username": "nobody", "password": "x"})
        assert hashed == ["x"]

    def test_after_five_tries_a_name_is_locked_for_an_address_even_with_the_right_password(self, client, root):
        for _ in range(5):
            assert client.post(LOGIN, {**RIGHT, "password": "wrong"}, REMOTE_ADDR="8.8.8.8").status_code == 403
        answer = client.post(LOGIN, RIGHT, REMOTE_ADDR="8.8.8.8")
        assert answer.status_code == 429
        assert int(answer["Retry-After"]) <= 15 * 60
        assert adminlogin.TOO_OFTEN in answer.content.decode()

    def test_from_another_address_the_same_name_still_comes_in(self, client, root):
        for _ in range(9):
            client.post(LOGIN, {**RIGHT, "password": "wrong"}, REMOTE_ADDR="8.8.8.8")
        assert client.post(LOGIN, RIGHT, REMOTE_ADDR="9.9.9.9").status_code == 302

    def test_an_address_cannot_try_name_after_name(self, client):
        for number in range(30):
            client.post(LOGIN, {"username": f"root{number}", "password": "x"}, REMOTE_ADDR="8.8.8.8")
        assert client.post(LOGIN, {"username": "other", "password": "x"}, REMOTE_ADDR="8.8.8.8").status_code == 429

    def test_many_addresses_lock_a_name_but_not_for_a_browser_that_came_in_before(self, client, root):
        assert client.post(LOGIN, RIGHT).status_code == 302
        client.post("/admin/logout/")
        attacker = Client()
        for number in range(31):
            attacker.post(LOGIN, {**RIGHT, "password": "x"}, REMOTE_ADDR=f"8.8.{number}.8")
        assert attacker.post(LOGIN, RIGHT, REMOTE_ADDR="9.9.9.9").status_code == 429
        assert client.post(LOGIN, RIGHT).status_code == 302

    def test_a_browser_that_came_in_before_may_not_try_for_ever_either(self, client, root):
        client.post(LOGIN, RIGHT)
        for _ in range(5):
            client.post(LOGIN, {**RIGHT, "password": "x"})
        assert client.post(LOGIN, RIGHT).status_code == 429

    def test_a_made_up_cookie_of_such_a_browser_counts_for_nothing(self, client, root):
        client.cookies[adminlogin.KNOWN] = "root:made:up"
        for _ in range(5):
            client.post(LOGIN, {**RIGHT, "password": "x"})
        assert client.post(LOGIN, RIGHT).status_code == 429

    def test_while_nobody_can_count_tries_nobody_may_try(self, client, root, monkeypatch):
        def away():
            raise RedisError("away")

        monkeypatch.setattr(adminlogin, "quick_redis", away)
        answer = client.post(LOGIN, RIGHT)
        assert answer.status_code == 503
        assert "Redis does not answer" in answer.content.decode()

    def test_only_who_has_one_may_change_it(self, client, owner, root):
        client.force_login(owner)
        assert client.get("/admin/password_change/").status_code == 403
        client.force_login(root)
        assert client.get("/admin/password_change/").status_code == 200


class TestPolicy:
    def test_pages_of_the_administration_may_make_functions_and_no_others(self, client, root, channel):
        client.force_login(root)
        assert "script-src 'self' 'unsafe-eval'" in client.get("/admin/")["Content-Security-Policy"]
        for address in ("/", "/c/lantern/", "/account/", LOGIN):
            answer = client.get(address)
            assert "unsafe" not in answer["Content-Security-Policy"]

    def test_nothing_more_than_that_is_opened(self, client, root):
        client.force_login(root)
        inside = client.get("/admin/")["Content-Security-Policy"]
        outside = client.get("/")["Content-Security-Policy"]
        assert set(inside.split("; ")) - set(outside.split("; ")) == {"script-src 'self' 'unsafe-eval'"}
        assert "unsafe-inline" not in inside

    def test_all_that_a_page_loads_comes_from_here(self, client, root):
        client.force_login(root)
        page = client.get("/admin/").content.decode()
        assert '<link href="/static/' in page
        assert 'src="http' not in page
        assert "<style" not in page


class TestFirstPage:
    @pytest.fixture
    def evening(self, channel):
        """Something of everything, here and in a channel out of reach."""
        now = timezone.now()
        for of in (channel, make_channel("kitchen")):
            ann = make_viewer(of, f"ann{of.login}")
            ViewerDay.objects.create(channel=of, viewer=ann, day=now.date(), messages=3)
            ChannelTotal.objects.create(channel=of, messages=1, last_message_at=now)
            minute = now.replace(second=0, microsecond=0) - timedelta(minutes=1)
            ChatMinute.objects.create(channel=of, minute=minute, messages=77, chatters=12)
            Stream.objects.create(id=f"s{of.login}", channel=of, started_at=now, title=f"evening of {of.login}")
            ModerationEvent.objects.create(
                channel=of, kind="ban", occurred_at=now, target_id=ann.pk, target_login=ann.login, moderator_id="22"
            )
            AuditEntry.objects.create(channel=of, action="page.hide", role="owner", target=f"page of {ann.login}")
            profile = Profile.objects.create(channel=of, viewer=ann)
            WikiRevision.objects.create(profile=profile, number=1, text="words", role="viewer")
            summary = Summary.objects.create(channel=of, viewer=ann, number=1, begun_at=now, state="review")
            Claim.objects.create(summary=summary, position=1, part="portrait", text="Asks.", reported_at=now)
        JobRun.objects.create(name="rank", started_at=now, took_ms=1, outcome="failed", detail="no sense")

    def test_it_tells_what_happens_in_the_channels_within_reach(self, client, moderator, evening):
        client.force_login(moderator)
        page = client.get("/admin/").content.decode()
        for words in (
            "evening of lantern",
            "77",
            "annlantern",
            "hid the page of",
            "waits for somebody",
            "was called wrong",
        ):
            assert words in page
        assert "kitchen" not in page

    def test_health_is_for_owners_and_failed_jobs_for_superusers(self, client, moderator, owner, root, evening):
        shown = {}
        for user in (moderator, owner, root):
            client.force_login(user)
            page = client.get("/admin/").content.decode()
            shown[user.username] = ("Does all of it arrive?" in page, "no sense" in page)
        assert shown == {"22": (False, False), "11": (True, False), "root": (True, True)}

    def test_it_asks_little_and_no_more_with_more_rows(self, client, owner, root, channel, evening):
        for user in (owner, root):
            client.force_login(user)
            with CaptureQueriesContext(connection) as few:
                client.get("/admin/")
            for number in range(12):
                ann = make_viewer(channel, f"more{user.pk}x{number}")
                make_message(channel, ann, timezone.now())
                ViewerDay.objects.create(channel=channel, viewer=ann, day=timezone.now().date(), messages=3)
                ModerationEvent.objects.create(
                    channel=channel, kind="ban", occurred_at=timezone.now(), target_id=ann.pk, target_login=ann.login
                )
            with CaptureQueriesContext(connection) as many:
                client.get("/admin/")
            assert len(many) == len(few) <= 12
            assert not [query for query in many if "COUNT(*)" in query["sql"]]

    def test_with_nothing_to_tell_every_part_says_so(self, client, root):
        client.force_login(root)
        page = client.get("/admin/").content.decode()
        for part in ("Nobody is on air", "No channel is", "Nobody is here for", "Nothing waits", "Nothing had to"):
            assert part in page


class TestPalette:
    def find(self, client, words):
        page = client.get("/admin/search/", {"s": words, "extended": 1})
        return [(item.title, item.description) for item in page.context["results"]]

    def test_it_finds_pages_channels_and_viewers_by_any_name(self, client, owner, channel):
        make_viewer(channel, "ann", formerly="damp")
        client.force_login(owner)
        assert ("ann", "Viewer") in self.find(client, "DAM")
        assert ("Lantern", "Channel") in self.find(client, "lan")
        assert ("Messages", "Now") in self.find(client, "messa")

    def test_it_is_on_the_pages_of_moderators_as_well(self, client, moderator):
        client.force_login(moderator)
        page = client.get("/admin/").content.decode()
        assert 'id="search-input-command"' in page
        assert "$dispatch('opencommand')" in page

    def test_it_finds_nothing_out_of_reach(self, client, moderator):
        make_viewer(make_channel("kitchen"), "bob")
        client.force_login(moderator)
        for words in ("bob", "kitchen", "users", "connections"):
            assert self.find(client, words) == []

    def test_what_was_found_before_is_not_remembered(self, client, moderator, channel):
        make_viewer(channel, "damian")
        ChannelModerator.objects.create(
            channel=make_channel("kitchen"), twitch_id="22", since=timezone.now(), told_at=timezone.now()
        )
        client.force_login(moderator)
        assert self.find(client, "damian")
        ChannelModerator.objects.filter(channel=channel).delete()
        assert self.find(client, "damian") == []

    @pytest.mark.parametrize("odd", ["", " ", "\x00", "%", "@", "a" * 3000, "<script>"])
    def test_odd_words_do_no_harm(self, client, root, odd):
        client.force_login(root)
        assert client.get("/admin/search/", {"s": odd, "extended": 1}).status_code == 200


class TestMenu:
    def groups(self, client, user):
        client.force_login(user)
        return {
            group.get("title", ""): {item["title"] for item in group["items"]}
            for group in client.get("/admin/").context["sidebar_navigation"]
        }

    def test_it_is_what_one_may_see(self, client, moderator, owner, root):
        of_moderator, of_owner, of_root = (self.groups(client, user) for user in (moderator, owner, root))
        assert "Site" not in of_moderator
        assert "Connections" not in of_moderator["Channel"]
        assert "Connections" in of_owner["Channel"]
        assert "Site" not in of_owner
        assert "Users" in of_root["Site"]

    def test_every_entry_leads_somewhere(self, client, root):
        client.force_login(root)
        links = [i["link"] for g in client.get("/admin/").context["sidebar_navigation"] for i in g["items"]]
        assert [link for link in links if client.get(link).status_code != 200] == []


def test_the_way_to_any_row_by_its_number_is_closed(client, root):
    client.force_login(root)
    assert client.get("/admin/r/1/1/").status_code == 404
    assert adminsite.POLICY["script-src"]
