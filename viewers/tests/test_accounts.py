from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from streams.helix import HelixUser
from streams.models import JobRun, Stream
from streams.tests.cast import make_channel
from streamstats.simulator.facts import Account, StatedFacts
from streamstats.simulator.tests.threaded import simulated_twitch
from viewers import accounts
from viewers.marks import mark_of
from viewers.models import BotSource, Erasure, Viewer, ViewerName, ViewSession
from viewers.tasks import ask_for_accounts
from viewers.tests.cast import LATELY, LONG_AGO, make_viewer

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_client")]

BORN = datetime(2019, 2, 3, 4, 5, 6, tzinfo=UTC)
FACE = "https://static-cdn.jtvnw.net/face.png"


@pytest.fixture
def channel():
    return make_channel()


@pytest.fixture
def facts():
    return StatedFacts()


@pytest.fixture
def twitch(facts):
    with simulated_twitch(facts) as running:
        yield running


def now():
    return datetime.now(UTC)


def account(viewer, **fields):
    return Account(
        **{
            "id": viewer.pk,
            "login": viewer.login,
            "display_name": viewer.display_name,
            "created_at": BORN,
            "avatar_url": FACE,
            **fields,
        }
    )


def asked_for(viewer, at, **fields):
    Viewer.objects.filter(pk=viewer.pk).update(details_at=at, **fields)


def names_of(viewer):
    return list(ViewerName.objects.filter(viewer=viewer).order_by("first_seen_at").values_list("login", flat=True))


def came(channel, viewer, *, began, ended=None):
    stream, _ = Stream.objects.get_or_create(
        id=f"s{began:%H}", channel=channel, defaults={"started_at": began, "ended_at": ended}
    )
    ViewSession.objects.create(
        channel=channel, viewer=viewer, stream=stream, started_at=began, ended_at=ended, source="chatters"
    )


# Who is due.


def test_who_was_never_asked_for_is_due_the_newest_first(channel, monkeypatch):
    make_viewer(channel, "ann", named_at=LONG_AGO)
    bob = make_viewer(channel, "bob")
    monkeypatch.setattr(accounts, "NEW_IN_A_RUN", 1)
    assert accounts.due(now()) == [bob.pk]


def test_who_was_asked_for_is_not_due(channel):
    asked_for(make_viewer(channel, "ann"), now())
    assert accounts.due(now()) == []


def test_who_comes_to_a_stream_is_due_once(channel):
    ann = make_viewer(channel, "ann")
    began = now() - timedelta(hours=1)
    came(channel, ann, began=began)
    asked_for(ann, began - timedelta(days=1))
    assert accounts.due(now()) == [ann.pk]
    asked_for(ann, began + timedelta(minutes=5))
    assert accounts.due(now()) == []


def test_a_stream_that_is_over_makes_nobody_due(channel):
    ann = make_viewer(channel, "ann")
    began = now() - timedelta(hours=1)
    came(channel, ann, began=began, ended=now())
    asked_for(ann, began - timedelta(days=1))
    assert accounts.due(now()) == []


def test_who_is_missing_is_due_again_after_a_week(channel):
    ann, bob = make_viewer(channel, "ann"), make_viewer(channel, "bob")
    asked_for(ann, now() - timedelta(days=8), is_missing=True)
    asked_for(bob, now() - timedelta(days=6), is_missing=True)
    assert accounts.due(now()) == [ann.pk]


def test_who_stopped_is_never_due(channel):
    began = now() - timedelta(hours=1)
    ann, bob, carol = (make_viewer(channel, name, stopped_at=now()) for name in ("ann", "bob", "carol"))
    came(channel, bob, began=began)
    asked_for(bob, began - timedelta(days=1))
    asked_for(carol, now() - timedelta(days=8), is_missing=True)
    assert ann.details_at is None
    assert accounts.due(now()) == []


def test_it_takes_one_query_to_know_who_is_due(channel, django_assert_num_queries):
    for number in range(5):
        make_viewer(channel, f"ann{number}")
    with django_assert_num_queries(1):
        assert len(accounts.due(now())) == 5


# What is learnt.


def test_the_picture_and_the_age_of_an_account_are_kept(channel, facts, twitch):
    ann = make_viewer(channel, "ann")
    facts.people.append(account(ann))
    ask_for_accounts()
    ann.refresh_from_db()
    assert (ann.avatar_url, ann.account_created_at, ann.is_missing) == (FACE, BORN, False)
    assert ann.details_at > now() - timedelta(minutes=1)
    assert JobRun.objects.get().detail == "1 accounts told, 0 missing"


def test_the_name_of_today_joins_the_history(channel, facts, twitch):
    ann = make_viewer(channel, "ann", color="#ff0000")
    facts.people.append(account(ann, login="anna", display_name="Anna"))
    ask_for_accounts()
    ann.refresh_from_db()
    assert (ann.login, ann.display_name, ann.color) == ("anna", "Anna", "#ff0000")
    assert names_of(ann) == ["ann", "anna"]


