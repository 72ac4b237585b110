"""A session in the admin: its evidence, and the way to put it right."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from chat import streamnumbers
from chat.tests.crowd import make_message
from streams.models import AuditEntry, Stream
from streams.tests.cast import make_channel
from viewers import presence
from viewers.models import SessionCorrection, Viewer, ViewerStream, ViewerTotal, ViewSession
from viewers.tests.accounts import make_user
from viewers.tests.presence import Evening, at

pytestmark = pytest.mark.django_db


@pytest.fixture
def evening():
    """Ann is seen from 20:05 to 20:20; a poll fails in between."""
    channel = make_channel("lantern", messages_kept_from=at(-1000))
    evening = Evening(channel)
    evening.poll(5, "ann", "bob")
    evening.poll(10, "ann", "bob")
    presence.poll_failed(evening.stream, at(12), "Twitch is away")
    evening.poll(15, "ann", "bob")
    evening.poll(20, "bob")
    evening.poll(25, "bob")
    return evening


@pytest.fixture
def session(evening):
    return ViewSession.objects.get(viewer="id-ann")


def page_of(session):
    return reverse("admin:viewers_viewsession_change", args=[session.pk])


def form_of(session):
    return reverse("admin:viewers_viewsession_correct", args=[session.pk])


def typed(session, start=5, end=20, reason="left it running", **more):
    """What somebody types: minutes of the evening, to the second."""
    times = {"started_at": f"{at(start):%Y-%m-%d %H:%M:%S}", "ended_at": f"{at(end):%Y-%m-%d %H:%M:%S}"}
    shown = f"{session.started_at.isoformat()} {session.ended_at.isoformat()}"
    return {**times, "reason": reason, "shown": shown, **more}


def confirm(client, session, *minutes, **more):
    return client.post(form_of(session), typed(session, *minutes, confirmed="yes", **more), follow=True)


def times(evening):
    return evening.sessions("ann")


# Evidence


def test_the_polls_around_it_are_shown_with_what_they_say(admin_client, session):
    page = admin_client.get(page_of(session)).content.decode()
    rows = [
        [cell.split("</td>")[0] for cell in row.split("<td>")[1:]]
        for row in page.split("Looks at who was there")[1].split("</table>")[0].split("<tr>")[1:]
    ]
    assert [(row[0][-8:], row[2]) for row in rows] == [
        ("20:05:00", "there"),
        ("20:10:00", "there"),
        ("20:12:00", "says nothing"),
        ("20:15:00", "there"),
        ("20:20:00", "no longer there"),
        ("20:25:00", "after it"),
    ]
    assert rows[2][1] == "no answer: Twitch is away"


def test_polls_before_it_are_said_to_be_before(admin_client, evening):
    evening.poll(30, "cid")
    page = admin_client.get(page_of(ViewSession.objects.get(viewer="id-cid"))).content.decode()
    assert page.count("before it") == 2


def test_only_polls_near_its_ends_are_shown(admin_client, evening, session):
    for minutes in range(30, 90, 5):
        evening.poll(minutes, "bob")
    bob = ViewSession.objects.get(viewer="id-bob")
    evening.poll(90)
    assert admin_client.get(page_of(bob)).content.decode().split("</table>")[0].count("<tr>") <= 12


def test_messages_within_it_are_counted_and_linked(admin_client, evening, session):
    ann = Viewer.objects.get(pk="id-ann")
    for minutes in (4, 5, 12, 20, 21):
        make_message(evening.channel, ann, at(minutes))
    make_message(evening.channel, ann, at(13), source_channel_id="elsewhere")
    page = admin_client.get(page_of(session)).content.decode()
    link = page.split("Messages within it")[1].split('<a href="')[1]
    address, count = link.split('"')[0].replace("&amp;", "&"), link.split(">")[1].split("<")[0]
    assert count == "3"
    assert len(admin_client.get(address).context["cl"].result_list) == 4


def test_a_session_without_polls_says_so(admin_client, session):
    session.stream.polls.all().delete()
    assert "none: nobody could be asked" in admin_client.get(page_of(session)).content.decode()


def test_the_page_leads_to_the_correction(admin_client, session):
    assert f'href="{form_of(session)}"' in admin_client.get(page_of(session)).content.decode()


def test_it_costs_few_queries(admin_client, session, django_assert_max_num_queries):
    with django_assert_max_num_queries(8):  # four of them are for the login and the user's rights
        admin_client.get(page_of(session))


# Who may


def moderator_of(channel, client):
    now = timezone.now()
    channel.moderators.create(twitch_id="22", since=now, told_at=now)
    client.force_login(make_user("22"))


def test_who_moderates_another_channel_finds_no_such_session(client, evening, session):
    moderator_of(make_channel("elsewhere"), client)
    for address in (page_of(session), form_of(session)):
        assert client.get(address).status_code == 302
    confirm(client, session, 5, 10)
    assert times(evening) == [(5, 20)]


def test_whoever_moderates_the_channel_can(client, evening, session):
    moderator_of(session.channel, client)
    confirm(client, session, 5, 10)
    assert times(evening) == [(5, 10)]


def test_a_stranger_is_asked_to_log_in(client, session):
    assert client.get(form_of(session)).status_code == 302


# What it will change


def test_the_form_shows_the_session_as_it_is(admin_client, session):
    page = admin_client.get(form_of(session)).content.decode()
    assert 'value="2026-05-01 20:05:00"' in page
    assert 'value="2026-05-01 20:20:00"' in page


def test_what_it_will_change_is_shown_and_nothing_is_done(admin_client, evening, session):
    page = admin_client.post(form_of(session), typed(session, 5, 10))
    words = page.content.decode()
    assert "Do this?" in words
    assert "15 m 0 s → 5 m 0 s" in words
    assert times(evening) == [(5, 20)]
    assert evening.watched("ann") == 15
    assert not SessionCorrection.objects.exists()


def test_what_is_shown_is_what_is_sent_on(admin_client, evening, session):
    page = admin_client.post(form_of(session), typed(session, 6, 10, reason='left "it" running'))
    form = page.content.decode().split('<form method="post"')[1]
    fields = {
        part.split('name="')[1].split('"')[0]: part.split('value="')[1].split('"')[0].replace("&quot;", '"')
        for part in form.split("<input")[1:]
        if "value=" in part and "csrf" not in part
    }
    admin_client.post(form_of(session), fields)
    assert times(evening) == [(6, 10)]
    assert SessionCorrection.objects.get().reason == 'left "it" running'


def test_once_confirmed_it_is_done(admin_client, admin_user, evening, session):
    confirm(admin_client, session, 5, 10)
    assert times(evening) == [(5, 10)]
    assert evening.watched("ann") == 5
    correction = SessionCorrection.objects.get()
    assert (correction.made_by, correction.reason, correction.session) == (admin_user, "left it running", session)


@pytest.mark.parametrize("more", [{}, {"is_absent": "on"}], ids=["shorter", "not there at all"])
def test_the_numbers_of_the_stream_follow_with_the_next_count(admin_client, evening, session, more):
    streamnumbers.count(evening.stream)
    evening.off_air(60)
    Stream.objects.update(counted_at=at(7 * 24 * 60))
    page = confirm(admin_client, session, 5, 10, **more).content.decode()
    assert "The numbers of the stream follow within minutes." in page
    assert ViewerStream.objects.get(viewer="id-ann").watch_seconds == 900
    streamnumbers.count_due(at(8 * 24 * 60))
    assert sum(ViewerStream.objects.filter(viewer="id-ann").values_list("watch_seconds", flat=True)) == (
        0 if more else 300
    )


def test_what_is_only_shown_has_no_stream_counted(admin_client, evening, session):
    Stream.objects.update(counted_at=at(60))
    page = admin_client.post(form_of(session), typed(session, 5, 10)).content.decode()
    assert "the numbers of the stream follow within minutes" in page
    assert Stream.objects.get().counted_at == at(60)


def test_a_correction_does_not_wait_for_a_count(admin_client, session, monkeypatch):
    def count(*_, **__):
        raise AssertionError("counted in the request")

    monkeypatch.setattr(streamnumbers, "count", count)
    assert "Corrected." in confirm(admin_client, session, 5, 10).content.decode()


def test_a_viewer_who_was_not_there_has_no_session_left(admin_client, evening, session):
    page = confirm(admin_client, session, is_absent="on")
    assert times(evening) == []
    assert ViewerTotal.objects.get(viewer="id-ann").watch_seconds == 0
    assert "15 m 0 s → 0 m 0 s" in page.content.decode()


def test_not_there_at_all_needs_no_times(admin_client, evening, session):
    confirm(admin_client, session, is_absent="on", started_at="", ended_at="")
    assert times(evening) == []


def test_a_correction_is_in_the_audit_log_with_what_it_was(admin_client, session):
    confirm(admin_client, session, 5, 10)
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.role) == ("session.correct", "superuser")
    assert "20:05:00 to 20:20:00" in entry.detail["before"]
    assert "20:05:00 to 20:10:00" in entry.detail["after"]
    assert entry.detail["reason"] == "left it running"
    assert (entry.viewer_id, entry.channel) == ("id-ann", session.channel)


def test_corrections_so_far_are_on_the_page(admin_client, session):
    confirm(admin_client, session, 5, 10)
    page = admin_client.get(page_of(session)).content.decode()
    assert "left it running" in page
    assert "20:05:00 to 20:20:00, 15 m 0 s" in page


# What it refuses


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"reason": " "}, "This field is required."),
        ({"started_at": ""}, "Say when, or that the viewer was not there at all."),
        ({"ended_at": "soon"}, "Enter a valid date/time."),
        ({"ended_at": "2026-05-01 20:01:00"}, "The end has to be after the start."),
        ({"started_at": "2026-05-01 19:00:00"}, "The stream was not on air for all of this time."),
        ({"ended_at": "9999-12-31 23:59:59"}, "The stream was not on air for all of this time."),
        ({"started_at": "0001-01-01 00:00:00"}, "The stream was not on air for all of this time."),
    ],
)
def test_what_cannot_be_is_refused_in_words(admin_client, evening, session, more, words):
    evening.off_air(60)
    for step in ({}, {"confirmed": "yes"}):
        page = admin_client.post(form_of(session), typed(session, **{**more, **step}))
        assert words in page.content.decode()
    assert times(evening) == [(5, 20)]


def test_time_of_another_session_is_refused(admin_client, evening, session):
    for minutes in (30, 35):
        evening.poll(minutes, "ann")
    page = admin_client.post(form_of(session), typed(session, 5, 31))
    assert "The viewer has another session in this time." in page.content.decode()


def test_a_session_that_goes_on_cannot_be_corrected(admin_client, evening):
    bob = ViewSession.objects.get(viewer="id-bob")
    page = admin_client.get(form_of(bob), follow=True).content.decode()
    assert "still goes on" in page
    assert form_of(bob) not in admin_client.get(page_of(bob)).content.decode()


def test_a_session_that_is_gone_says_so(admin_client, session):
    session.delete()
    assert (
        "is not there any more"
        in admin_client.get("/admin/viewers/viewsession/999/correct/", follow=True).content.decode()
    )


def test_a_session_that_changed_meanwhile_is_not_corrected_by_what_was_seen_before(admin_client, evening, session):
    before = typed(session, 5, 10, confirmed="yes")
    ViewSession.objects.filter(pk=session.pk).update(ended_at=at(19))
    page = admin_client.post(form_of(session), before, follow=True).content.decode()
    assert "was changed meanwhile" in page
    assert times(evening) == [(5, 19)]


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>'])
def test_hostile_texts_are_escaped(admin_client, evening, session, text):
    Viewer.objects.filter(pk="id-ann").update(display_name=text)
    presence.poll_failed(evening.stream, at(13), text)
    preview = admin_client.post(form_of(session), typed(session, 5, 10, reason=text)).content.decode()
    done = confirm(admin_client, session, 5, 10, reason=text).content.decode()
    for page in (preview, done, admin_client.get(page_of(session)).content.decode()):
        assert "<script>alert" not in page
        assert "<img src=x" not in page


def test_sessions_of_a_stream_are_listed(admin_client, evening, session):
    other = Stream.objects.create(
        id="s2", channel=evening.channel, started_at=at(-500), ended_at=at(-400), presence_at=at(-400)
    )
    ViewSession.objects.create(
        channel=evening.channel, stream=other, viewer_id="id-ann", source="spoke",
        started_at=at(-500), ended_at=at(-500) + timedelta(minutes=1),
    )  # fmt: skip
    page = admin_client.get("/admin/viewers/viewsession/", {"stream__exact": "s2", "channel": evening.channel.pk})
    assert [row.stream_id for row in page.context["cl"].result_list] == ["s2"]
