"""Notes: nobody's words get lost, and only who moderates the channel writes and reads them."""

import pytest
from django.core.exceptions import PermissionDenied

from chat.tests.viewerfile.people import again, make_moderator
from chat.viewerfile import notes
from chat.viewerfile.deeds import File, NotDone
from streams.models import AuditEntry, ChannelModerator
from viewers.marks import mark_of
from viewers.models import Erasure, Note, NoteVersion

pytestmark = pytest.mark.django_db


def texts(note):
    return list(note.versions.order_by("number").values_list("number", "text", "author__username"))


def entries():
    return list(AuditEntry.objects.order_by("pk").values_list("action", "role", "viewer_id"))


def test_a_note_has_its_words_and_who_wrote_them(file, mod):
    note = notes.write(file, "  Knows the <b>owner</b>.\r\nBe kind. \n", mod)
    assert texts(note) == [(1, "Knows the <b>owner</b>.\nBe kind.", "mod")]
    assert (note.channel, note.viewer) == (file.channel, file.viewer)


def test_an_edit_is_another_version(file, mod, other):
    note = notes.write(file, "first", mod)
    notes.rewrite(file, note.pk, "second", other, based_on=1)
    assert texts(note) == [(1, "first", "mod"), (2, "second", "other")]


def test_an_edit_that_says_the_same_is_none(file, mod, other):
    note = notes.write(file, "first", mod)
    assert notes.rewrite(file, note.pk, "first ", other, based_on=1) is None
    assert len(texts(note)) == 1
    assert len(entries()) == 1


def test_of_two_who_edit_at_once_the_second_is_told_what_it_says_now(file, mod, other):
    note = notes.write(file, "first", mod)
    notes.rewrite(file, note.pk, "second", mod, based_on=1)
    with pytest.raises(notes.Changed, match="changed this note while you were writing") as told:
        notes.rewrite(file, note.pk, "third", other, based_on=1)
    assert told.value.current.text == "second"
    assert len(texts(note)) == 2


def test_a_note_that_is_taken_back_keeps_its_words_and_is_not_edited(file, mod, other):
    note = notes.take_back(file, notes.write(file, "first", mod).pk, other)
    assert (note.withdrawn_by, texts(note)) == (other, [(1, "first", "mod")])
    for deed in (
        lambda: notes.rewrite(file, note.pk, "second", mod, based_on=1),
        lambda: notes.take_back(file, note.pk, mod),
    ):
        with pytest.raises(NotDone, match="taken back meanwhile"):
            deed()


def test_what_cannot_be_kept_is_refused_in_words(file, mod):
    note = notes.write(file, "first", mod)
    for text, words in (("", "is empty"), (" \n\u200b", "is empty"), ("x" * 5001, "5,001 characters")):
        with pytest.raises(NotDone, match=words):
            notes.write(file, text, mod)
        with pytest.raises(NotDone, match=words):
            notes.rewrite(file, note.pk, text, mod, based_on=1)
    assert NoteVersion.objects.count() == 1


def test_a_file_is_not_filled_without_end(file, mod, monkeypatch):
    monkeypatch.setattr(notes, "MOST", 2)
    for _ in range(2):
        notes.write(file, "again", mod)
    with pytest.raises(NotDone, match="Edit one of them instead"):
        notes.write(file, "again", mod)


def test_a_note_belongs_to_one_file(file, mod, channel, elsewhere, bob):
    note = notes.write(file, "first", mod)
    mod = make_moderator("both", channel, elsewhere)
    for wrong in (File(elsewhere, file.viewer), File(channel, bob)):
        with pytest.raises(Note.DoesNotExist):
            notes.rewrite(wrong, note.pk, "second", mod, based_on=1)
        with pytest.raises(Note.DoesNotExist):
            notes.take_back(wrong, note.pk, mod)


def test_only_who_moderates_the_channel_writes(file, mod, elsewhere):
    note = notes.write(file, "first", mod)
    ChannelModerator.objects.filter(login="mod").delete()
    for user in (make_moderator("stranger", elsewhere), again(mod)):
        with pytest.raises(PermissionDenied):
            notes.write(file, "second", user)
        with pytest.raises(PermissionDenied):
            notes.rewrite(file, note.pk, "second", user, based_on=1)
        with pytest.raises(PermissionDenied):
            notes.take_back(file, note.pk, user)
    assert texts(note) == [(1, "first", "mod")]


def test_who_is_being_erased_gets_no_more_notes(file, mod):
    note = notes.write(file, "first", mod)
    Erasure.objects.create(mark=mark_of(file.viewer.pk), receipt="r", viewer_id=file.viewer.pk)
    for deed in (
        lambda: notes.write(file, "second", mod),
        lambda: notes.rewrite(file, note.pk, "second", mod, based_on=1),
    ):
        with pytest.raises(NotDone, match="is being erased"):
            deed()


def test_every_deed_is_in_the_audit_log_without_the_words(file, mod):
    note = notes.write(file, "secret words", mod)
    notes.rewrite(file, note.pk, "other words", mod, based_on=1)
    notes.take_back(file, note.pk, mod)
    ann = file.viewer.pk
    assert entries() == [(deed, "moderator", ann) for deed in ("note.write", "note.edit", "note.withdraw")]
    assert "words" not in str(list(AuditEntry.objects.values()))
