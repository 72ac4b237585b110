"""What viewers decide holds at once, and where it cannot, nothing has changed."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, connections
from django.db.models import Q
from redis.exceptions import RedisError

from streams import pages
from streams.models import Channel, Stream
from streams.tests.cast import make_channel
from viewers import choices, verdicts, wiki
from viewers.choices import NotNow
from viewers.marks import mark_of
from viewers.models import (
    ChoiceClock,
    Claim,
    Consent,
    Erasure,
    Profile,
    Progress,
    Summary,
    Verdict,
    Viewer,
    ViewerTotal,
    ViewSession,
)
from viewers.tests.cast import make_viewer
from viewers.tests.presence import Evening
from viewers.unkept import Unkept
from viewers.visibility import people_in, shown_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_client")]

Visibility = Profile.Visibility
SUMMARY = Consent.Kind.SUMMARY


@pytest.fixture
def channel() -> Channel:
    return make_channel("lantern", twitch_id="c1")


@pytest.fixture
def ann(channel: Channel) -> Viewer:
    return make_viewer(channel, "ann")


@pytest.fixture
def moderator() -> User:
    return User.objects.create_superuser("mod")


@pytest.fixture
def forgotten(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The channels whose pages were forgotten, each time, and whether the choice was there by then."""
    told: list[Any] = []

    def forget(logins: Any) -> None:
        told.append((sorted(logins), Viewer.objects.exclude(hidden_at=None, stopped_at=None).exists()))

    monkeypatch.setattr(pages, "forget", forget)
    return told


def is_shown(viewer: Viewer, channel: Channel) -> bool:
    return Viewer.objects.filter(shown_in(channel, "pk"), pk=viewer.pk).exists()


def visibility(viewer: Viewer) -> str:
    return Profile.objects.get(viewer=viewer).visibility


def version() -> int:
    return ChoiceClock.objects.get().version


def kept() -> Unkept:
    with connection.cursor() as cursor:
        return Unkept.now(cursor)


# Who is shown

CASES = list(
    product([True, False], [None, *Visibility.values], [False, True], [False, True])
)  # is it open, what was decided there, is it hidden everywhere, is it a bot


@pytest.mark.parametrize("is_board", [False, True], ids=["lists", "boards"])
def test_who_is_shown_depends_on_the_channel_the_page_the_viewer_and_bots(is_board):
    condition = people_in if is_board else shown_in
    for number, (is_open, decided, is_hidden, is_bot) in enumerate(CASES):
        policy = Channel.PagePolicy.OPEN if is_open else Channel.PagePolicy.OPT_IN
        channel = make_channel(f"c{number}", twitch_id=f"c{number}", page_policy=policy)
        hidden_at = datetime.now(UTC) if is_hidden else None
        viewer = make_viewer(channel, f"v{number}", is_bot=is_bot, hidden_at=hidden_at)
        if decided is not None:
            Profile.objects.create(channel=channel, viewer=viewer, visibility=decided)
        allowed = {None, "", "shown"} if is_open else {"shown"}
        is_expected = decided in allowed and not is_hidden and not (is_board and is_bot)
        listed = ViewerTotal.objects.filter(condition(channel), channel=channel).exists()
        itself = Viewer.objects.filter(condition(channel, "pk"), pk=viewer.pk).exists()
        assert (listed, itself) == (is_expected, is_expected), (is_open, decided, is_hidden, is_bot)


def test_what_was_decided_in_one_channel_says_nothing_of_another(channel, ann):
    other = make_channel("harbour", twitch_id="c2")
    choices.hide(ann, channel)
    assert (is_shown(ann, channel), is_shown(ann, other)) == (False, True)


# Hide and show


def test_who_hides_is_shown_nowhere_until_they_show_themselves(channel, ann):
    choices.hide(ann)
    assert not is_shown(ann, channel)
    choices.show(ann)
    assert is_shown(ann, channel)


def test_who_hides_twice_is_hidden_since_the_first_time(ann):
    choices.hide(ann)
    first = Viewer.objects.get().hidden_at
    choices.hide(ann)
    assert Viewer.objects.get().hidden_at == first


