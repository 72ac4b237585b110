"""What viewers see and decide of themselves, and that nobody does it for another."""

import asyncio
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from chat import packedfiles, tasks
from chat.tests.everything import make_somebody, make_user
from streams import pages
from streams.models import Channel
from streams.tests.cast import make_channel
from viewers import choices
from viewers.access import may_moderate, twitch_id_of, viewer_of
from viewers.marks import mark_of
from viewers.models import Consent, Erasure, Export, Profile, Viewer, WikiRevision
from viewers.tests.cast import make_viewer

pytestmark = pytest.mark.django_db

ACCOUNT = "/account/"
TWITCH = "viewers.login.TwitchLogin"
PASSWORD = "django.contrib.auth.backends.ModelBackend"
# Every address that changes something, with what it is told.
DEEDS = {
    "/account/hide/": {},
    "/account/show/": {},
    "/account/stop/": {},
    "/account/resume/": {},
    "/account/agree/": {"kind": "summary"},
    "/account/withdraw/": {"kind": "summary"},
    "/account/channel/": {"pages": "opt-in"},
    "/account/summaries/": {"per_minute": "1", "per_day": "1"},
    "/account/allow/": {},
}
BOTH_WAYS = {"/account/export/": {}, "/account/erase/": {"login": "ann"}}


@pytest.fixture(autouse=True)
def redis(redis_client):
    """An empty one."""


