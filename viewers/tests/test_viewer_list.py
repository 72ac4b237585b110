import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from streams.models import Channel
from streams.tests.cast import make_channel
from viewers import views, visibility
from viewers.models import Profile, Viewer, ViewerName, ViewerTotal
from viewers.tests.cast import LATELY, make_viewer

pytestmark = pytest.mark.django_db

LIST = "/c/lantern/viewers/"
HOSTILE = ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "\u202egnp.exe", "夜空のネコ", "a" * 64]


@pytest.fixture
def channel():
    return make_channel()


@pytest.fixture
def long_tables():
    """Tables in tests are so short that Postgres would rightly read them whole."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")


def logins(response):
    return [row.viewer.login for row in response.context["rows"]]


def all_pages(client, address):
    """The logins of every page, following the links."""
    found = []
    while address:
        page = client.get(address)
        found += logins(page)
        link = re.search(r'rel="next" href="([^"]+)"', page.content.decode())
        address = LIST + link[1].replace("&amp;", "&") if link else None
    return found


def test_most_messages_come_first(client, channel):
    make_viewer(channel, "ann", 5)
    make_viewer(channel, "bob", 50)
    assert logins(client.get(LIST)) == ["bob", "ann"]


@pytest.mark.parametrize("query", [{}, {"q": "ann"}])
def test_watch_time_is_told(client, channel, query):
    make_viewer(channel, "ann")
    ViewerTotal.objects.update(watch_seconds=212 * 3600)
    assert "212 h" in client.get(LIST, query).content.decode()


def test_only_viewers_of_the_channel_are_listed(client, channel):
    make_viewer(make_channel("elsewhere"), "ann")
    assert logins(client.get(LIST)) == []


def test_bots_are_left_out(client, channel):
    make_viewer(channel, "nightbot", 10, is_bot=True)
    assert logins(client.get(LIST)) == []


def test_pages_hold_everybody_once_among_equals(client, channel, monkeypatch):
    monkeypatch.setattr(views, "PAGE", 2)
    for number in range(7):
        make_viewer(channel, f"viewer{number}", messages=3 if number < 5 else 1)
    assert all_pages(client, LIST) == [f"viewer{number}" for number in range(7)]


def test_a_page_costs_two_queries(client, channel, django_assert_num_queries):
    for number in range(5):
        make_viewer(channel, f"viewer{number}")
    with django_assert_num_queries(2):
        client.get(LIST)


def test_a_later_page_costs_three_queries(client, channel, django_assert_num_queries):
    for number in range(5):
        make_viewer(channel, f"viewer{number}", messages=number)
    with django_assert_num_queries(3):
        client.get(LIST, {"after": "3-1"})


def test_those_who_wrote_as_much_are_skipped_by_the_index(channel, long_tables, many_names):
    plan = ViewerTotal.objects.most_messages(channel).level_after(1, "n5").explain()
    assert re.search(r"Index Cond: .*messages = 1.*viewer_id.*> 'n5'", plan)


def test_nobody_yet_has_words(client, channel):
    assert "Nobody has written yet" in client.get(LIST).content.decode()


def test_the_end_of_the_list_has_words(client, channel):
    assert "The list ends here" in client.get(LIST, {"after": "1-1"}).content.decode()


# Search


def test_a_name_is_found_by_its_beginning(client, channel):
    make_viewer(channel, "mossy_lantern")
    make_viewer(channel, "other_mossy")
    assert logins(client.get(LIST, {"q": "MOSSY"})) == ["mossy_lantern"]


def test_a_former_name_is_found_and_said(client, channel):
    make_viewer(channel, "mossy", formerly="damp")
    page = client.get(LIST, {"q": "dam"})
    assert logins(page) == ["mossy"]
    assert "was <bdi>damp</bdi>" in page.content.decode()


def test_a_display_name_in_other_letters_is_found(client, channel):
    ViewerName.objects.filter(viewer=make_viewer(channel, "yozora", display_name="夜空のネコ")).update(
        display_name="夜空のネコ"
    )
    page = client.get(LIST, {"q": "夜空"})
    assert logins(page) == ["yozora"]
    assert "was <bdi>" not in page.content.decode()


@pytest.mark.parametrize("typed", ["Дмит", "дмит", "ДМИТРИЙ"])
def test_a_display_name_is_found_in_any_case(client, channel, typed):
    make_viewer(channel, "dmitri")
    ViewerName.objects.update(display_name="Дмитрий")
    assert logins(client.get(LIST, {"q": typed})) == ["dmitri"]


def test_a_former_display_name_is_found_and_said(client, channel):
    make_viewer(channel, "mossy", formerly="damp")
    ViewerName.objects.filter(login="damp").update(display_name="苔むす")
    page = client.get(LIST, {"q": "苔"})
    assert logins(page) == ["mossy"]
    assert "was <bdi>苔むす</bdi>" in page.content.decode()


def test_a_name_that_both_ways_find_is_listed_once(client, channel):
    make_viewer(channel, "mossy")
    ViewerName.objects.update(display_name="Mossy the Lantern")
    assert logins(client.get(LIST, {"q": "moss"})) == ["mossy"]


def test_a_percent_sign_in_a_display_name_means_itself(client, channel):
    make_viewer(channel, "mossy")
    ViewerName.objects.update(display_name="苔%むす")
    assert logins(client.get(LIST, {"q": "苔%む"})) == ["mossy"]
    assert logins(client.get(LIST, {"q": "%む"})) == []


def test_logins_and_display_names_are_one_list_page_after_page(client, channel, monkeypatch):
    monkeypatch.setattr(views, "PAGE", 2)
    for number in range(8):
        make_viewer(channel, f"{'abcd'[number % 4]}{number}")
        if number % 2:
            ViewerName.objects.filter(login__endswith=str(number)).update(display_name=f"é{number}")
    for number in (0, 2, 4, 6):
        ViewerName.objects.filter(login__endswith=str(number)).update(login=f"é{number}")
    expected = ["a0", "b1", "c2", "d3", "a4", "b5", "c6", "d7"]
    assert all_pages(client, f"{LIST}?q=é") == expected


def test_an_underscore_means_itself(client, channel):
    make_viewer(channel, "a_b")
    make_viewer(channel, "axb")
    assert logins(client.get(LIST, {"q": "a_"})) == ["a_b"]


def test_bots_are_found(client, channel):
    make_viewer(channel, "nightbot", is_bot=True)
    assert logins(client.get(LIST, {"q": "night"})) == ["nightbot"]


def test_names_of_other_channels_are_not_found(client, channel):
    make_viewer(make_channel("elsewhere"), "mossy")
    assert logins(client.get(LIST, {"q": "mossy"})) == []


def test_found_names_are_paged_once_each(client, channel, monkeypatch):
    monkeypatch.setattr(views, "PAGE", 2)
    for number in range(5):
        make_viewer(channel, f"viewer{number}")
    assert all_pages(client, f"{LIST}?q=viewer") == [f"viewer{number}" for number in range(5)]


def test_a_search_costs_three_queries(client, channel, django_assert_num_queries):
    for number in range(5):
        make_viewer(channel, f"viewer{number}")
    with django_assert_num_queries(3):
        client.get(LIST, {"q": "view"})


@pytest.fixture
def many_names(channel):
    """As many as Postgres needs to have an opinion, whatever it remembers of the rows of other tests."""
    logins = [f"name{number}" for number in range(1000)]
    Viewer.objects.bulk_create(
        Viewer(twitch_id=f"n{name}", login=name, display_name=name, named_at=LATELY) for name in logins
    )
    spans = {"first_seen_at": LATELY, "last_seen_at": LATELY}
    ViewerName.objects.bulk_create(
        ViewerName(viewer_id=f"n{name}", login=name, display_name=name, **spans) for name in logins
    )
    ViewerTotal.objects.bulk_create(ViewerTotal(channel=channel, viewer_id=f"n{name}", **spans) for name in logins)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE viewers_viewer, viewers_viewername, viewers_viewertotal")


def test_a_search_reads_an_index_and_not_every_name(channel, long_tables, many_names):
    plan = ViewerName.objects.in_channel(channel).beginning_with("mossy_").explain()
    assert "viewername_login" in plan
    assert "login >= 'mossy_'" in plan.replace("::text", "").replace("(", "").replace(")", "")


def test_a_search_of_display_names_reads_an_index_too(channel, long_tables, many_names):
    ViewerName.objects.filter(login="name7").update(display_name="夜空")
    plan = ViewerName.objects.in_channel(channel).displayed_as("夜").explain()
    assert re.search(r"Index Cond: .*>= '夜'", plan)
    assert "viewername_displayed" in plan


# What nobody should be able to break


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_escaped(client, channel, name):
    make_viewer(channel, "harmless", display_name=name)
    page = client.get(LIST).content.decode()
    assert "<script>alert" not in page
    assert "<img src=x" not in page


@pytest.mark.parametrize("login", [*HOSTILE, "with/slash", "", "per%cent"])
def test_a_hostile_login_still_has_a_list(client, channel, login):
    make_viewer(channel, login, display_name="somebody")
    assert client.get(LIST).status_code == 200


@pytest.mark.parametrize(
    "typed", ["\x00", "%", "a" * 5000, "'; drop table", "<script>alert(1)</script>", "\ud7ff", "@"]
)
def test_odd_searches_find_nobody(client, channel, typed):
    make_viewer(channel, "somebody")
    page = client.get(LIST, {"q": typed})
    assert (page.status_code, logins(page)) == (200, [])


@pytest.mark.parametrize("after", ["x", "1", "-", "1-\x00", "x-1", "-1-1", "9" * 30 + "-1", "1.5-1", "٣-1"])
def test_a_made_up_place_is_not_found(client, channel, after):
    assert client.get(LIST, {"after": after}).status_code == 404


def test_bytes_that_are_no_text_do_no_harm(client, channel):
    assert client.get(f"{LIST}?q=%ff%fe").status_code == 200


def test_an_unknown_channel_is_not_found_in_words(client, db):
    page = client.get("/c/nobody/viewers/")
    assert page.status_code == 404
    assert "Nobody follows a channel called nobody here." in page.content.decode()


# Who is shown


@pytest.mark.parametrize("query", [{}, {"q": "mossy"}, {"q": "damp"}, {"q": "苔"}])
@pytest.mark.parametrize("everywhere", [True, False])
def test_a_hidden_viewer_is_not_found_by_any_name(client, channel, query, everywhere):
    mossy = make_viewer(channel, "mossy", formerly="damp")
    ViewerName.objects.filter(login="damp").update(display_name="苔")
    if everywhere:
        Viewer.objects.filter(pk=mossy.pk).update(hidden_at=LATELY)
    else:
        Profile.objects.create(channel=channel, viewer=mossy, visibility=Profile.Visibility.HIDDEN)
    page = client.get(LIST, query)
    assert logins(page) == []
    assert "viewers/mossy" not in page.content.decode()


@pytest.mark.parametrize("query", [{}, {"q": "m"}])
def test_where_pages_are_opt_in_those_are_listed_who_asked(client, channel, query):
    Channel.objects.update(page_policy=Channel.PagePolicy.OPT_IN)
    make_viewer(channel, "moss")
    Profile.objects.create(channel=channel, viewer=make_viewer(channel, "mossy"), visibility=Profile.Visibility.SHOWN)
    assert logins(client.get(LIST, query)) == ["mossy"]


def test_a_channel_of_opt_in_pages_says_so(client, channel):
    Channel.objects.update(page_policy=Channel.PagePolicy.OPT_IN)
    make_viewer(channel, "ann")
    page = client.get(LIST)
    assert logins(page) == []
    assert "shows only viewers who asked for a page" in page.content.decode()


@pytest.fixture
def many_asked(channel, monkeypatch):
    """An opt-in channel of 20 in which every second asked for a page, and where four rows are looked at for one."""
    monkeypatch.setattr(views, "PAGE", 3)
    monkeypatch.setattr(views, "LOOKED", 4)
    monkeypatch.setattr(visibility, "FEW", 1)
    Channel.objects.update(page_policy=Channel.PagePolicy.OPT_IN)
    for number in range(20):
        viewer = make_viewer(channel, f"v{number:02}", messages=max(1, 15 - number))
        if number % 2 or number > 11:
            Profile.objects.create(channel=channel, viewer=viewer, visibility=Profile.Visibility.SHOWN)


def test_where_many_asked_pages_hold_each_of_them_once(client, many_asked):
    expected = [f"v{number:02}" for number in range(20) if number % 2 or number > 11]
    assert all_pages(client, LIST) == expected


def test_where_none_of_the_next_is_shown_the_list_goes_on(client, many_asked):
    Profile.objects.filter(viewer__login__lt="v09").delete()
    page = client.get(LIST)
    assert logins(page) == []
    assert "The list goes on" in page.content.decode()
    assert len(all_pages(client, LIST)) == 10


def test_where_the_list_goes_on_tells_of_nobody(client, many_asked):
    Profile.objects.filter(viewer__login__lt="v09").delete()
    last = Viewer.objects.get(login="v03")
    assert f"-{last.pk}" not in client.get(LIST).content.decode()
    assert client.get(LIST, {"after": f"12-{last.pk}"}).status_code == 404


def test_where_many_asked_a_page_costs_few_queries(client, many_asked, django_assert_num_queries):
    with django_assert_num_queries(4):
        following = client.get(LIST).context["following"]
    with django_assert_num_queries(5):
        client.get(LIST, {"after": following})


def test_where_few_asked_pages_hold_each_of_them_once(client, many_asked, monkeypatch):
    monkeypatch.setattr(visibility, "FEW", 100)
    assert len(all_pages(client, LIST)) == 14


def test_where_the_least_active_asked_no_more_is_looked_at(client, channel, monkeypatch):
    """Else all of a large channel would be, for each page."""
    monkeypatch.setattr(visibility, "FEW", 10)
    Channel.objects.update(page_policy=Channel.PagePolicy.OPT_IN)
    people = [Viewer(twitch_id=f"n{n}", login=f"v{n}", display_name=f"v{n}", named_at=LATELY) for n in range(6000)]
    Viewer.objects.bulk_create(people)
    seen = {"channel": channel, "first_seen_at": LATELY, "last_seen_at": LATELY}
    ViewerTotal.objects.bulk_create(ViewerTotal(**seen, viewer=each, messages=n) for n, each in enumerate(people))
    shown = Profile.Visibility.SHOWN
    Profile.objects.bulk_create(Profile(channel=channel, viewer=each, visibility=shown) for each in people[:900])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE viewers_viewer, viewers_viewertotal, viewers_profile")
    with CaptureQueriesContext(connection) as queries:
        assert logins(client.get(LIST)) == []
    asked = next(query["sql"] for query in queries if "is_shown" in query["sql"])
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF) {asked}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert max(int(rows) for rows in re.findall(r"viewertotal.*actual rows=(\d+)", plan)) <= views.LOOKED