def test_a_name_that_was_seen_since_stands(channel, facts, twitch):
    ann = make_viewer(channel, "ann", named_at=now() + timedelta(minutes=1))
    facts.people.append(account(ann, login="anna"))
    ask_for_accounts()
    ann.refresh_from_db()
    assert ann.login == "ann"
    assert "anna" in names_of(ann)


def test_who_is_not_there_is_missing_and_keeps_what_was_known(channel, facts, twitch):
    ann = make_viewer(channel, "ann", avatar_url=FACE)
    facts.people.append(account(ann, is_suspended=True))
    ask_for_accounts()
    ann.refresh_from_db()
    assert ann.is_missing
    assert ann.details_at
    assert ann.avatar_url == FACE


def test_who_comes_back_is_missing_no_more(channel, facts, twitch):
    ann = make_viewer(channel, "ann")
    asked_for(ann, now() - timedelta(days=8), is_missing=True)
    facts.people.append(account(ann))
    ask_for_accounts()
    ann.refresh_from_db()
    assert not ann.is_missing


def test_a_login_that_passed_to_somebody_else_leaves_both_their_history(channel, facts, twitch):
    former, present = make_viewer(channel, "ann", named_at=LONG_AGO), make_viewer(channel, "zoe")
    asked_for(former, LATELY)
    facts.people += [account(former, login="ann2"), account(present, login="ann")]
    ask_for_accounts()
    former.refresh_from_db()
    present.refresh_from_db()
    assert (former.login, names_of(former)) == ("ann", ["ann"])
    assert (present.login, names_of(present)) == ("ann", ["zoe", "ann"])


def test_who_held_a_login_before_is_asked_for_next(channel, facts, twitch):
    former, present = make_viewer(channel, "ann", named_at=LONG_AGO), make_viewer(channel, "zoe")
    asked_for(former, LATELY)
    facts.people += [account(former, login="ann2"), account(present, login="ann")]
    ask_for_accounts()
    assert accounts.due(now()) == [former.pk]
    ask_for_accounts()
    former.refresh_from_db()
    assert (former.login, names_of(former)) == ("ann2", ["ann", "ann2"])


def test_a_known_bot_is_marked_when_its_name_is_learnt(channel, facts, twitch):
    bot = make_viewer(channel, "newcomer")
    facts.people.append(account(bot, login="nightbot"))
    ask_for_accounts()
    bot.refresh_from_db()
    assert (bot.is_bot, bot.bot_source) == (True, BotSource.LIST)


def test_who_is_erased_while_twitch_is_asked_does_not_come_back(channel, facts):
    ann, bob = make_viewer(channel, "ann"), make_viewer(channel, "bob")
    told = [HelixUser(each.pk, each.login, each.login, FACE, BORN, "") for each in (ann, bob)]
    Erasure.objects.create(mark=mark_of(ann.pk), receipt="r", state="done")
    ann.delete()
    assert accounts.learn(["1000", "1001"], told, now()) == (1, 0)
    assert list(Viewer.objects.values_list("login", flat=True)) == ["bob"]
    assert list(ViewerName.objects.values_list("login", flat=True)) == ["bob"]


def test_who_stops_while_twitch_is_asked_keeps_what_was_known(channel, facts):
    ann = make_viewer(channel, "ann", stopped_at=now())
    accounts.learn([ann.pk], [HelixUser(ann.pk, "anna", "Anna", FACE, BORN, "")], now())
    assert Viewer.objects.values_list("login", "avatar_url", "details_at").get() == ("ann", "", None)


def test_many_are_asked_for_in_hundreds(channel, facts, twitch):
    rows = [Viewer(twitch_id=str(5000 + n), login=f"v{n}", display_name=f"v{n}", named_at=LATELY) for n in range(250)]
    Viewer.objects.bulk_create(rows)
    facts.people += [account(row) for row in rows]
    ask_for_accounts()
    assert Viewer.objects.filter(avatar_url=FACE).count() == 250
    assert [asked.path for asked in twitch.helix.asked].count("users") == 3


def test_what_was_told_stays_though_twitch_goes_away(channel, facts, twitch):
    Viewer.objects.bulk_create(
        Viewer(twitch_id=str(5000 + n), login=f"v{n}", display_name="v", named_at=LATELY) for n in range(150)
    )

    def ask(ids, calls=[]):  # noqa: B006 - remembers
        calls.append(ids)
        if len(calls) > 1:
            raise RuntimeError("away")
        return []

    with pytest.raises(RuntimeError):
        accounts.ask_for_accounts(ask, now())
    assert Viewer.objects.filter(is_missing=True).count() == 100


def test_it_takes_as_many_statements_for_many(channel, facts):
    def statements(viewers):
        with CaptureQueriesContext(connection) as captured:
            accounts.learn([viewer.pk for viewer in viewers], [account(viewer) for viewer in viewers], now())
        return len(captured)

    viewers = [make_viewer(channel, f"v{number}") for number in range(40)]
    assert statements(viewers[:1]) == statements(viewers[1:]) <= 8


def test_without_an_application_at_twitch_nobody_is_asked_for(channel, settings):
    settings.TWITCH_CLIENT_ID = ""
    make_viewer(channel, "ann")
    ask_for_accounts()
    assert JobRun.objects.get().outcome == JobRun.Outcome.SKIPPED