def test_a_page_hidden_in_one_channel_is_shown_again_there(channel, ann):
    choices.hide(ann, channel)
    assert not is_shown(ann, channel)
    choices.show(ann, channel)
    assert (is_shown(ann, channel), visibility(ann)) == (True, "")


def test_where_pages_are_opt_in_show_asks_for_one(channel, ann):
    channel.page_policy = Channel.PagePolicy.OPT_IN
    channel.save()
    assert not is_shown(ann, channel)
    choices.show(ann, channel)
    assert (is_shown(ann, channel), visibility(ann)) == (True, "shown")


def test_who_is_hidden_everywhere_is_not_shown_by_asking_for_one_page(channel, ann):
    choices.hide(ann)
    choices.show(ann, channel)
    assert not is_shown(ann, channel)


def test_show_does_not_undo_what_a_moderator_did(channel, ann):
    choices.remove_page(ann, channel)
    with pytest.raises(NotNow, match="Moderators of Lantern have hidden your page"):
        choices.show(ann, channel)
    choices.show(ann)
    assert not is_shown(ann, channel)


def test_hiding_a_removed_page_does_not_make_it_the_viewers_to_show(channel, ann):
    choices.remove_page(ann, channel)
    choices.hide(ann, channel)
    with pytest.raises(NotNow):
        choices.show(ann, channel)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_restored_page_is_as_its_viewer_wants_it(channel, ann, when):
    decide = [lambda: choices.hide(ann, channel), lambda: choices.remove_page(ann, channel)]
    for step in decide if when == "before" else reversed(decide):
        step()
    choices.restore_page(ann, channel)
    assert (is_shown(ann, channel), visibility(ann)) == (False, "hidden")


def test_a_page_that_was_removed_twice_is_restored_once(channel, ann):
    choices.remove_page(ann, channel)
    choices.remove_page(ann, channel)
    choices.restore_page(ann, channel)
    assert is_shown(ann, channel)


def test_restoring_a_page_that_its_viewer_hid_shows_nothing(channel, ann):
    choices.hide(ann, channel)
    choices.restore_page(ann, channel)
    assert not is_shown(ann, channel)


# Pages that were kept ready


def test_pages_of_every_channel_are_forgotten_before_and_after(
    forgotten, channel, ann, django_capture_on_commit_callbacks
):
    """Also where nothing is counted of the viewer: a raid names who came, and adds to no total."""
    make_channel("harbour", twitch_id="c2")
    with django_capture_on_commit_callbacks(execute=True):
        choices.hide(ann)
    assert forgotten == [(["harbour", "lantern"], False), (["harbour", "lantern"], True)]


