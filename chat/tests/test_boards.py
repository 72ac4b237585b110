"""Leaderboards: everybody who is shown, once, in order; nobody who is not."""

from datetime import UTC, date, datetime, timedelta
from urllib.parse import unquote

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from social_django.models import UserSocialAuth

from chat import boards
from chat.boards import MEASURES, Board, Mark
from chat.models import Redemption, Reward
from chat.views.boards import following
from streams.models import Channel, Stream
from streams.sealed import unseal
from streams.tests.cast import make_channel
from streamstats.lib import periods
from viewers import visibility
from viewers.models import Profile, Standing, Viewer, ViewerStream
from viewers.tests.cast import make_viewer

pytestmark = pytest.mark.django_db

PAGE = "/c/lantern/leaderboards/"
MARCH, APRIL = periods.of("month", date(2026, 3, 1)), periods.of("month", date(2026, 4, 1))
ALL = periods.ALL_TIME
NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)


@pytest.fixture
def channel():
    return make_channel()


@pytest.fixture
def few(monkeypatch):
    """Pages of three."""
    monkeypatch.setattr(boards, "PAGE", 3)
    monkeypatch.setattr(boards, "STRIDES", (4, 5, 6))


def stand(channel, login, messages, period=ALL, **fields):
    """Somebody who has a place."""
    viewer = Viewer.objects.filter(login=login).first() or make_viewer(channel, login, **fields)
    Standing.objects.create(channel=channel, viewer=viewer, period=period.key, messages=messages)
    return viewer


def crowd(channel, *messages, period=ALL):
    return [stand(channel, f"viewer{number:03}", each, period) for number, each in enumerate(messages)]


def table(client, **asked):
    """Place, name and value of each line."""
    lines = client.get(PAGE, {"by": "messages", **asked}).context["lines"]
    return [(shown.line.place, shown.line.viewer.login, shown.line.value) for shown in lines]


def names(client, **asked):
    return [login for _, login, _ in table(client, **asked)]


def to_the_end(client, **asked):
    """The lines of every page."""
    lines, after = [], ""
    while True:
        page = client.get(PAGE, {"by": "messages", **asked, **({"after": after} if after else {})})
        lines += [(shown.line.place, shown.line.viewer.login) for shown in page.context["lines"]]
        link = page.context["following"]
        if not link:
            return lines
        after = unquote(link.rpartition("after=")[2])


def hide(channel, viewer, how=Profile.Visibility.HIDDEN):
    Profile.objects.create(channel=channel, viewer=viewer, visibility=how)


def place_of(channel, viewer):
    own = Board.of(channel, "messages", ALL).own(viewer)
    return own.place if own else None


def log_in(client, viewer):
    user = User.objects.create_user(f"user-{viewer.pk}")
    UserSocialAuth.objects.create(user=user, provider="twitch", uid=viewer.pk)
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")


def text(client, **asked):
    return " ".join(client.get(PAGE, asked).content.decode().split())


# Who is first


@pytest.mark.parametrize(
    ("values", "places"),
    [
        ([9, 5, 1], [1, 2, 3]),
        ([9, 5, 5, 1], [1, 2, 2, 4]),
        ([5, 5, 5], [1, 1, 1]),
        ([9, 9, 5, 5, 1], [1, 1, 3, 3, 5]),
    ],
)
def test_who_has_as_much_shares_a_place(client, channel, values, places):
    crowd(channel, *values)
    assert [(place, value) for place, _, value in table(client)] == list(zip(places, values, strict=True))


@pytest.mark.parametrize(("by", "column"), MEASURES.items())
def test_each_measure_has_its_board(client, channel, by, column):
    for login, value in (("ann", 3), ("bob", 5), ("carl", 0)):
        viewer = make_viewer(channel, login)
        Standing.objects.create(channel=channel, viewer=viewer, period="all", **{column: value})
    assert names(client, by=by) == ["bob", "ann"]


def test_watch_time_of_all_time_goes_without_saying(client, channel):
    page = client.get(PAGE).context
    assert (page["by"], page["told"].is_all, page["first"]) == ("watched", True, "?")


@pytest.mark.parametrize(("asked", "who"), [("2026-03", "ann"), ("2026-04", "bob"), ("all", "carl")])
def test_each_period_has_its_board(client, channel, asked, who):
    for login, period in (("ann", MARCH), ("bob", APRIL), ("carl", ALL)):
        stand(channel, login, 5, period)
    assert names(client, range=asked) == [who]