@pytest.fixture(autouse=True)
def media(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path / "media"


@pytest.fixture
def channel():
    return make_channel()


@pytest.fixture
def ann(channel):
    return make_viewer(channel, "ann", 12)


@pytest.fixture
def bob(channel):
    return make_viewer(channel, "bob", 7)


def logged_in(viewer_id, **fields):
    client = Client()
    client.force_login(make_user(viewer_id, **fields), TWITCH)
    return client


@pytest.fixture
def as_ann(ann):
    return logged_in(ann.pk)


def words(page):
    return " ".join(page.content.decode().split())


def said(answer, client):
    """What the page that it leads to says about what was done."""
    assert (answer.status_code, answer.url) == (302, ACCOUNT)
    return words(client.get(ACCOUNT))


def chosen():
    """Everything that anybody decided."""
    return (
        list(Viewer.objects.order_by("pk").values_list("pk", "hidden_at", "stopped_at")),
        list(Profile.objects.values_list("viewer", "channel", "visibility")),
        list(Consent.objects.values_list("viewer", "kind", "withdrawn_at")),
        list(Erasure.objects.values_list("mark", "lifted_at")),
        list(Export.objects.values_list("viewer")),
        list(Channel.objects.values_list("page_policy", flat=True)),
    )


# Who somebody is.


def test_who_logged_in_with_twitch_is_the_viewer_with_that_id(ann):
    user = make_user(ann.pk)
    assert (viewer_of(user), twitch_id_of(user)) == (ann, ann.pk)


def test_whoever_has_the_id_as_username_is_not(ann):
    staff = User.objects.create_superuser(ann.pk)
    assert (viewer_of(staff), twitch_id_of(staff)) == (None, "")


def test_whoever_has_the_id_at_another_service_is_not(ann):
    user = make_user(ann.pk)
    user.social_auth.update(provider="facebook")
    assert (viewer_of(user), twitch_id_of(user)) == (None, "")


def test_a_viewer_is_looked_for_once(ann, django_assert_num_queries):
    user = make_user(ann.pk)
    with django_assert_num_queries(1):
        for _ in range(3):
            viewer_of(user)
            twitch_id_of(user)


def test_the_owner_of_a_channel_may_moderate_there_and_nowhere_else(channel):
    owner = make_user("11")
    channel.twitch_id = "11"
    channel.save()
    assert may_moderate(owner, channel)
    assert not may_moderate(owner, make_channel("another"))


def test_nobody_owns_a_channel_whose_id_is_not_known(channel):
    channel.twitch_id = None
    assert not may_moderate(User.objects.create_user("somebody"), channel)
    channel.twitch_id = ""
    assert not may_moderate(User.objects.create_user("another"), channel)


@pytest.mark.parametrize(
    ("fields", "permissions", "may"),
    [
        ({}, [], False),
        ({}, ["change_profile"], False),
        ({"is_staff": True}, [], False),
        ({"is_staff": True}, ["view_profile"], False),
        ({"is_staff": True}, ["change_profile"], True),
        ({"is_superuser": True}, [], True),
        ({"is_superuser": True, "is_active": False}, [], False),
    ],
)
def test_of_others_only_whom_the_site_trusts_with_it(channel, fields, permissions, may):
    user = User.objects.create_user("user", **fields)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    assert may_moderate(user, channel) is may


# Looking.


def test_strangers_are_asked_to_log_in(client):
    assert client.get(ACCOUNT).url == "/login/twitch/?next=/account/"


def test_my_pages_are_there_with_their_numbers(as_ann, ann):
    make_viewer(make_channel("elsewhere"), "carl", 5)
    page = words(as_ann.get(ACCOUNT))
    assert "12 messages" in page
    assert "Your page is shown to everybody" in page
    assert 'href="/c/lantern/viewers/ann/"' in page
    assert "elsewhere" not in page.lower()


def test_a_page_of_many_channels_costs_as_many_queries(as_ann, ann, django_assert_max_num_queries):
    for number in range(5):
        channel = make_channel(f"channel{number}")
        ann.totals.create(channel=channel, messages=1, first_seen_at=timezone.now(), last_seen_at=timezone.now())
        profile = Profile.objects.create(channel=channel, viewer=ann)
        profile.current = WikiRevision.objects.create(profile=profile, number=1, text="me", role="viewer")
        profile.save()
    with django_assert_max_num_queries(12):
        assert words(as_ann.get(ACCOUNT)).count("channel") > 5


def test_a_stranger_costs_no_query(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        client.get("/login/twitch/")


def test_a_name_is_shown_as_text(channel):
    evil = make_viewer(channel, "evil", display_name="<script>alert(1)</script>")
    assert "<script>alert" not in words(logged_in(evil.pk).get(ACCOUNT))


def test_the_page_is_kept_by_no_cache(as_ann):
    assert "no-store" in as_ann.get(ACCOUNT).headers["Cache-Control"]


@pytest.mark.parametrize(
    ("is_open", "visibility", "state", "button"),
    [
        (True, "", "shown", "Hide"),
        (True, "hidden", "hidden", "Show"),
        (True, "removed", "hidden by moderators", None),
        (False, "", "not asked for", "Ask for a page"),
        (False, "shown", "shown", "Hide"),
        (False, "hidden", "hidden", "Ask for a page"),
    ],
)
def test_each_page_says_whether_it_is_shown_and_what_can_be_done(
    as_ann, ann, channel, is_open, visibility, state, button
):
    Channel.objects.update(page_policy="open" if is_open else "opt-in")
    if visibility:
        Profile.objects.create(channel=channel, viewer=ann, visibility=visibility)
    page = words(as_ann.get(ACCOUNT))
    assert f">{state}</span>" in page
    assert ('name="channel"' in page) == (button is not None)
    if button:
        assert f'<button class="button quiet">{button}<' in page


def test_a_text_is_led_to(as_ann, ann, channel):
    profile = Profile.objects.create(channel=channel, viewer=ann)
    profile.current = WikiRevision.objects.create(profile=profile, number=3, text="me", role="viewer")
    profile.save()
    page = words(as_ann.get(ACCOUNT))
    assert ">version 3</a> by you" in page
    assert 'href="/c/lantern/viewers/ann/wiki/edit/"' in page


def test_staff_with_a_password_are_told_that_they_have_no_page(client):
    client.force_login(User.objects.create_superuser("staff"), PASSWORD)
    page = client.get(ACCOUNT)
    assert (page.status_code, "with a password" in words(page)) == (200, True)


def test_who_was_never_seen_is_told_so():
    assert "Nothing is known of you" in words(logged_in("404").get(ACCOUNT))


# Deciding.


def test_all_pages_are_hidden_and_shown_again(as_ann, ann):
    assert "All your pages are hidden now" in said(as_ann.post("/account/hide/"), as_ann)
    ann.refresh_from_db()
    assert ann.hidden_at is not None
    assert "Your pages are shown again" in said(as_ann.post("/account/show/"), as_ann)
    ann.refresh_from_db()
    assert ann.hidden_at is None


def test_one_page_is_hidden_and_shown_again(as_ann, ann):
    assert "Your page in Lantern is hidden" in said(as_ann.post("/account/hide/", {"channel": "lantern"}), as_ann)
    assert Profile.objects.get(viewer=ann).visibility == "hidden"
    assert "Your page in Lantern is shown now" in said(as_ann.post("/account/show/", {"channel": "lantern"}), as_ann)
    assert Profile.objects.get(viewer=ann).visibility == ""


def test_where_pages_are_for_those_who_ask_one_is_asked_for(as_ann, ann):
    Channel.objects.update(page_policy="opt-in")
    said(as_ann.post("/account/show/", {"channel": "lantern"}), as_ann)
    assert Profile.objects.get(viewer=ann).visibility == "shown"


def test_a_page_that_moderators_hid_stays_hidden(as_ann, ann, channel):
    Profile.objects.create(channel=channel, viewer=ann, visibility="removed")
    assert "Moderators of Lantern have hidden" in said(as_ann.post("/account/show/", {"channel": "lantern"}), as_ann)
    assert Profile.objects.get(viewer=ann).visibility == "removed"


def test_nothing_more_is_kept_until_it_is_again(as_ann, ann):
    assert "nothing more is kept" in said(as_ann.post("/account/stop/"), as_ann)
    ann.refresh_from_db()
    assert ann.stopped_at is not None
    assert "counted again" in said(as_ann.post("/account/resume/"), as_ann)
    ann.refresh_from_db()
    assert ann.stopped_at is None


def test_what_was_agreed_to_is_shown_in_its_words_and_taken_back(as_ann, ann):
    said(as_ann.post("/account/agree/", {"kind": "summary"}), as_ann)
    given = Consent.objects.get(viewer=ann)
    page = words(as_ann.get(ACCOUNT))
    assert "You agreed" in page
    assert given.wording in page
    assert page.count("I agree<span") == 1  # to what is another thing
    said(as_ann.post("/account/withdraw/", {"kind": "summary"}), as_ann)
    given.refresh_from_db()
    assert given.withdrawn_at is not None


def test_other_words_are_agreed_to_anew(as_ann, ann):
    Consent.objects.create(viewer=ann, kind="summary", wording="Less than today.")
    page = words(as_ann.get(ACCOUNT))
    assert "Less than today." in page
    assert "The words have changed since" in page
    assert "I agree<span" in page


@pytest.mark.parametrize("name", ["", "nowhere", "LANTERN", "\x00", "<script>", "x" * 9999, "lantern/../x"])
def test_a_channel_that_is_not_there_changes_nothing(as_ann, name):
    before = chosen()
    page = said(as_ann.post("/account/hide/", {"channel": name}), as_ann)
    assert "No channel is called that here" in page
    assert chosen() == before


@pytest.mark.parametrize("kind", ["", "everything", "\x00", "x" * 9999])
@pytest.mark.parametrize("address", ["/account/agree/", "/account/withdraw/"])
def test_what_cannot_be_agreed_to_changes_nothing(as_ann, address, kind):
    assert "nothing of that kind" in said(as_ann.post(address, {"kind": kind}), as_ann)
    assert not Consent.objects.exists()


@pytest.mark.parametrize("address", ["/account/hide/", "/account/show/", "/account/stop/"])
def test_a_choice_that_cannot_be_kept_is_told(as_ann, monkeypatch, address):
    def away(logins):
        raise RedisError("away")

    monkeypatch.setattr(pages, "forget", away)
    before = chosen()
    page = said(as_ann.post(address, DEEDS[address]), as_ann)
    assert "could not be kept just now, and nothing was changed" in page
    assert chosen() == before


def test_who_is_being_erased_is_told_and_decides_nothing_more(as_ann, ann):
    erasure = choices.ask_to_erase(ann)
    before = chosen()
    page = said(as_ann.post("/account/resume/"), as_ann)
    assert "You are being erased" in page
    assert f'href="/erased/{erasure.receipt}/"' in page
    assert chosen() == before


# The owner of a channel.


@pytest.fixture
def as_owner(channel):
    return logged_in(channel.twitch_id)


def test_an_owner_decides_who_has_a_page_though_they_never_wrote(as_owner, channel):
    Viewer.objects.create(pk=channel.twitch_id, login="lantern", display_name="Lantern", named_at=timezone.now())
    assert 'name="pages" value="open" checked' in words(as_owner.get(ACCOUNT))
    page = said(as_owner.post("/account/channel/", {"pages": "opt-in"}), as_owner)
    assert "Only viewers who asked for one have a page in Lantern now." in page
    assert 'name="pages" value="opt-in" checked' in page
    channel.refresh_from_db()
    assert not channel.is_open


def test_pages_kept_ready_are_forgotten_before_and_after(as_owner, monkeypatch, django_capture_on_commit_callbacks):
    told = []
    monkeypatch.setattr(pages, "forget", lambda logins: told.append((list(logins), Channel.objects.get().page_policy)))
    with django_capture_on_commit_callbacks(execute=True):
        as_owner.post("/account/channel/", {"pages": "opt-in"})
    assert told == [(["lantern"], "open"), (["lantern"], "opt-in")]


def test_an_owner_is_told_where_it_cannot_be_kept(as_owner, channel, monkeypatch):
    def away(logins):
        raise RedisError("away")

    monkeypatch.setattr(pages, "forget", away)
    as_owner.post("/account/channel/", {"pages": "opt-in"})
    channel.refresh_from_db()
    assert channel.is_open


@pytest.mark.parametrize("wanted", ["", "closed", "\x00"])
def test_a_choice_that_there_is_not_changes_nothing(as_owner, wanted):
    before = chosen()
    as_owner.post("/account/channel/", {"pages": wanted})
    assert chosen() == before


def test_whoever_owns_no_channel_decides_nothing(as_ann):
    assert "Only the owner of a channel" in said(as_ann.post("/account/channel/", {"pages": "opt-in"}), as_ann)
    assert Channel.objects.get().is_open


def test_staff_decide_nothing_for_an_owner(client, channel):
    client.force_login(User.objects.create_user("staff", is_staff=True), PASSWORD)
    client.post("/account/channel/", {"pages": "opt-in"})
    channel.refresh_from_db()
    assert channel.is_open


@pytest.mark.parametrize("twitch_id", [None, ""])
def test_a_channel_without_an_id_is_nobodys(client, channel, twitch_id):
    Channel.objects.update(twitch_id=twitch_id)
    client.force_login(User.objects.create_superuser("staff"), PASSWORD)
    client.post("/account/channel/", {"pages": "opt-in"})
    channel.refresh_from_db()
    assert channel.is_open


# Erasing, and coming back.


def test_erasing_is_asked_about_first(as_ann):
    page = words(as_ann.get("/account/erase/"))
    assert "type your login: ann<" in page
    assert not Erasure.objects.exists()


@pytest.mark.parametrize("typed", ["", "bob", "an", "ann ann", "\x00", "x" * 9999])
def test_without_the_login_nothing_is_erased(as_ann, typed):
    page = as_ann.post("/account/erase/", {"login": typed})
    assert (page.status_code, Erasure.objects.count()) == (400, 0)
    assert "Nothing was erased" in words(page)


@pytest.mark.parametrize("typed", ["ann", " Ann ", "@ann"])
def test_with_it_one_is_erased_logged_out_and_given_a_receipt(as_ann, ann, typed):
    answer = as_ann.post("/account/erase/", {"login": typed})
    erasure = Erasure.objects.get()
    assert (erasure.mark, answer.url) == (mark_of(ann.pk), f"/erased/{erasure.receipt}/")
    assert as_ann.get(ACCOUNT).status_code == 302


def test_who_was_erased_today_is_told_to_ask_tomorrow(as_ann, ann):
    now = timezone.now()
    Erasure.objects.create(mark=mark_of(ann.pk), receipt="earlier", state="done", finished_at=now, lifted_at=now)
    page = as_ann.post("/account/erase/", {"login": "ann"})
    assert page.status_code == 429
    assert "please ask again tomorrow" in words(page)


def test_an_erasure_that_cannot_begin_is_told(as_ann, monkeypatch):
    def away(logins):
        raise RedisError("away")

    monkeypatch.setattr(pages, "forget", away)
    page = as_ann.post("/account/erase/", {"login": "ann"})
    assert (page.status_code, "nothing was changed" in words(page)) == (503, True)
    assert as_ann.get(ACCOUNT).status_code == 200


def test_who_was_erased_and_logs_in_again_can_allow_it_again():
    Erasure.objects.create(mark=mark_of("77"), receipt="receipt", state="done", finished_at=timezone.now())
    client = logged_in("77")
    page = words(client.get(ACCOUNT))
    assert "Nothing is kept of you" in page
    assert 'href="/erased/receipt/"' in page
    assert "counted again" in said(client.post("/account/allow/"), client)
    assert Erasure.objects.get().lifted_at is not None


def test_who_was_not_erased_allows_nothing(as_ann):
    assert "nothing is known of you" in said(as_ann.post("/account/allow/"), as_ann)


def test_nobody_allows_it_for_another(as_ann):
    Erasure.objects.create(mark=mark_of("77"), receipt="receipt", state="done")
    as_ann.post("/account/allow/", {"id": "77", "twitch_id": "77", "receipt": "receipt"})
    assert Erasure.objects.get().lifted_at is None


# Taking everything along.


def test_an_export_is_made_and_fetched(as_ann, ann):
    assert as_ann.post("/account/export/").url == "/account/export/"
    exported = Export.objects.get(viewer=ann)
    page = words(as_ann.get("/account/export/"))
    assert f'href="/account/export/{exported.pk}/"' in page
    answer = as_ann.get(f"/account/export/{exported.pk}/")
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="streamstats-ann-')
    assert answer.headers["Content-Type"] == "application/gzip"
    assert int(answer.headers["Content-Length"]) == exported.size


def test_what_is_fetched_is_the_file(as_ann):
    as_ann.post("/account/export/")
    exported = Export.objects.get()
    answer = as_ann.get(f"/account/export/{exported.pk}/")

    async def whole():
        return b"".join([piece async for piece in answer.streaming_content])

    assert asyncio.run(whole()) == packedfiles.place(exported.file).read_bytes()


def test_while_it_is_made_the_page_says_how_far_it_is_and_looks_again(as_ann, ann):
    Export.objects.create(viewer=ann, state="running", parts=26, parts_done=9, rows=1234)
    page = words(as_ann.get("/account/export/"))
    assert "9 of 26 tables" in page
    assert "1,234 rows" in page
    assert '<noscript><meta http-equiv="refresh"' in page
    assert "data-renew" in page
    assert '<form method="post"><' not in page


def test_one_that_is_ready_no_longer_looks_again(as_ann):
    as_ann.post("/account/export/")
    page = words(as_ann.get("/account/export/"))
    assert "http-equiv" not in page
    assert "data-renew" not in page


def test_asking_twice_is_told(as_ann):
    as_ann.post("/account/export/")
    as_ann.post("/account/export/")
    assert "less than an hour old" in words(as_ann.get("/account/export/"))
    assert Export.objects.count() == 1


def test_it_is_made_later_where_jobs_cannot_be_given_out(as_ann, monkeypatch):
    def away(number):
        raise OperationalError("away")

    monkeypatch.setattr(tasks.export_account, "delay", away)
    as_ann.post("/account/export/")
    assert "Waiting for its turn" in words(as_ann.get("/account/export/"))
    monkeypatch.undo()
    tasks.export_unfinished.delay()


def test_nobody_else_fetches_it(as_ann, bob, client):
    as_ann.post("/account/export/")
    address = f"/account/export/{Export.objects.get().pk}/"
    admin = Client()
    admin.force_login(User.objects.create_superuser("admin"), PASSWORD)
    for other in (client, logged_in(bob.pk), admin, logged_in("404")):
        assert other.get(address).status_code == 404


@pytest.mark.parametrize("number", [0, 999999, 10**30])
def test_an_export_that_is_not_there_is_not_found(as_ann, number):
    assert as_ann.get(f"/account/export/{number}/").status_code == 404


def test_a_file_that_is_gone_is_not_found(as_ann):
    as_ann.post("/account/export/")
    exported = Export.objects.get()
    packedfiles.place(exported.file).unlink()
    assert as_ann.get(f"/account/export/{exported.pk}/").status_code == 404


def test_a_file_that_is_not_finished_is_not_found(as_ann, ann):
    unfinished = Export.objects.create(viewer=ann, state="running", file="exports/x.json.gz")
    assert as_ann.get(f"/account/export/{unfinished.pk}/").status_code == 404


# For another.


@pytest.mark.parametrize("address", DEEDS | BOTH_WAYS)
def test_strangers_decide_nothing(ann, client, address):
    before = chosen()
    answer = client.post(address, (DEEDS | BOTH_WAYS)[address])
    assert (answer.status_code, answer.url.partition("?")[0]) == (302, "/login/twitch/")
    assert chosen() == before


@pytest.mark.parametrize("address", DEEDS)
def test_a_link_decides_nothing(as_ann, address):
    before = chosen()
    assert as_ann.get(address, DEEDS[address]).status_code == 405
    assert chosen() == before


@pytest.mark.parametrize("address", BOTH_WAYS)
def test_looking_decides_nothing(as_ann, address):
    before = chosen()
    assert as_ann.get(address, BOTH_WAYS[address]).status_code == 200
    assert chosen() == before


@pytest.mark.parametrize("address", DEEDS | BOTH_WAYS)
def test_a_form_of_another_site_decides_nothing(ann, address):
    careful = Client(enforce_csrf_checks=True)
    careful.force_login(make_user(ann.pk), TWITCH)
    before = chosen()
    assert careful.post(address, (DEEDS | BOTH_WAYS)[address]).status_code == 403
    assert chosen() == before


@pytest.mark.parametrize("address", DEEDS | BOTH_WAYS)
def test_nobody_decides_for_another_by_naming_them(as_ann, bob, address):
    told = (DEEDS | BOTH_WAYS)[address]
    for whom in (bob.pk, bob.login):
        named = dict.fromkeys(("viewer", "viewer_id", "id", "user", "twitch_id", "uid", "name"), whom)
        as_ann.post(f"{address}?{urlencode(named)}", {**told, **named})
    as_ann.post(address, {**told, "login": bob.login})
    bob.refresh_from_db()
    assert (bob.hidden_at, bob.stopped_at) == (None, None)
    assert not Erasure.objects.filter(mark=mark_of(bob.pk)).exists()
    for table in (Profile, Consent, Export):
        assert not table.objects.filter(viewer=bob).exists()


@pytest.mark.parametrize("address", DEEDS | BOTH_WAYS)
@pytest.mark.parametrize("is_superuser", [False, True])
def test_staff_decide_nothing_here(ann, client, address, is_superuser):
    staff = User.objects.create_user("ann", is_staff=True, is_superuser=is_superuser)
    client.force_login(staff, PASSWORD)
    before = chosen()
    assert client.post(address, (DEEDS | BOTH_WAYS)[address]).status_code == 302
    assert chosen() == before


def test_whoever_took_the_name_over_decides_nothing_for_who_had_it(ann, channel):
    """A login passes on; the id does not."""
    Viewer.objects.filter(pk=ann.pk).update(login="formerly_ann")
    other = make_viewer(channel, "ann")
    logged_in(other.pk).post("/account/hide/")
    ann.refresh_from_db()
    assert ann.hidden_at is None


def test_a_session_of_who_was_shut_out_is_over(as_ann):
    User.objects.update(is_active=False)
    assert as_ann.post("/account/hide/").url.startswith("/login/twitch/")


def test_everything_can_be_read_and_decided_by_who_has_a_row_of_each_kind(channel):
    somebody = make_somebody(channel, "carl")
    client = Client()
    client.force_login(User.objects.get(username=somebody.pk), TWITCH)
    assert client.get(ACCOUNT).status_code == 200