def test_a_choice_about_one_channel_forgets_its_pages_alone(
    forgotten, channel, ann, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        choices.hide(ann, make_channel("harbour", twitch_id="c2"))
    assert [logins for logins, _ in forgotten] == [["harbour"], ["harbour"]]


def test_what_is_agreed_to_empties_nothing(forgotten, ann):
    choices.agree(ann, SUMMARY)
    assert forgotten == []


def test_what_is_no_longer_agreed_to_is_off_the_pages_before_and_after(
    forgotten, ann, django_capture_on_commit_callbacks
):
    choices.agree(ann, SUMMARY)
    with django_capture_on_commit_callbacks(execute=True):
        choices.withdraw(ann, SUMMARY)
    assert [logins for logins, _ in forgotten] == [["lantern"], ["lantern"]]


def test_what_was_made_of_it_is_deleted_with_it(channel, ann):
    choices.agree(ann, SUMMARY)
    Summary.objects.create(channel=channel, viewer=ann, number=1, state="shown", begun_at=datetime.now(UTC))
    choices.withdraw(ann, SUMMARY)
    assert not Summary.objects.exists()


def test_what_recaps_say_of_a_viewer_is_deleted_and_the_rest_stays(channel, ann):
    choices.agree(ann, Consent.Kind.RECAP)
    stream = Stream.objects.create(id="s", channel=channel, started_at=datetime.now(UTC))
    recap = Summary.objects.create(channel=channel, stream=stream, number=1, state="shown", begun_at=datetime.now(UTC))
    for position, people in enumerate(([ann], [])):
        Claim.objects.create(summary=recap, position=position, part="moment", text="Sang.").people.set(people)
    choices.withdraw(ann, Consent.Kind.RECAP)
    assert list(recap.claims.values_list("position", flat=True)) == [1]


EVERY = {
    "hide": lambda ann, channel: choices.hide(ann),
    "hide here": choices.hide,
    "show": lambda ann, channel: choices.show(ann),
    "show here": choices.show,
    "stop": lambda ann, channel: choices.stop(ann),
    "resume": lambda ann, channel: choices.resume(ann),
    "erase": lambda ann, channel: choices.ask_to_erase(ann),
    "remove": choices.remove_page,
    "restore": choices.restore_page,
    "withdraw": lambda ann, channel: choices.withdraw(ann, SUMMARY),
}


def decided() -> list[Any]:
    tables = (Viewer, Profile, Consent, Erasure, ChoiceClock)
    return [list(table.objects.order_by("pk").values()) for table in tables]


@pytest.mark.parametrize("choose", EVERY.values(), ids=EVERY)
def test_without_redis_a_choice_is_refused_and_nothing_has_changed(settings, channel, ann, choose):
    before = decided()
    settings.REDIS_URL = "unix:///nowhere/redis.sock"
    with pytest.raises(NotNow, match="could not be kept just now, and nothing was changed"):
        choose(ann, channel)
    assert decided() == before


def test_a_choice_holds_though_redis_goes_away_at_the_end(
    monkeypatch, channel, ann, django_capture_on_commit_callbacks
):
    told: list[Any] = []

    def forget(logins: Any) -> None:
        told.append(logins)
        if len(told) > 1:
            raise RedisError("gone")

    monkeypatch.setattr(pages, "forget", forget)
    with django_capture_on_commit_callbacks(execute=True):
        choices.hide(ann)
    assert (is_shown(ann, channel), len(told)) == (False, 2)


def test_what_is_agreed_to_needs_no_redis(settings, ann):
    settings.REDIS_URL = "unix:///nowhere/redis.sock"
    assert choices.agree(ann, SUMMARY).withdrawn_at is None


# Stop and resume


def test_who_stops_is_not_kept_until_they_resume(ann):
    choices.stop(ann)
    assert kept().among([ann.pk, "77"]) == {ann.pk}
    choices.resume(ann)
    assert kept().among([ann.pk]) == frozenset()
    assert kept().kept_again_among([ann.pk, "77"]) == {ann.pk}


def test_whoever_resumes_without_having_stopped_changes_nothing(ann):
    choices.resume(ann)
    assert Viewer.objects.get().resumed_at is None


def test_the_ingest_is_told_of_what_it_has_to_know_and_of_nothing_else(channel, ann):
    choices.stop(ann)
    choices.resume(ann)
    assert version() == 2
    choices.hide(ann)
    choices.show(ann, channel)
    choices.agree(ann, SUMMARY)
    choices.remove_page(ann, channel)
    assert version() == 2
    choices.ask_to_erase(ann)
    assert version() == 3


def test_whoever_watches_and_stops_was_there_until_the_last_proof(ann):
    evening = Evening(channel=Channel.objects.get())
    Viewer.objects.create(pk="id-bob", login="bob", display_name="Bob", named_at=ann.named_at)
    evening.poll(5, "bob", "carol")
    evening.poll(10, "bob", "carol")
    choices.stop(Viewer.objects.get(pk="id-bob"))
    assert (evening.sessions("bob"), evening.watched("bob")) == ([(5, 10)], 5)
    assert ViewSession.objects.get(viewer="id-bob").ended_by == "stopped"
    assert evening.sessions("carol") == [(5, None)]


def test_what_was_not_credited_yet_is_when_somebody_stops(monkeypatch, channel):
    monkeypatch.setattr("viewers.presence.FEW", 0)
    evening = Evening(channel=channel)
    for minutes in (5, 10, 15):
        evening.poll(minutes, "bob")
    choices.stop(Viewer.objects.get(pk="id-bob"))
    assert (evening.sessions("bob"), evening.watched("bob")) == ([(5, 15)], 10)


def test_a_session_without_a_proof_of_its_length_is_none(channel):
    evening = Evening(channel=channel)
    evening.poll(5, "bob")
    choices.stop(Viewer.objects.get(pk="id-bob"))
    assert (evening.sessions("bob"), evening.watched("bob")) == ([], 0)


# Erase


def test_an_account_that_is_to_be_erased_is_neither_shown_nor_kept(channel, ann):
    erasure = choices.ask_to_erase(ann)
    assert (erasure.mark, erasure.viewer_id, erasure.state) == (mark_of(ann.pk), ann.pk, Progress.WAITING)
    assert not is_shown(ann, channel)
    assert kept().among([ann.pk]) == {ann.pk}


def test_an_account_that_was_erased_is_known_by_its_mark_alone(ann):
    choices.ask_to_erase(ann)
    Erasure.objects.update(state=Progress.DONE, viewer_id="")
    Viewer.objects.all().delete()
    assert kept().among([ann.pk, "77"]) == {ann.pk}
    assert kept().kept_again_among([ann.pk]) == frozenset()


@pytest.mark.parametrize("state", [Progress.WAITING, Progress.RUNNING, Progress.FAILED])
def test_while_an_account_is_being_erased_asking_again_is_asking_for_that(ann, state):
    first = choices.ask_to_erase(ann)
    Erasure.objects.update(state=state)
    again = choices.ask_to_erase(ann)
    assert (again.pk, again.receipt, again.state) == (first.pk, first.receipt, state)


def test_an_erased_account_can_be_erased_anew(ann):
    first = choices.ask_to_erase(ann)
    Erasure.objects.update(
        state=Progress.DONE, viewer_id="", steps_done=3, removed={"messages": 5}, finished_at=ann.named_at
    )
    assert choices.allow_again(ann.pk)
    again = choices.ask_to_erase(ann)
    assert (again.pk, again.state, again.viewer_id) == (first.pk, Progress.WAITING, ann.pk)
    assert (again.steps_done, again.removed, again.finished_at, again.lifted_at) == (0, {}, None, None)
    assert again.receipt != first.receipt


def test_an_account_that_was_erased_today_is_told_when_to_ask_again(ann):
    choices.ask_to_erase(ann)
    Erasure.objects.update(state=Progress.DONE, finished_at=datetime.now(UTC) - timedelta(hours=23))
    with pytest.raises(choices.NotNow, match=r"within the last day.*Nothing was changed: please ask again tomorrow"):
        choices.ask_to_erase(ann)
    assert Erasure.objects.get().state == Progress.DONE


def test_receipts_cannot_be_guessed(channel):
    receipts = [choices.ask_to_erase(make_viewer(channel, f"v{number}")).receipt for number in range(5)]
    assert len(set(receipts)) == 5
    assert all(len(receipt) == 32 for receipt in receipts)


def test_an_erased_account_is_kept_again_when_it_says_so(ann):
    choices.ask_to_erase(ann)
    Erasure.objects.update(state=Progress.DONE, viewer_id="")
    Viewer.objects.all().delete()
    before = version()
    assert choices.allow_again(ann.pk)
    assert version() == before + 1
    assert kept().among([ann.pk]) == frozenset()
    assert kept().kept_again_among([ann.pk, "77"]) == {ann.pk}
    assert not choices.allow_again(ann.pk)


def come_back(ann):
    """Erased, as far as choices are concerned, and back under the same id."""
    choices.ask_to_erase(ann)
    with connection.cursor() as cursor:
        verdicts.keep(cursor, ann.pk)
    Profile.objects.all().delete()
    Viewer.objects.all().delete()
    Erasure.objects.update(state=Progress.DONE, viewer_id="")
    assert choices.allow_again(ann.pk)


def test_who_comes_back_after_an_erasure_does_not_undo_what_moderators_did(channel, ann, moderator):
    choices.remove_page(ann, channel)
    wiki.lock(channel, ann, moderator)
    locked_at = Profile.objects.get().locked_at
    come_back(ann)
    page = Profile.objects.get(channel=channel, viewer=ann.pk)
    assert (page.visibility, page.locked_at, page.locked_by) == (Profile.Visibility.REMOVED, locked_at, None)
    with pytest.raises(choices.NotNow, match="Only they can show it again"):
        choices.show(Viewer.objects.get(pk=ann.pk), channel)
    choices.restore_page(Viewer.objects.get(pk=ann.pk), channel)
    assert not Verdict.objects.exists()


def test_a_page_that_was_only_locked_is_shown_and_locked_when_its_viewer_comes_back(channel, ann, moderator):
    wiki.lock(channel, ann, moderator)
    come_back(ann)
    page = Profile.objects.get()
    assert (page.visibility, bool(page.locked_at)) == ("", True)


def test_of_whom_moderators_decided_nothing_nothing_is_kept(channel, ann):
    choices.hide(ann, channel)
    come_back(ann)
    assert not Profile.objects.exists()
    assert not Viewer.objects.exists()


def test_an_account_that_was_never_erased_need_not_be_allowed():
    assert not choices.allow_again("77")


def test_nothing_is_changed_while_an_account_is_being_erased(channel, ann):
    choices.ask_to_erase(ann)
    before = decided()
    for undo in (
        lambda: choices.show(ann),
        lambda: choices.show(ann, channel),
        lambda: choices.resume(ann),
        lambda: choices.allow_again(ann.pk),
        lambda: choices.agree(ann, SUMMARY),
    ):
        with pytest.raises(NotNow, match="being erased"):
            undo()
    assert decided() == before


# Consent


def in_order() -> list[Consent]:
    return list(Consent.objects.order_by("pk"))


def test_what_was_agreed_to_is_kept_word_for_word(ann):
    consent = choices.agree(ann, SUMMARY)
    assert consent.wording == choices.WORDING[SUMMARY]
    assert choices.agree(ann, SUMMARY).pk == consent.pk


def test_whoever_agreed_to_other_words_agrees_anew(monkeypatch, ann):
    choices.agree(ann, SUMMARY)
    monkeypatch.setitem(choices.WORDING, SUMMARY, "other words")
    choices.agree(ann, SUMMARY)
    said = [(consent.wording == "other words", consent.withdrawn_at is None) for consent in in_order()]
    assert said == [(False, False), (True, True)]


def test_what_was_withdrawn_can_be_agreed_to_again(ann):
    choices.agree(ann, SUMMARY)
    assert choices.withdraw(ann, SUMMARY)
    assert not choices.withdraw(ann, SUMMARY)
    choices.agree(ann, SUMMARY)
    assert [consent.withdrawn_at is None for consent in in_order()] == [False, True]


def test_nobody_can_agree_to_what_there_is_not(ann):
    with pytest.raises(ValueError, match="everything"):
        choices.agree(ann, "everything")


# Beside others


def in_threads(number: int, deed: Any) -> list[Any]:
    def run() -> Any:
        try:
            return deed()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(number) as threads:
        return [each.result() for each in [threads.submit(run) for _ in range(number)]]


@pytest.mark.django_db(transaction=True)
def test_who_asks_twice_at_once_is_erased_once(ann):
    receipts = in_threads(4, lambda: choices.ask_to_erase(ann).receipt)
    assert set(receipts) == {Erasure.objects.get().receipt}


@pytest.mark.django_db(transaction=True)
def test_choices_at_the_same_time_are_all_made(channel, ann):
    before = ChoiceClock.objects.count()

    def choose() -> None:
        choices.stop(ann)
        choices.hide(ann, channel)
        choices.agree(ann, SUMMARY)

    in_threads(4, choose)
    assert (before, version()) == (0, 4)
    assert (Profile.objects.count(), Consent.objects.count()) == (1, 1)


@pytest.mark.django_db(transaction=True)
def test_a_choice_that_would_have_to_wait_long_is_refused(monkeypatch, channel, ann):
    monkeypatch.setattr(choices, "WAIT_NO_LONGER", "SET LOCAL lock_timeout = '10ms'")
    connection.set_autocommit(False)
    try:
        with connection.cursor() as cursor:
            Unkept.now(cursor)

            def stop() -> str:
                with pytest.raises(NotNow) as refused:
                    choices.stop(ann)
                return str(refused.value)

            assert in_threads(1, stop) == [choices.AWAY]
    finally:
        connection.rollback()
        connection.set_autocommit(True)
    assert not Viewer.objects.filter(~Q(stopped_at=None)).exists()