def test_another_channel_has_its_own(client, channel):
    stand(make_channel("other"), "bob", 5)
    assert names(client) == []


# Who is not there


@pytest.mark.parametrize("how", [Profile.Visibility.HIDDEN, Profile.Visibility.REMOVED])
def test_the_hidden_have_no_line_and_no_place(client, channel, how):
    first, *_ = crowd(channel, 9, 5, 1)
    hide(channel, first, how)
    assert table(client) == [(1, "viewer001", 5), (2, "viewer002", 1)]


def test_who_hid_everywhere_has_no_line(client, channel):
    stand(channel, "ann", 5, hidden_at=NOON)
    assert names(client) == []


def test_bots_have_no_line(client, channel):
    stand(channel, "bot", 9, is_bot=True)
    stand(channel, "ann", 5)
    assert table(client) == [(1, "ann", 5)]


def test_who_hid_in_another_channel_is_there(client, channel):
    hide(make_channel("other"), stand(channel, "ann", 5))
    assert names(client) == ["ann"]


def test_a_name_of_somebody_hidden_stands_nowhere_on_the_page(client, channel):
    hide(channel, stand(channel, "secretive", 5))
    assert "secretive" not in text(client, by="messages")


def test_an_opt_in_channel_shows_who_asked_for_it(client, channel):
    first, second, _ = crowd(channel, 9, 5, 1)
    Channel.objects.update(page_policy="opt-in")
    for viewer in (first, second):
        hide(channel, viewer, Profile.Visibility.SHOWN)
    Viewer.objects.filter(pk=first.pk).update(hidden_at=NOON)
    assert table(client) == [(1, "viewer001", 5)]


def test_an_opt_in_channel_where_many_asked_is_walked_through(client, channel, monkeypatch):
    monkeypatch.setattr(visibility, "FEW", 1)
    first, second, _ = crowd(channel, 9, 5, 1)
    Channel.objects.update(page_policy="opt-in")
    for viewer in (first, second):
        hide(channel, viewer, Profile.Visibility.SHOWN)
    assert names(client) == ["viewer000", "viewer001"]


# Page after page


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(range(20, 0, -1), id="all differ"),
        pytest.param([5] * 20, id="all the same"),
        pytest.param([9, 9, 9, 9, 5, 5, 5, 5, 5, 5, 5, 1, 1], id="groups over pages"),
        pytest.param([7, 7, 7], id="one full page"),
        pytest.param([], id="nobody"),
    ],
)
@pytest.mark.parametrize("hidden", [0, 2, 3])
@pytest.mark.parametrize("policy", ["open", "opt-in"])
def test_paging_covers_everybody_once_with_the_places_of_one_long_page(client, channel, few, values, hidden, policy):
    viewers = crowd(channel, *values)
    Channel.objects.update(page_policy=policy)
    shown = [viewer for number, viewer in enumerate(viewers) if not hidden or number % hidden]
    for viewer in viewers:
        is_shown = viewer in shown
        hide(channel, viewer, Profile.Visibility.SHOWN if is_shown else Profile.Visibility.HIDDEN)
    told = {viewer.login: value for viewer, value in zip(viewers, values, strict=True) if viewer in shown}
    expected = [(1 + sum(other > value for other in told.values()), login) for login, value in told.items()]
    assert to_the_end(client) == expected


def test_where_very_many_are_hidden_pages_are_short_and_the_board_goes_on(client, channel, few):
    viewers = crowd(channel, *range(40, 0, -1))
    for viewer in viewers[:30]:
        hide(channel, viewer)
    page = client.get(PAGE, {"by": "messages"})
    assert page.context["lines"] == []
    assert "The board goes on." in page.content.decode()
    assert to_the_end(client) == [(place, f"viewer{place + 29:03}") for place in range(1, 11)]


def test_somebody_hidden_who_has_as_much_does_not_make_a_place_shared(client, channel, few):
    viewers = crowd(channel, 9, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5)
    for viewer in viewers[1:14]:
        hide(channel, viewer)
    assert to_the_end(client) == [(1, "viewer000"), (2, "viewer014"), (2, "viewer015")]


def test_who_rises_while_somebody_pages_is_missed_and_nobody_else_is(client, channel, few):
    """What is promised: whoever stays where they are is listed once, whatever others do."""
    crowd(channel, *range(12, 0, -1))
    first = client.get(PAGE, {"by": "messages"})
    Standing.objects.filter(viewer__login="viewer010").update(messages=100)
    link = unquote(first.context["following"].rpartition("after=")[2])
    assert names(client, after=link)[0] == "viewer003"
    rest = [login for _, login in to_the_end(client)]
    assert rest[0] == "viewer010"


