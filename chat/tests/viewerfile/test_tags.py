"""Tags are a channel's own, each there once, however it is written."""

import pytest
from django.core.exceptions import PermissionDenied

from chat.tests.viewerfile.people import make_moderator
from chat.viewerfile import tags
from chat.viewerfile.deeds import File, NotDone
from streams.models import AuditEntry
from viewers.models import Tag, Tagging

pytestmark = pytest.mark.django_db


def on(viewer):
    return list(Tagging.objects.filter(viewer=viewer).order_by("pk").values_list("tag__name", flat=True))


def test_a_tag_is_made_by_using_it_and_there_for_others(file, bob, mod, other):
    tags.put_on(file, " watch \n out ", mod)
    tags.put_on(File(file.channel, bob), "Watch Out", other)
    assert (on(file.viewer), on(bob), Tag.objects.count()) == (["watch out"], ["watch out"], 1)


def test_put_on_twice_it_is_there_once_and_told_once(file, mod):
    assert tags.put_on(file, "regular", mod)
    assert tags.put_on(file, "regular", mod) is None
    assert on(file.viewer) == ["regular"]
    assert AuditEntry.objects.count() == 1


def test_taken_off_it_stays_for_others(file, bob, mod):
    for viewer in (file.viewer, bob):
        tags.put_on(File(file.channel, viewer), "regular", mod)
    tags.take_off(file, Tag.objects.get().pk, mod)
    assert (on(file.viewer), on(bob)) == ([], ["regular"])
    assert list(AuditEntry.objects.order_by("pk").values_list("action", flat=True)) == ["tag.add"] * 2 + ["tag.remove"]


def test_channels_share_no_tags(file, elsewhere, mod):
    tags.put_on(file, "regular", mod)
    both = make_moderator("both", file.channel, elsewhere)
    tags.put_on(File(elsewhere, file.viewer), "regular", both)
    assert Tag.objects.count() == 2
    with pytest.raises(Tag.DoesNotExist):
        tags.take_off(File(elsewhere, file.viewer), Tag.objects.get(channel=file.channel).pk, both)


def test_what_cannot_be_is_refused_in_words(file, mod, monkeypatch):
    for name, words in ((" \u200b", "write a new one"), ("x" * 41, "at most 40")):
        with pytest.raises(NotDone, match=words):
            tags.put_on(file, name, mod)
    tags.put_on(file, "regular", mod)
    monkeypatch.setattr(tags, "MOST", 1)
    with pytest.raises(NotDone, match="Lantern has 1 tags already"):
        tags.put_on(file, "another", mod)
    monkeypatch.setattr(tags, "MOST", 9)
    monkeypatch.setattr(tags, "MOST_OF_ONE", 1)
    with pytest.raises(NotDone, match="Take one off first"):
        tags.put_on(file, "another", mod)
    assert Tag.objects.count() == 1


def test_only_who_moderates_the_channel_tags(file, elsewhere, mod):
    tags.put_on(file, "regular", mod)
    stranger = make_moderator("stranger", elsewhere)
    for deed in (lambda: tags.put_on(file, "x", stranger), lambda: tags.take_off(file, Tag.objects.get().pk, stranger)):
        with pytest.raises(PermissionDenied):
            deed()
    assert on(file.viewer) == ["regular"]
