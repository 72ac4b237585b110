"""Accounts of one person: linked by somebody with a reason, in no chains, and undone without a loss."""

import pytest
from django.core.exceptions import PermissionDenied

from chat.tests.viewerfile.people import make_moderator
from chat.viewerfile import links
from chat.viewerfile.deeds import File, NotDone
from streams.models import AuditEntry
from viewers.models import AccountLink, ViewerTotal
from viewers.tests.cast import make_viewer

pytestmark = pytest.mark.django_db


@pytest.fixture
def cid(channel):
    return make_viewer(channel, "cid")


def shown_with(channel, viewer):
    return [each.login for each in links.people(viewer, links.of(channel, viewer))]


def test_the_file_of_the_main_account_shows_both(file, bob, mod):
    before = list(ViewerTotal.objects.values_list())
    links.link(file, bob, "Said so in chat.", mod)
    assert shown_with(file.channel, bob) == ["bob", "ann"]
    assert shown_with(file.channel, file.viewer) == ["ann"]
    assert list(ViewerTotal.objects.values_list()) == before


def test_undone_both_stand_alone_and_the_history_stays(file, bob, mod, other):
    made = links.link(file, bob, "Said so in chat.", mod)
    links.undo(File(file.channel, bob), made.pk, other)
    assert shown_with(file.channel, bob) == ["bob"]
    (link,) = links.of(file.channel, bob)
    assert (link.linked_by, link.unlinked_by, link.reason) == (mod, other, "Said so in chat.")
    links.link(file, bob, "They said it again.", mod)
    assert len(links.of(file.channel, file.viewer)) == 2
    assert list(AuditEntry.objects.order_by("pk").values_list("action", "viewer_id")) == [
        (deed, file.viewer.pk) for deed in ("account.link", "account.unlink", "account.link")
    ]


def test_undone_twice_it_says_so(file, bob, mod):
    made = links.link(file, bob, "x", mod)
    links.undo(file, made.pk, mod)
    with pytest.raises(NotDone, match="undone already"):
        links.undo(file, made.pk, mod)


def test_there_are_no_chains(channel, file, bob, cid, mod):
    links.link(file, bob, "x", mod)
    for viewer, main, words in (
        (file.viewer, cid, "ann is linked to bob already"),
        (bob, cid, "Link cid to bob instead"),
        (cid, file.viewer, "Link this account to bob instead"),
    ):
        with pytest.raises(NotDone, match=words):
            links.link(File(channel, viewer), main, "x", mod)
    links.link(File(channel, cid), bob, "x", mod)
    assert shown_with(channel, bob) == ["bob", "cid", "ann"]


def test_what_cannot_be_is_refused_in_words(file, bob, cid, mod, monkeypatch):
    for main, reason, words in (
        (file.viewer, "x", "the account itself"),
        (bob, " ", "Say how you know"),
        (bob, "x" * 1001, "1,001 characters"),
    ):
        with pytest.raises(NotDone, match=words):
            links.link(file, main, reason, mod)
    monkeypatch.setattr(links, "MOST", 1)
    links.link(file, bob, "x", mod)
    with pytest.raises(NotDone, match="Undo one of these first"):
        links.link(File(file.channel, cid), bob, "x", mod)


def test_a_link_holds_in_its_channel_alone(file, bob, elsewhere, mod):
    made = links.link(file, bob, "x", mod)
    both = make_moderator("both", file.channel, elsewhere)
    assert shown_with(elsewhere, bob) == ["bob"]
    with pytest.raises(AccountLink.DoesNotExist):
        links.undo(File(elsewhere, bob), made.pk, both)
    links.link(File(elsewhere, file.viewer), bob, "here, too", both)


def test_only_who_moderates_the_channel_links(file, bob, elsewhere, mod):
    made = links.link(file, bob, "x", mod)
    stranger = make_moderator("stranger", elsewhere)
    for deed in (lambda: links.link(file, bob, "x", stranger), lambda: links.undo(file, made.pk, stranger)):
        with pytest.raises(PermissionDenied):
            deed()