def test_a_page_after_somebody_who_is_gone_is_as_before(client, channel, few):
    crowd(channel, *range(6, 0, -1))
    link = unquote(client.get(PAGE, {"by": "messages"}).context["following"].rpartition("after=")[2])
    Standing.objects.filter(viewer__login="viewer002").delete()
    assert table(client, after=link) == [(4, "viewer003", 3), (5, "viewer004", 2), (6, "viewer005", 1)]


def test_the_page_after_any_row_has_an_address(client, channel):
    crowd(channel, 9, 5)
    row = Standing.objects.get(messages=9)
    assert table(client, after=following(row, "messages", 41)) == [(42, "viewer001", 5)]


@pytest.mark.parametrize(
    "after",
    [
        "x",
        "-",
        "---",
        "1-1-1-",
        "1-1-x-1",
        "-1-1-1-1",
        "9" * 19 + "-1-1-1",
        "1-1-1-\x00",
        "1-1-1-" + "9" * 100,
        "\u0663-1-1-1",
    ],
)
def test_a_made_up_place_is_not_found_in_words(client, channel, after):
    page = client.get(PAGE, {"after": after})
    assert page.status_code == 404
    assert "This link to the next page is broken." in page.content.decode()


def test_a_place_reads_what_it_wrote():
    mark = Mark(5, 2, 3, "a-b")
    assert Mark.read(str(mark)) == mark


# What is asked for


@pytest.mark.parametrize("by", ["x", "watch_seconds", "\x00", "<script>", "9" * 5000])
def test_no_such_board_is_not_found_in_words(client, channel, by):
    page = client.get(PAGE, {"by": by})
    assert page.status_code == 404
    assert (
        "There is no such leaderboard: take one of watched, messages, emotes, streak, points." in page.content.decode()
    )


@pytest.mark.parametrize("range_", ["x", "2026-13", "2026-W60", "stream-nope", "stream-", "\x00", "-1", "9999", "2099"])
def test_no_such_time_is_not_found(client, channel, range_):
    assert client.get(PAGE, {"range": range_}).status_code == 404


def test_a_channel_that_nobody_follows_is_not_found(client):
    assert client.get("/c/nowhere/leaderboards/").status_code == 404


def test_it_can_only_be_read(client, channel):
    assert client.post(PAGE).status_code == 405


def test_tabs_keep_what_else_was_asked_for(client, channel):
    context = client.get(PAGE, {"by": "emotes", "range": "2026-03"}).context
    assert [link.address for link in context["measures"]][:2] == ["?range=2026-03", "?by=messages&range=2026-03"]
    assert [link.address for link in context["ranges"]][:2] == ["?by=emotes", "?by=emotes&range=2026"]
    assert [link.text for link in context["ranges"] if link.is_current] == ["March 2026"]


def test_the_periods_before_and_after_are_linked(client, channel):
    context = client.get(PAGE, {"range": "2026-03"}).context
    assert (context["earlier"].address, context["later"].address) == ("?range=2026-02", "?range=2026-04")


def test_what_lies_ahead_is_not_linked(client, channel):
    context = client.get(PAGE, {"range": "month"}).context
    assert context["earlier"]
    assert context["later"] is None


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({}, "Nobody is known to have watched. Places are counted every five minutes."),
        ({"by": "messages", "range": "2026-03"}, "Nobody has a place in March 2026 yet. Places are counted every five"),
        ({"by": "points"}, "No points were spent, or nobody told: that takes a connected channel."),
    ],
)
def test_an_empty_board_has_words(client, channel, asked, words):
    assert words in text(client, **asked)


def test_a_name_is_text(client, channel):
    stand(channel, "ann", 5, display_name="<b>ann</b>")
    page = text(client, by="messages")
    assert "&lt;b&gt;ann&lt;/b&gt;" in page
    assert "<b>ann" not in page


# Since the period before


