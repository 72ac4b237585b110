"""The file shows what there is, says what there is not, and is seen by who moderates the channel alone."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from chat.models import ModerationEvent
from chat.tests.crowd import make_message
from chat.tests.viewerfile.people import NOON, make_moderator
from chat.viewerfile import links, notes, tags
from chat.viewerfile.deeds import File
from streams.models import AuditEntry, ChannelModerator, Stream
from viewers.models import Consent, Note, NoteVersion, Profile, Tag, Tagging, ViewerName, ViewSession, WikiRevision
from viewers.tests.cast import make_viewer

pytestmark = pytest.mark.django_db
HOSTILE = '"><script>alert(1)</script>'


def address(viewer, channel=None, name="change", *more):
    found = reverse(f"admin:viewers_viewer_{name}", args=[viewer.pk, *more])
    return f"{found}?channel={channel.pk}" if channel else found


class Reader:
    """Somebody who looks at files."""

    def __init__(self, user):
        self.client = Client()
        self.client.force_login(user)

    def __call__(self, viewer, channel=None, status=200, **query):
        answer = self.client.get(address(viewer, channel), query or None)
        assert answer.status_code == status
        return answer.content.decode()


@pytest.fixture
def page_of(mod):
    """What a moderator sees of a file."""
    return Reader(mod)


def part(page, name):
    return page.split(f'id="{name}"')[1].split("</section>")[0]


def deed(channel, kind, minutes=0, **fields):
    return ModerationEvent.objects.create(
        channel=channel, kind=kind, occurred_at=NOON + timedelta(minutes=minutes), **fields
    )


def session(channel, viewer, hours=0):
    start = NOON + timedelta(hours=hours)
    stream, _ = Stream.objects.get_or_create(
        id=f"s-{channel.pk}-{hours}", channel=channel, started_at=start, defaults={"ended_at": start, "title": "Maps"}
    )
    return ViewSession.objects.create(
        channel=channel, viewer=viewer, stream=stream, started_at=start, ended_at=start + timedelta(minutes=5),
        source="chatters", ended_by="absent",
    )  # fmt: skip


def test_an_empty_file_says_so_in_every_part(page_of, ann):
    page = page_of(ann)
    for name, words in {
        "notes": "Nobody has written anything",
        "tags": "None yet.",
        "accounts": "None that anybody knows of",
        "page-part": "none given",
        "log": "Nothing yet",
        "deeds": "Never banned",
        "messages": "No message is kept",
        "sessions": "Never seen watching",
    }.items():
        assert words in part(page, name), name


def test_it_has_names_numbers_and_where_the_account_is_from(page_of, ann):
    ann.account_created_at = NOON
    ann.avatar_url = 'https://cdn.test/a.png?"><script>'
    ann.save()
    page = page_of(ann)
    assert 'src="https://cdn.test/a.png?&quot;&gt;&lt;script&gt;"' in page
    assert "account since 1 May 2026" in page
    head = page.split("Was also:")[1].split("</p>")[0]
    assert "damp" in head
    assert "1 Jan 2026 to 1 May 2026" in head
    assert ">1 message</data>" in page


def test_what_moderators_did_says_who_and_why_and_each_once(page_of, channel, ann, bob):
    first = deed(channel, "timeout", 1, target_id=ann.pk, target_login="damp", moderator_id=bob.pk, reason="spam",
                 duration_seconds=600)  # fmt: skip
    deed(channel, "timeout", 1, target_login="damp", told_by="channel.ban", same_as=first)
    message = make_message(channel, ann, NOON)
    deed(channel, "delete", 2, target_login="ann", message_id=message.pk)
    deed(channel, "ban", 3, target_id=bob.pk)
    theirs = part(page_of(ann), "deeds")
    assert theirs.count("</tr>") == 3
    assert theirs.index("message deleted") < theirs.index("timeout")
    assert "10 m" in theirs
    assert "<bdi>bob</bdi>" in theirs
    assert "spam" in theirs


def test_a_deleted_message_of_a_namesake_is_not_theirs(page_of, channel, ann):
    namesake = make_viewer(channel, "damp")
    deed(channel, "delete", target_login="damp", message_id=make_message(channel, namesake, NOON).pk)
    assert "message deleted" not in part(page_of(ann), "deeds")
    assert "message deleted" in part(page_of(namesake), "deeds")


def test_messages_are_found_by_words_and_lead_to_their_context(page_of, channel, ann, bob):
    message = make_message(channel, ann, NOON, text="the lantern <b>burns</b>", removed_at=NOON)
    make_message(channel, ann, NOON + timedelta(hours=1), text="good night")
    make_message(channel, bob, NOON, text="a lantern of mine")
    found = part(page_of(ann, words="lantern", channel=None), "messages")
    assert "the <mark>lantern</mark> &lt;b&gt;burns&lt;/b&gt;" in found
    assert "removed 1 May 2026" in found
    assert "good night" not in found
    assert "mine" not in found
    assert f"id={message.pk}" in found
    assert "Nothing with these words" in part(page_of(ann, words="nowhere"), "messages")


def test_sessions_lead_to_their_correction(page_of, channel, ann):
    seen = session(channel, ann)
    assert reverse("admin:viewers_viewsession_change", args=[seen.pk]) in part(page_of(ann), "sessions")


def test_the_file_of_the_main_account_has_what_both_did(page_of, channel, ann, bob, mod):
    links.link(File(channel, bob), ann, "Said so.", mod)
    notes.write(File(channel, bob), "Of the second one.", mod)
    session(channel, bob)
    deed(channel, "ban", target_id=bob.pk, target_login="bob")
    make_message(channel, bob, NOON, text="hello from the second")
    page = page_of(ann)
    for name in ("sessions", "deeds", "messages", "accounts"):
        assert "<bdi>bob</bdi>" in part(page, name), name
    assert "Of the second one." in part(page, "notes")
    assert "A second account of" in page_of(bob)
    assert ">1 message</data>" in page  # the numbers are those of the account alone


def test_decisions_and_consents_are_told_without_their_wording(page_of, channel, ann, mod):
    profile = Profile.objects.create(channel=channel, viewer=ann, visibility="removed", locked_at=NOON, locked_by=mod)
    WikiRevision.objects.create(profile=profile, number=1, text="what I am", role="moderator", author=mod)
    Consent.objects.create(viewer=ann, kind="summary", wording="these very words")
    ann.stopped_at = ann.hidden_at = NOON
    ann.save()
    page = page_of(ann)
    for words in ("Wants nothing kept", "Hidden everywhere", "Page hidden", "locked by mod", "Version 1</a> by mod"):
        assert words in page, words
    assert "a summary of what they write" in part(page, "page-part")
    assert "these very words" not in page


def test_what_was_done_about_them_is_listed(page_of, channel, ann, mod, elsewhere):
    notes.write(File(channel, ann), "x", mod)
    AuditEntry.objects.create(action="page.hide", role="moderator", channel=elsewhere, viewer_id=ann.pk)
    log = part(page_of(ann), "log")
    assert "wrote a note about</a> <bdi>ann</bdi>" in log
    assert "hid the page" not in log


def test_names_of_moderators_are_those_they_have_at_twitch(page_of, channel, ann, bob, mod):
    mod.social_auth.update(uid=bob.pk)
    ChannelModerator.objects.filter(login="mod").update(twitch_id=bob.pk)
    notes.write(File(channel, ann), "x", mod)
    assert 'class="file-by">bob,' in part(page_of(ann), "notes")


@pytest.mark.parametrize("by", ["mod", "superuser"])
def test_it_costs_few_queries_however_much_there_is(channel, ann, bob, mod, admin_user, by):
    for number in range(4):
        notes.rewrite(File(channel, ann), notes.write(File(channel, ann), "x", mod).pk, "y", mod, based_on=1)
        tags.put_on(File(channel, ann), f"tag {number}", mod)
        session(channel, ann, number)
        deed(channel, "ban", number, target_id=ann.pk)
        make_message(channel, ann, NOON)
    links.link(File(channel, bob), ann, "x", mod)
    profile = Profile.objects.create(channel=channel, viewer=ann)
    WikiRevision.objects.create(profile=profile, number=1, text="x", role="viewer")
    client = Client()
    client.force_login(mod if by == "mod" else admin_user)
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert client.get(address(ann)).status_code == 200
    login = 4 if by == "mod" else 3  # the session, the user, who they are at Twitch, and what they moderate
    assert len(captured) <= login + 16, "\n".join(query["sql"] for query in captured)


# Finding it


@pytest.fixture
def listed(page_of):
    def names(**query):
        page = page_of.client.get(reverse("admin:viewers_viewer_changelist"), query)
        return [viewer.login for viewer in page.context["cl"].result_list]

    return names


def test_a_viewer_is_found_by_any_name_they_ever_had(listed, channel, ann, bob):
    ViewerName.objects.filter(viewer=bob).update(display_name="流れ者")
    for typed in ("ann", "@ANN", "damp", "DAM"):
        assert listed(q=typed) == ["ann"], typed
    assert listed(q="流れ") == ["bob"]
    assert listed(q="nobody") == []


def test_the_list_is_that_of_the_channel_who_wrote_most_first(listed, page_of, channel, ann):
    make_viewer(channel, "cid", 9)
    assert listed() == ["cid", "ann"]
    page = page_of.client.get(reverse("admin:viewers_viewer_changelist"), {"q": "damp"}).content.decode()
    assert "damp" in page.split("field-formerly")[1].split("</td>")[0]


def test_the_list_costs_few_queries_whatever_its_length(page_of, channel, ann, bob):
    for query in ({}, {"q": "a"}):
        with CaptureQueriesContext(connection) as captured:
            page_of.client.get(reverse("admin:viewers_viewer_changelist"), query)
        assert len(captured) <= 4 + 4
        [count] = [asked["sql"] for asked in captured if "COUNT(" in asked["sql"]]
        assert "ARRAY" not in count  # names of before are read of one page alone


def test_who_was_never_seen_here_is_found_by_superusers_alone(listed, admin_client, channel, elsewhere, ann):
    make_viewer(elsewhere, "eve")
    nowhere = make_viewer(channel, "evita")
    nowhere.totals.all().delete()
    assert listed(q="ev") == []
    assert listed(q="ev", channel=elsewhere.pk) == []
    page = admin_client.get(reverse("admin:viewers_viewer_changelist"), {"q": "ev"})
    assert [viewer.login for viewer in page.context["cl"].result_list] == ["eve", "evita"]


def test_who_moderates_two_channels_searches_both(channel, elsewhere, ann):
    make_viewer(elsewhere, "anton")
    reader = Reader(make_moderator("both", channel, elsewhere))
    page = reader.client.get(reverse("admin:viewers_viewer_changelist"), {"q": "an"})
    assert [viewer.login for viewer in page.context["cl"].result_list] == ["ann", "anton"]
    page = reader.client.get(reverse("admin:viewers_viewer_changelist"), {"q": "an", "channel": elsewhere.pk})
    assert [viewer.login for viewer in page.context["cl"].result_list] == ["anton"]


# Doing things on it


def test_everything_is_done_from_the_page(page_of, channel, ann, bob):
    client = page_of.client
    client.post(address(ann, channel, "note"), {"text": "first"})
    note = Note.objects.get()
    edit = address(ann, channel, "note_edit", note.pk)
    assert "first" in client.get(edit).content.decode()
    client.post(edit, {"text": "second", "based_on": 1})
    client.post(address(ann, channel, "tag"), {"name": "regular"})
    client.post(f"{address(ann, channel, 'link')}&account=bob", {"account": bob.pk, "reason": "x", "main": "here"})
    page = page_of(ann, channel)
    assert "second" in part(page, "notes")
    assert "Said before (1)" in page
    assert "regular" in part(page, "tags")
    assert "is shown on this file" in part(page, "accounts")
    client.post(address(ann, channel, "note_withdraw", note.pk))
    client.post(address(ann, channel, "untag", Tag.objects.get().pk))
    client.post(address(ann, channel, "unlink", links.of(channel, ann)[0].pk))
    page = page_of(ann, channel)
    assert "Taken back by mod" in page
    assert "None yet." in part(page, "tags")
    assert "Undone (1)" in part(page, "accounts")
    assert AuditEntry.objects.count() == 7


def test_of_two_who_save_a_note_the_second_sees_both(page_of, channel, ann, other):
    note = notes.write(File(channel, ann), "first", other)
    notes.rewrite(File(channel, ann), note.pk, "theirs", other, based_on=1)
    edit = address(ann, channel, "note_edit", note.pk)
    page = page_of.client.post(edit, {"text": "mine", "based_on": 1}).content.decode()
    for words in ("changed this note while you were writing", "theirs", "other,", "mine", 'value="2"'):
        assert words in page, words
    assert NoteVersion.objects.count() == 2
    page_of.client.post(edit, {"text": "theirs and mine", "based_on": 2})
    assert NoteVersion.objects.latest("pk").text == "theirs and mine"


def test_a_note_that_is_too_long_is_not_lost(page_of, channel, ann):
    page = page_of.client.post(address(ann, channel, "note"), {"text": "long " * 1200}).content.decode()
    assert "5,999 characters" in page
    assert "long long long" in part(page, "notes")


def test_what_is_gone_meanwhile_is_told(page_of, channel, ann):
    for name in ("note_withdraw", "untag", "unlink"):
        answer = page_of.client.post(address(ann, channel, name, 2**70), follow=True)
        assert "not on this file any more" in answer.content.decode()


def test_names_that_passed_on_are_told_apart_before_a_link(page_of, channel, ann):
    make_viewer(channel, "damp")
    former = make_viewer(channel, "newer", formerly="damp")
    page = page_of.client.get(address(ann, None, "link"), {"account": "@Damp"}).content.decode()
    assert page.count('name="account" value="1') == 2
    assert former.pk in page
    assert "Nobody called" in page_of.client.get(address(ann, None, "link"), {"account": "x\x00"}).content.decode()


def test_hostile_words_are_escaped_everywhere(page_of, channel, ann, bob, mod):
    ann.display_name = HOSTILE
    ann.save()
    note = notes.write(File(channel, ann), HOSTILE, mod)
    tags.put_on(File(channel, ann), HOSTILE, mod)
    links.link(File(channel, bob), ann, HOSTILE, mod)
    deed(channel, "ban", target_id=ann.pk, target_login=HOSTILE, reason=HOSTILE)
    make_message(channel, ann, NOON, text=HOSTILE)
    pages = [
        page_of(ann),
        page_of(bob),
        page_of(ann, words=HOSTILE),
        page_of.client.get(address(ann, channel, "note_edit", note.pk)).content.decode(),
        page_of.client.get(f"{address(ann, channel, 'link')}&account={HOSTILE}").content.decode(),
    ]
    assert not any("<script>alert" in page for page in pages)


# Who may


def test_nobody_else_sees_or_does_anything(channel, elsewhere, ann, mod):
    note, stranger = notes.write(File(channel, ann), "x", mod), Client()
    stranger.force_login(make_moderator("stranger", elsewhere))
    deeds = [
        ("note",),
        ("note_edit", note.pk),
        ("note_withdraw", note.pk),
        ("tag",),
        ("untag", 1),
        ("link",),
        ("unlink", 1),
    ]
    for name, *more in deeds:
        for client, status in ((stranger, 404), (Client(), 302)):
            given = {"text": "y", "based_on": 1, "name": "y", "account": ann.pk, "reason": "x", "main": "here"}
            assert client.post(address(ann, channel, name, *more), given).status_code == status, name
    assert stranger.get(address(ann, channel)).status_code == 302
    assert (NoteVersion.objects.count(), Tagging.objects.count()) == (1, 0)


def test_of_a_viewer_of_both_only_the_moderated_channel_is_there(page_of, channel, elsewhere, ann, bob):
    theirs = make_viewer(elsewhere, "eve")
    ann.totals.create(channel=elsewhere, first_seen_at=NOON, last_seen_at=NOON + timedelta(days=900))
    notes.write(File(elsewhere, ann), "kitchen secret", make_moderator("cook", elsewhere))
    page = page_of(ann)
    assert "kitchen" not in page.lower()
    assert page_of(ann, channel)
    page_of(ann, elsewhere, status=404)
    page_of(theirs, status=302)


def test_get_changes_nothing(page_of, channel, ann):
    for name in ("note", "tag"):
        assert page_of.client.get(address(ann, channel, name)).status_code == 405


def test_a_form_of_another_site_does_nothing(channel, ann, mod):
    client = Client(enforce_csrf_checks=True)
    client.force_login(mod)
    assert client.post(address(ann, channel, "note"), {"text": "x"}).status_code == 403
    assert not Note.objects.exists()


def test_a_removed_moderator_is_out_with_the_next_request(page_of, channel, ann):
    page_of(ann)
    ChannelModerator.objects.all().delete()
    assert page_of.client.get(address(ann)).status_code in {302, 403}
    assert page_of.client.post(address(ann, channel, "note"), {"text": "x"}).status_code in {302, 403}
    assert not Note.objects.exists()


def test_who_was_never_seen_in_a_channel_has_no_file_but_for_superusers(page_of, admin_client, elsewhere):
    eve = make_viewer(elsewhere, "eve")
    eve.totals.all().delete()
    page_of(eve, status=302)
    assert "no file yet" in admin_client.get(address(eve)).content.decode()
