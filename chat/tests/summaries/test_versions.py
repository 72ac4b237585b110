"""What viewers and moderators may do with versions of a summary."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from chat.summaries import due, page, versions
from chat.summaries.due import EVERY
from chat.summaries.versions import PAUSE, PAUSE_OF_FAILED
from streams.models import Stream
from streams.pages import NotNow
from streams.tests.cast import make_channel
from viewers import choices
from viewers.choices import WORDING
from viewers.models import Claim, Consent, Profile, Summary, SummaryPolicy, SummaryTurn, ViewerTotal
from viewers.tests.cast import make_viewer

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_client")]

NOW = timezone.now()
MINUTE = timedelta(minutes=1)
VIEWER, MODERATOR = Summary.Role.VIEWER, Summary.Role.MODERATOR


@pytest.fixture
def channel():
    channel = make_channel()
    SummaryPolicy.objects.create(channel=channel, is_on=True)
    return channel


@pytest.fixture
def ann(channel):
    viewer = make_viewer(channel, "ann", messages=40)
    Consent.objects.create(viewer=viewer, kind="summary", wording=WORDING[Consent.Kind.SUMMARY])
    return viewer


@pytest.fixture
def user():
    return User.objects.create_superuser("somebody")


def make_version(channel, viewer, state="shown", begun_at: datetime = NOW, **fields):
    number = Summary.objects.count() + 1
    summary = Summary.objects.create(
        channel=channel, viewer=viewer, number=number, state=state, begun_at=begun_at, **fields
    )
    Claim.objects.create(summary=summary, position=0, part="portrait", text=f"Version {number}.")
    return summary


def state(summary):
    return Summary.objects.get(pk=summary.pk).state


def on_page(channel, viewer):
    shown = page.on_page(channel, viewer)
    return shown.summary.number if shown else None


def shown_of(channel, viewer):
    shown = page.on_page(channel, viewer)
    assert shown is not None
    return shown


# Asking for one


def test_a_fresh_one_may_be_asked_for_before_it_is_due(channel, ann):
    summary = versions.ask_for(channel, ann, NOW)
    assert (summary.state, summary.is_asked, summary.number, summary.messages_then) == ("waiting", True, 1, 40)


def test_the_next_hundred_are_counted_from_there(channel, ann):
    versions.ask_for(channel, ann, NOW)
    assert SummaryTurn.objects.get().messages == 40


def test_versions_are_numbered_on(channel, ann):
    make_version(channel, ann)
    assert versions.ask_for(channel, ann, NOW).number == 2


def not_agreed(channel, ann):
    Consent.objects.update(withdrawn_at=NOW)


def other_words(channel, ann):
    Consent.objects.update(wording="Less.")


def off(channel, ann):
    SummaryPolicy.objects.update(is_on=False)


def going_on(channel, ann):
    make_version(channel, ann, "running")


def asked(channel, viewer, at, state="shown"):
    """As if a viewer had asked for one then."""
    SummaryTurn.objects.create(channel=channel, viewer=viewer, messages=40, asked_at=at)
    make_version(channel, viewer, state, at, is_asked=True)


def asked_lately(channel, ann):
    asked(channel, ann, NOW - PAUSE + MINUTE)


def refused_lately(channel, ann):
    asked(channel, ann, NOW - PAUSE + MINUTE, "refused")


def failed_just_now(channel, ann):
    asked(channel, ann, NOW - PAUSE_OF_FAILED + MINUTE, "failed")


def took_it_back_meanwhile(channel, ann):
    asked(channel, ann, NOW - PAUSE + MINUTE)
    choices.withdraw(ann, "summary")
    choices.agree(ann, "summary")


def full(channel, ann):
    SummaryPolicy.objects.update(per_day=1)
    make_version(channel, make_viewer(channel, "bob"))


def busy(channel, ann):
    SummaryPolicy.objects.update(per_minute=1)
    make_version(channel, make_viewer(channel, "bob"))


def silent(channel, ann):
    ViewerTotal.objects.filter(viewer=ann).update(messages=0)


@pytest.mark.parametrize(
    ("lacking", "words"),
    [
        (not_agreed, versions.NOT_AGREED),
        (other_words, versions.NOT_AGREED),
        (off, "Summaries are switched off in Lantern."),
        (going_on, versions.GOING_ON),
        (asked_lately, versions.TOO_SOON),
        (refused_lately, versions.TOO_SOON),
        (took_it_back_meanwhile, versions.TOO_SOON),
        (failed_just_now, versions.FAILED_LATELY),
        (busy, "As many summaries as Lantern makes in a minute were just begun. Please ask again in a minute."),
        (full, "As many summaries as Lantern makes in a day were made today. Please ask again tomorrow."),
        (silent, "You have not written anything in Lantern yet."),
    ],
)
def test_it_is_said_why_there_is_none(channel, ann, lacking, words):
    lacking(channel, ann)
    with pytest.raises(NotNow) as refusal:
        versions.ask_for(channel, ann, NOW)
    assert str(refusal.value) == words


def asked_a_day_ago(channel, ann):
    asked(channel, ann, NOW - PAUSE)


def failed_an_hour_ago(channel, ann):
    asked(channel, ann, NOW - PAUSE_OF_FAILED, "failed")


def came_by_itself(channel, ann):
    make_version(channel, ann)


@pytest.mark.parametrize("before", [asked_a_day_ago, failed_an_hour_ago, came_by_itself])
def test_who_may_ask_again(channel, ann, before):
    before(channel, ann)
    assert versions.ask_for(channel, ann, NOW).number == 2


def test_whoever_agrees_anew_does_not_get_the_same_hundred_again(channel, ann):
    ViewerTotal.objects.filter(viewer=ann).update(messages=EVERY)
    due.give_out(NOW)
    choices.withdraw(ann, "summary")
    choices.agree(ann, "summary")
    assert due.give_out(NOW + PAUSE) == []


@pytest.mark.django_db(transaction=True)
def test_those_who_ask_at_once_are_no_more_than_there_is_room_for(channel, monkeypatch):
    SummaryPolicy.objects.update(per_day=1)
    viewers = [make_viewer(channel, login, messages=40) for login in ("ann", "bob", "cleo")]
    for viewer in viewers:
        choices.agree(viewer, "summary")

    def ask(viewer):
        try:
            versions.ask_for(channel, viewer, NOW)
        except NotNow as refusal:
            return str(refusal)
        finally:
            connection.close()
        return ""

    with ThreadPoolExecutor(len(viewers)) as pool:
        told = list(pool.map(ask, viewers))
    assert (told.count(""), Summary.objects.count()) == (1, 1)


# Which is shown


def test_the_newest_that_is_shown_is_on_the_page(channel, ann):
    for each in ("shown", "shown", "hidden", "refused", "review", "waiting"):
        make_version(channel, ann, each)
    assert on_page(channel, ann) == 2


def test_hiding_one_shows_the_one_before(channel, ann, user):
    make_version(channel, ann)
    versions.hide(make_version(channel, ann), user, VIEWER)
    assert on_page(channel, ann) == 1


def test_one_that_is_restored_is_on_the_page_though_newer_ones_were(channel, ann, user):
    old = make_version(channel, ann, "hidden")
    newer = make_version(channel, ann)
    versions.restore(old, user, VIEWER)
    assert (on_page(channel, ann), state(newer)) == (1, "hidden")


def test_restoring_leaves_other_pages_alone(channel, ann, user):
    other = make_version(channel, make_viewer(channel, "bob"))
    stream = Stream.objects.create(id="s", channel=channel, started_at=NOW)
    recap = Summary.objects.create(channel=channel, stream=stream, number=9, state="shown", begun_at=NOW)
    versions.restore(make_version(channel, ann, "hidden"), user, VIEWER)
    assert (state(other), state(recap)) == ("shown", "shown")


def test_a_viewer_cannot_show_what_a_moderator_hid(channel, ann, user):
    summary = make_version(channel, ann)
    versions.hide(summary, user, MODERATOR)
    summary.refresh_from_db()
    with pytest.raises(NotNow, match="A moderator hid this version"):
        versions.restore(summary, user, VIEWER)
    assert state(summary) == "hidden"


def test_nor_where_they_looked_at_it_before_the_moderator_did(channel, ann, user):
    summary = make_version(channel, ann, "hidden", decided_as=VIEWER)
    looked_at = Summary.objects.get(pk=summary.pk)
    versions.restore(summary, user, MODERATOR)
    versions.hide(summary, user, MODERATOR)
    with pytest.raises(NotNow, match="A moderator hid this version"):
        versions.restore(looked_at, user, VIEWER)
    assert state(summary) == "hidden"


def test_a_moderator_hides_what_the_viewer_hid_so_that_it_stays_so(channel, ann, user):
    summary = make_version(channel, ann)
    versions.hide(summary, user, VIEWER)
    versions.hide(summary, user, MODERATOR)
    with pytest.raises(NotNow, match="A moderator hid this version"):
        versions.restore(summary, user, VIEWER)


def test_a_viewer_does_not_hide_what_a_moderator_hid(channel, ann, user):
    summary = make_version(channel, ann)
    versions.hide(summary, user, MODERATOR)
    with pytest.raises(NotNow):
        versions.hide(summary, user, VIEWER)
    summary.refresh_from_db()
    assert summary.decided_as == MODERATOR


def test_a_viewer_does_not_show_again_what_the_channel_blocked_since(channel, ann, user):
    summary = make_version(channel, ann, "hidden", decided_as=VIEWER)
    SummaryPolicy.objects.update(blocked_words="version")
    with pytest.raises(NotNow, match="has blocked since"):
        versions.restore(summary, user, VIEWER)
    assert state(summary) == "hidden"


def test_what_a_viewer_shows_again_is_read_first_where_everything_is_by_now(channel, ann, user):
    summary, newer = make_version(channel, ann, "hidden", decided_as=VIEWER), make_version(channel, ann)
    SummaryPolicy.objects.update(needs_review=True)
    assert versions.restore(summary, user, VIEWER) == "review"
    assert (state(summary), state(newer)) == ("review", "shown")


def test_a_moderator_who_shows_it_again_has_read_it(channel, ann, user):
    summary = make_version(channel, ann, "hidden", decided_as=VIEWER)
    SummaryPolicy.objects.update(needs_review=True)
    assert versions.restore(summary, user, MODERATOR) == state(summary) == "shown"


def test_of_whom_a_moderator_hid_the_last_the_next_is_read_first(channel, ann, user):
    versions.hide(make_version(channel, ann), user, MODERATOR)
    assert versions.needs_review(make_version(channel, ann, "running"))


@pytest.mark.parametrize("decided", [{"state": "hidden", "decided_as": VIEWER}, {"decided_as": MODERATOR}])
def test_not_where_the_viewer_hid_it_or_a_moderator_let_it_through(channel, ann, decided):
    make_version(channel, ann, decided_at=NOW, **decided)
    assert not versions.needs_review(make_version(channel, ann, "running"))


def test_hiding_an_older_one_themselves_does_not_change_that(channel, ann, user):
    older = make_version(channel, ann)
    versions.hide(make_version(channel, ann), user, MODERATOR)
    versions.hide(older, user, VIEWER)
    assert versions.needs_review(make_version(channel, ann, "running"))


def test_a_moderator_can(channel, ann, user):
    summary = make_version(channel, ann)
    versions.hide(summary, user, MODERATOR)
    summary.refresh_from_db()
    versions.restore(summary, user, MODERATOR)
    assert state(summary) == "shown"


def test_what_waits_for_a_moderator_is_shown_when_one_lets_it_through(channel, ann, user):
    summary = make_version(channel, ann, "review")
    versions.let_through(summary, user)
    assert on_page(channel, ann) == 1


def test_a_viewer_cannot_get_round_the_review_by_hiding_and_restoring(channel, ann, user):
    summary = make_version(channel, ann, "review")
    with pytest.raises(NotNow):
        versions.hide(summary, user, VIEWER)
    with pytest.raises(NotNow):
        versions.restore(summary, user, VIEWER)
    assert state(summary) == "review"


@pytest.mark.parametrize("present", ["waiting", "running", "refused", "failed"])
def test_what_was_not_written_can_neither_be_hidden_nor_shown(channel, ann, user, present):
    summary = make_version(channel, ann, present)
    for deed in (versions.hide, versions.restore):
        with pytest.raises(NotNow):
            deed(summary, user, MODERATOR)
    with pytest.raises(NotNow):
        versions.let_through(summary, user)
    assert state(summary) == present


def test_it_is_written_down_who_decided(channel, ann, user):
    summary = make_version(channel, ann)
    versions.hide(summary, user, MODERATOR)
    summary.refresh_from_db()
    assert (summary.decided_by, summary.decided_as, bool(summary.decided_at)) == (user, MODERATOR, True)


def test_a_claim_that_is_reported_is_gone_at_once(channel, ann):
    summary = make_version(channel, ann)
    wrong = Claim.objects.create(summary=summary, position=1, part="tone", text="They shout a lot.")
    versions.report(wrong)
    (section,) = shown_of(channel, ann).sections
    assert section.part == "portrait"


def test_what_is_wrong_is_gone_from_every_version_of_this_viewer(channel, ann):
    bob = make_viewer(channel, "bob")
    claims = [
        Claim.objects.create(summary=make_version(channel, viewer), position=1, part="tone", text=text)
        for viewer, text in ((ann, "They shout a lot."), (ann, "They SHOUT a lot!"), (bob, "They shout a lot."))
    ]
    versions.report(claims[0])
    reported = Claim.objects.filter(reported_at__isnull=False).order_by("pk")
    assert list(reported) == claims[:2]


def test_a_summary_of_which_everything_was_reported_is_gone(channel, ann):
    versions.report(make_version(channel, ann).claims.get())
    assert page.on_page(channel, ann) is None


@pytest.mark.parametrize("deed", ["hide", "restore", "let through", "report"])
def test_pages_are_forgotten_before_and_after(
    forgotten_pages, channel, ann, user, django_capture_on_commit_callbacks, deed
):
    deeds = {
        "hide": lambda: versions.hide(make_version(channel, ann), user, VIEWER),
        "restore": lambda: versions.restore(make_version(channel, ann, "hidden"), user, VIEWER),
        "let through": lambda: versions.let_through(make_version(channel, ann, "review"), user),
        "report": lambda: versions.report(make_version(channel, ann).claims.get()),
    }
    with django_capture_on_commit_callbacks(execute=True):
        deeds[deed]()
    assert forgotten_pages == [["lantern"], ["lantern"]]


@pytest.fixture
def forgotten_pages(monkeypatch):
    forgotten: list[list[str]] = []
    monkeypatch.setattr("streams.pages.forget", lambda logins: forgotten.append(list(logins)))
    return forgotten


# Recaps, and who is in them


@pytest.fixture
def recap(channel):
    stream = Stream.objects.create(id="s", channel=channel, started_at=NOW)
    return Summary.objects.create(channel=channel, stream=stream, number=1, state="shown", begun_at=NOW)


@pytest.fixture
def bob(channel):
    viewer = make_viewer(channel, "bob")
    Consent.objects.create(viewer=viewer, kind="recap", wording=WORDING[Consent.Kind.RECAP])
    return viewer


def say_of(recap, *people):
    claim = Claim.objects.create(summary=recap, position=recap.claims.count(), part="moment", text="Something.")
    claim.people.set(people)
    return claim


def positions(channel, recap):
    shown = page.of_stream(channel, recap.stream)
    return [claim.position for _, claims in shown.sections for claim in claims] if shown else []


def test_a_recap_names_who_agreed(channel, recap, bob):
    say_of(recap)
    say_of(recap, bob)
    assert positions(channel, recap) == [0, 1]


def hides(viewer, channel):
    type(viewer).objects.filter(pk=viewer.pk).update(hidden_at=NOW)


def hides_here(viewer, channel):
    Profile.objects.create(channel=channel, viewer=viewer, visibility="hidden")


def withdraws(viewer, channel):
    Consent.objects.filter(viewer=viewer, kind="recap").update(withdrawn_at=NOW)


def agreed_to_other_words(viewer, channel):
    Consent.objects.filter(viewer=viewer, kind="recap").update(wording="others")


@pytest.mark.parametrize("choose", [hides, hides_here, withdraws, agreed_to_other_words])
def test_nothing_of_who_is_not_to_be_named_any_more(channel, recap, ann, bob, choose):
    Consent.objects.create(viewer=ann, kind="recap", wording=WORDING[Consent.Kind.RECAP])
    for people in ([bob], [], [ann, bob], [ann]):
        say_of(recap, *people)
    choose(bob, channel)
    assert positions(channel, recap) == [1, 3]


def test_a_recap_is_one_question(channel, recap, bob, django_assert_num_queries):
    say_of(recap, bob)
    with django_assert_num_queries(1):
        page.of_stream(channel, recap.stream)