@pytest.mark.parametrize(
    ("before", "now", "moved"),
    [
        pytest.param([3, 2, 1], [1, 2, 3], {"viewer002": 2, "viewer001": 0, "viewer000": -2}, id="turned around"),
        pytest.param([3, 2, 0], [3, 2, 1], {"viewer000": 0, "viewer001": 0, "viewer002": "new"}, id="somebody new"),
        pytest.param([0, 0, 0], [3, 2, 1], {"viewer000": None, "viewer001": None, "viewer002": None}, id="the first"),
    ],
)
def test_places_are_compared_with_the_period_before(client, channel, before, now, moved):
    crowd(channel, *before, period=MARCH)
    crowd(channel, *now, period=APRIL)
    lines = client.get(PAGE, {"by": "messages", "range": "2026-04"}).context["lines"]
    assert {shown.line.viewer.login: "new" if shown.is_new else shown.moved for shown in lines} == moved


def test_the_hidden_are_passed_over_in_the_period_before_too(client, channel):
    first, *_ = crowd(channel, 3, 2, 1, period=MARCH)
    crowd(channel, 0, 2, 1, period=APRIL)
    hide(channel, first)
    lines = client.get(PAGE, {"by": "messages", "range": "2026-04"}).context["lines"]
    assert [shown.moved for shown in lines] == [0, 0]


def test_beyond_the_first_thousand_nothing_is_compared(client, channel, monkeypatch):
    monkeypatch.setattr("chat.views.boards.RANKED", 1)
    crowd(channel, 3, 2, period=MARCH)
    crowd(channel, 3, 2, period=APRIL)
    lines = client.get(PAGE, {"by": "messages", "range": "2026-04"}).context["lines"]
    assert [shown.moved for shown in lines] == [0, None]


def test_who_could_not_be_looked_for_is_not_called_new(client, channel, monkeypatch):
    monkeypatch.setattr(boards, "FIRST", 2)
    first, *_ = crowd(channel, 5, 4, 3, period=MARCH)
    hide(channel, first)
    crowd(channel, 0, 4, 3, period=APRIL)
    lines = client.get(PAGE, {"by": "messages", "range": "2026-04"}).context["lines"]
    assert [(shown.moved, shown.is_new) for shown in lines] == [(0, False), (None, False)]


def test_a_change_is_told_in_words_too(client, channel):
    crowd(channel, 3, 2, 1, period=MARCH)
    crowd(channel, 1, 2, 3, period=APRIL)
    page = text(client, by="messages", range="2026-04")
    assert '<span class="hidden"> up by </span>2' in page
    assert '<span class="hidden"> down by </span>2' in page
    assert "since March 2026" in page


# One's own


def test_my_line_is_marked(client, channel):
    log_in(client, stand(channel, "me", 5))
    context = client.get(PAGE, {"by": "messages"}).context
    assert [shown.is_own for shown in context["lines"]] == [True]
    assert context["own"] is None


def test_my_line_is_pinned_where_it_is_on_another_page(client, channel, few):
    viewers = crowd(channel, *range(9, 0, -1))
    log_in(client, viewers[7])
    context = client.get(PAGE, {"by": "messages"}).context
    assert (context["own"].place, context["own"].value) == (8, 2)


def test_a_stranger_has_no_line(client, channel):
    crowd(channel, 5)
    assert client.get(PAGE, {"by": "messages"}).context["own"] is None


def test_far_behind_my_line_says_so(client, channel, few, monkeypatch):
    monkeypatch.setattr(boards, "RANKED", 5)
    viewers = crowd(channel, *range(9, 0, -1))
    log_in(client, viewers[7])
    assert "beyond the first thousand" in text(client, by="messages")


def test_who_hid_sees_their_line_and_no_place(client, channel):
    me, *_ = crowd(channel, 9, 5)
    hide(channel, me)
    log_in(client, me)
    context = client.get(PAGE, {"by": "messages"}).context
    assert (context["own"].place, context["own"].is_shown) == (None, False)
    assert "Only you see this line" in text(client, by="messages")


def test_who_is_taken_for_a_bot_is_told_so(client, channel):
    log_in(client, stand(channel, "bot", 9, is_bot=True))
    assert "this account is taken for a bot, and bots have no place" in text(client, by="messages")


@pytest.mark.parametrize(
    ("values", "hidden", "expected"),
    [
        ([9, 5, 1], [], [1, 2, 3]),
        ([5, 5, 1], [], [1, 1, 3]),
        ([9, 5, 1], [0], [None, 1, 2]),
    ],
)
@pytest.mark.parametrize("policy", ["open", "opt-in"])
def test_a_place_counts_those_ahead_who_are_shown(channel, values, hidden, expected, policy):
    viewers = crowd(channel, *values)
    channel.page_policy = policy
    for number, viewer in enumerate(viewers):
        hide(channel, viewer, Profile.Visibility.HIDDEN if number in hidden else Profile.Visibility.SHOWN)
    assert [place_of(channel, viewer) for viewer in viewers] == expected


def test_a_bot_has_no_place(channel):
    assert place_of(channel, stand(channel, "bot", 9, is_bot=True)) is None


def test_who_did_nothing_has_no_place(channel):
    assert place_of(channel, make_viewer(channel, "ann")) is None


@pytest.mark.parametrize(("ranked", "expected"), [(3, 3), (2, None)])
def test_beyond_the_first_there_is_no_place(channel, monkeypatch, ranked, expected):
    monkeypatch.setattr(boards, "RANKED", ranked)
    *_, last = crowd(channel, 9, 5, 1)
    assert place_of(channel, last) == expected


def test_where_too_many_ahead_are_hidden_no_place_is_made_up(channel, monkeypatch):
    monkeypatch.setattr(boards, "FIRST", 2)
    first, second, _, last = crowd(channel, 9, 8, 7, 1)
    for viewer in (first, second):
        hide(channel, viewer)
    assert place_of(channel, last) is None
    assert place_of(channel, second) is None
    assert place_of(channel, first) is None


# One stream


@pytest.fixture
def stream(channel):
    return Stream.objects.create(
        id="41", channel=channel, started_at=NOON, ended_at=NOON + timedelta(hours=2), title="Painting", counted_at=NOON
    )


@pytest.mark.parametrize("by", ["watched", "messages", "emotes", "streak"])
def test_a_stream_has_boards(client, channel, stream, by):
    for login, value in (("ann", 3), ("bob", 5), ("carl", 5), ("dora", 0)):
        viewer = make_viewer(channel, login)
        ViewerStream.objects.create(channel=channel, stream=stream, viewer=viewer, **{MEASURES[by]: value})
    assert table(client, by=by, range="stream-41") == [(1, "bob", 5), (1, "carl", 5), (3, "ann", 3)]


def test_points_of_a_stream_are_those_spent_in_it(client, channel, stream):
    reward = Reward.objects.create(channel=channel, twitch_id="r", title="Hydrate")
    ann, bob = make_viewer(channel, "ann"), make_viewer(channel, "bob")
    for number, (viewer, cost, minutes, status) in enumerate([
        (ann, 100, 1, "fulfilled"), (ann, 100, 2, "unfulfilled"), (bob, 500, 3, "canceled"), (bob, 50, 4, "fulfilled"),
        (bob, 900, 500, "fulfilled"),
    ]):  # fmt: skip
        Redemption.objects.create(
            id=f"p{number}", channel=channel, viewer=viewer, reward=reward, cost=cost, status=status,
            redeemed_at=NOON + timedelta(minutes=minutes),
        )  # fmt: skip
    assert table(client, by="points", range="stream-41") == [(1, "ann", 200), (2, "bob", 50)]


@pytest.mark.parametrize("by", ["messages", "points"])
def test_boards_of_a_stream_go_on_from_page_to_page(client, channel, stream, few, by):
    reward = Reward.objects.create(channel=channel, twitch_id="r", title="Hydrate")
    for number, value in enumerate([9, 7, 7, 7, 7, 3, 1]):
        viewer = make_viewer(channel, f"viewer{number}")
        ViewerStream.objects.create(channel=channel, stream=stream, viewer=viewer, messages=value)
        Redemption.objects.create(
            id=f"p{number}", channel=channel, viewer=viewer, reward=reward, cost=value, status="fulfilled",
            redeemed_at=NOON,
        )  # fmt: skip
    lines = to_the_end(client, by=by, range="stream-41")
    assert lines == [(place, f"viewer{number}") for number, place in enumerate([1, 2, 2, 2, 2, 6, 7])]


@pytest.mark.parametrize("by", ["messages", "points"])
def test_the_hidden_and_bots_are_out_of_streams_too(client, channel, stream, by):
    reward = Reward.objects.create(channel=channel, twitch_id="r", title="Hydrate")
    people = [make_viewer(channel, "ann"), make_viewer(channel, "bob"), make_viewer(channel, "bot", is_bot=True)]
    hide(channel, people[0])
    for number, viewer in enumerate(people):
        ViewerStream.objects.create(channel=channel, stream=stream, viewer=viewer, messages=5)
        Redemption.objects.create(
            id=f"p{number}", channel=channel, viewer=viewer, reward=reward, cost=5, status="fulfilled", redeemed_at=NOON
        )
    assert names(client, by=by, range="stream-41") == ["bob"]


@pytest.mark.parametrize("by", ["messages", "points"])
def test_my_line_is_pinned_on_the_board_of_a_stream(client, channel, stream, few, by):
    reward = Reward.objects.create(channel=channel, twitch_id="r", title="Hydrate")
    for number in range(6):
        viewer = make_viewer(channel, f"viewer{number}")
        ViewerStream.objects.create(channel=channel, stream=stream, viewer=viewer, messages=9 - number)
        Redemption.objects.create(
            id=f"p{number}", channel=channel, viewer=viewer, reward=reward, cost=9 - number, status="fulfilled",
            redeemed_at=NOON,
        )  # fmt: skip
    log_in(client, viewer)
    own = client.get(PAGE, {"by": by, "range": "stream-41"}).context["own"]
    assert (own.place, own.value, own.is_shown) == (6, 4, True)


def test_a_stream_of_another_channel_is_not_found(client, channel, stream):
    make_channel("other")
    assert client.get("/c/other/leaderboards/", {"range": "stream-41"}).status_code == 404


# What it costs


@pytest.mark.parametrize("asked", [{}, {"range": "2026-04"}, {"range": "stream-41"}])
@pytest.mark.parametrize("is_known", [False, True])
@pytest.mark.parametrize("policy", ["open", "opt-in"])
def test_a_page_costs_few_queries(client, channel, stream, few, asked, is_known, policy):
    for period in (ALL, MARCH, APRIL):
        viewers = crowd(channel, *range(9, 0, -1), period=period)
    Channel.objects.update(page_policy=policy)
    for viewer in viewers:
        hide(channel, viewer, Profile.Visibility.SHOWN)
    if is_known:
        log_in(client, viewers[8])
    after = unquote(client.get(PAGE, {"by": "messages", **asked}).context["following"].rpartition("after=")[2])
    for mark in ({}, {"after": after} if after else {}):
        with CaptureQueriesContext(connection) as queries:
            client.get(PAGE, {"by": "messages", **asked, **mark})
        assert len(queries) <= (11 if is_known else 7)


@pytest.mark.parametrize("policy", ["open", "opt-in"])
def test_where_very_many_are_hidden_a_page_costs_twelve_queries_at_most(client, channel, few, monkeypatch, policy):
    monkeypatch.setattr(visibility, "FEW", 1)
    viewers = crowd(channel, *range(40, 0, -1), period=APRIL)
    crowd(channel, *range(40, 0, -1), period=MARCH)
    Channel.objects.update(page_policy=policy)
    for number, viewer in enumerate(viewers):
        hide(channel, viewer, Profile.Visibility.HIDDEN if 3 <= number < 35 else Profile.Visibility.SHOWN)
    log_in(client, viewers[39])
    after = following(Standing.objects.get(viewer=viewers[2], period=APRIL.key), "messages", 3)
    with CaptureQueriesContext(connection) as queries:
        client.get(PAGE, {"by": "messages", "range": "2026-04", "after": after})
    assert len(queries) <= 12


@pytest.mark.parametrize("measure", MEASURES.values())
def test_a_board_is_read_from_its_index(channel, measure):
    viewers = [
        Viewer(twitch_id=f"v{number}", login=f"v{number}", display_name="v", named_at=timezone.now())
        for number in range(1000)
    ]
    Viewer.objects.bulk_create(viewers)
    Standing.objects.bulk_create(
        Standing(channel=channel, viewer=viewer, period=period, **{measure: number % 300 + 1})
        for period in ("all", "2026")
        for number, viewer in enumerate(viewers)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE viewers_standing, viewers_viewer")
    by = next(name for name, column in MEASURES.items() if column == measure)
    board = Board.of(channel, by, ALL)
    for rows in (board._rows(), board._rows().filter(**{measure: 5, "viewer__gt": "v5"})):
        plan = board._ranked(rows)[:64].explain()
        assert f"standing_by_{measure}" in plan
        assert "Sort" not in plan


def test_the_link_to_the_next_page_tells_of_nobody(client, channel, few):
    crowd(channel, *range(6, 0, -1))
    link = client.get(PAGE, {"by": "messages"}).context["following"]
    assert unseal(unquote(link.rpartition("after=")[2])).endswith(Viewer.objects.get(login="viewer002").pk)
    assert Viewer.objects.get(login="viewer002").pk not in link


def test_a_mark_that_somebody_made_up_leads_nowhere(client, channel):
    assert client.get(PAGE, {"by": "messages", "after": str(Mark(5, 2, 3, "1001"))}).status_code == 404
