"""Everything about a viewer in one file, whole and for nobody else, however much it is."""

import gzip
import json
import os
import time
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.apps import apps
from django.db import connection
from django.db.models import ForeignKey

from chat import export, exportparts, packedfiles, personal
from chat.models import Message, ModerationEvent
from chat.tasks import export_account, export_unfinished, forget_exports
from chat.tests.everything import NOON, make_message, make_somebody
from chat.tests.summaries.written import agree
from streams.models import JobRun
from streams.tests.cast import make_channel
from viewers import choices
from viewers.models import Claim, Consent, Export, Summary, Viewer
from viewers.tests.cast import make_viewer

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def redis(redis_client):
    """An empty one, for the locks of jobs."""


@pytest.fixture(autouse=True)
def media(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path / "media"
    return settings.MEDIA_ROOT


@pytest.fixture
def channel():
    return make_channel()


@pytest.fixture
def ann(channel):
    return make_somebody(channel, "ann")


def asked(viewer):
    return export.ask(viewer, datetime.now(UTC))


def made(viewer):
    wanted = asked(viewer)
    export.make(wanted.pk)
    wanted.refresh_from_db()
    return wanted


def text_of(exported):
    return gzip.decompress(packedfiles.place(exported.file).read_bytes()).decode()


def parts_of(viewer):
    found = json.loads(text_of(made(viewer)))
    return {name: part["rows"] for name, part in found["parts"].items()}


# What is in it.


def test_every_table_about_a_viewer_is_in_it_or_left_out_for_a_reason():
    ours = {"streams", "viewers", "chat"}
    with_viewers = {
        model._meta.label
        for model in apps.get_models()
        if model._meta.app_label in ours
        and any(isinstance(field, ForeignKey) and field.related_model is Viewer for field in model._meta.fields)
    }
    whose = (personal.OWN, personal.KEPT_WITHOUT, personal.LOGIN)
    registered = {label for label, entry in personal.TABLES.items() if any(map(entry.fields, whose))}
    written = {part.label for part in exportparts.PARTS}
    assert with_viewers | registered <= written | exportparts.LEFT_OUT.keys()
    assert not written & exportparts.LEFT_OUT.keys()


def test_what_is_left_out_of_a_table_is_there_to_be_left_out():
    for part in exportparts.PARTS:
        assert set(part.without.split()) <= {field.name for field in part.model._meta.concrete_fields}, part.name


def test_every_part_says_what_it_is(ann):
    found = json.loads(text_of(made(ann)))
    assert found["about"]["twitch_id"] == ann.pk
    assert all(part["about"] for part in found["parts"].values())
    assert list(found["parts"]) == [part.name for part in exportparts.PARTS]


def test_every_part_has_what_there_is(ann):
    assert [name for name, rows in parts_of(ann).items() if not rows] == []


def test_what_was_written_is_in_it_word_for_word(channel, ann):
    make_message(channel, ann.pk, 'naïve "quotes" \\ 日本 🎉\nline', NOON + timedelta(seconds=1))
    assert [row["text"] for row in parts_of(ann)["messages"]] == [
        "ann says hello",
        'naïve "quotes" \\ 日本 🎉\nline',
    ]


def test_rows_say_their_channel_by_name(channel, ann):
    assert parts_of(ann)["days"] == [
        {
            "messages": 1,
            "emotes": 0,
            "bits": 0,
            "subs": 0,
            "gifts": 0,
            "watch_seconds": 0,
            "points": 0,
            "channel": "lantern",
            "day": "2026-05-01",
        }
    ]


def test_of_all_channels(ann):
    elsewhere = make_channel("another")
    make_message(elsewhere, ann.pk, "over here")
    assert {row["channel"] for row in parts_of(ann)["messages"]} == {"lantern", "another"}


def test_nothing_of_anybody_else_is_in_it(channel, ann):
    make_somebody(channel, "bob")
    assert "bob" not in text_of(made(ann))


# What recaps say of somebody, and of others with them.


@pytest.fixture
def bob(channel):
    viewer = make_viewer(channel, "bob")
    agree(viewer, "recap")
    return viewer


def say_of_both(ann, bob, **fields):
    Summary.objects.filter(viewer=None).update(**fields)
    claim = Claim.objects.create(summary=Summary.objects.get(viewer=None), position=2, part="moment", text="Both won.")
    claim.people.set([ann, bob])


def said_in_recaps(ann):
    return [row["text"] for row in parts_of(ann)["recap_claims"]]


def test_what_a_recap_says_of_two_is_in_it(ann, bob):
    say_of_both(ann, bob)
    assert said_in_recaps(ann) == ["ann said hello.", "Both won."]


def hides(bob):
    choices.hide(bob)


def withdraws(bob):
    Consent.objects.filter(viewer=bob).update(withdrawn_at=NOON)


@pytest.mark.parametrize("choose", [hides, withdraws])
def test_what_a_recap_says_of_somebody_else_who_minds_is_not_in_it(ann, bob, choose):
    say_of_both(ann, bob)
    choose(bob)
    assert said_in_recaps(ann) == ["ann said hello."]


def test_what_a_recap_says_is_in_it_though_they_hid_themselves(ann):
    choices.hide(ann)
    assert said_in_recaps(ann) == ["ann said hello."]


@pytest.mark.parametrize("state", ["review", "hidden"])
def test_a_recap_that_nobody_else_may_read_is_not_in_it(ann, bob, state):
    say_of_both(ann, bob, state=state)
    assert said_in_recaps(ann) == []


def test_what_summaries_of_others_rest_on_is_not_in_it(ann, bob):
    Claim.objects.get(summary__viewer=ann).people.add(bob)
    assert said_in_recaps(bob) == []


def test_who_moderated_is_not_in_it(ann):
    assert "a-moderator" not in text_of(made(ann))


def test_tokens_are_not_in_it(ann):
    assert "sealed" not in text_of(made(ann))


def test_a_deed_that_met_a_message_of_another_with_the_same_name_is_not_in_it(channel, ann):
    message = make_message(channel, "somebody-else", "before ann had the name")
    ModerationEvent.objects.create(
        channel=channel, kind="delete", occurred_at=NOON, target_login="ann", message_id=message.pk
    )
    assert sorted(row["kind"] for row in parts_of(ann)["moderation"]) == ["ban", "delete"]


def test_a_viewer_who_never_did_anything_has_an_export(channel):
    somebody = Viewer.objects.create(pk="9", login="nobody", display_name="", named_at=NOON)
    assert [name for name, rows in parts_of(somebody).items() if rows] == ["account", "exports"]


# However much it is.


def write_much(channel, viewer, number):
    Message.objects.bulk_create(
        Message(id=f"much-{n}", channel=channel, viewer=viewer, sent_at=NOON + timedelta(seconds=n), text=f"word {n}")
        for n in range(number)
    )


def test_rows_wait_in_the_database_until_they_are_written(channel, ann):
    """Whoever has a thousand times as many needs no more memory here."""
    write_much(channel, ann, 3 * packedfiles.AT_ONCE)
    messages = next(part for part in exportparts.PARTS if part.name == "messages")
    rows = messages.rows(exportparts.subject_of(ann.pk))
    next(rows)
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_cursors WHERE statement LIKE '%%chat_message%%'")
        assert len(cursor.fetchall()) == 1
    assert len(list(rows)) == 3 * packedfiles.AT_ONCE


def test_memory_does_not_grow_with_what_was_written(channel, ann, monkeypatch):
    monkeypatch.setattr(packedfiles, "AT_ONCE", 100)

    def peak():
        Export.objects.all().delete()
        wanted = asked(ann)
        tracemalloc.start()
        try:
            export.make(wanted.pk)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    write_much(channel, ann, 500)
    few = peak()
    Message.objects.all().delete()
    write_much(channel, ann, 4000)
    many = peak()
    assert many < few * 1.7


def test_the_page_is_told_how_far_it_is(channel, ann, monkeypatch):
    monkeypatch.setattr(export, "NOTED_EVERY", 10)
    write_much(channel, ann, 100)
    told = []
    note = packedfiles.note

    def noted(one, **fields):
        told.append(fields)
        note(one, **fields)

    monkeypatch.setattr(packedfiles, "note", noted)
    made(ann)
    rows = [fields["rows"] for fields in told if "rows" in fields]
    assert rows == sorted(rows)
    assert len(rows) > 10
    assert [f["parts_done"] for f in told if "parts_done" in f] == [
        *range(1, len(exportparts.PARTS) + 1),
        len(exportparts.PARTS),
    ]


# Asking.


def test_one_is_made_at_a_time(ann):
    asked(ann)
    with pytest.raises(packedfiles.TooSoon, match="being made already"):
        asked(ann)


def test_two_who_ask_at_once_get_one(ann, monkeypatch):
    monkeypatch.setattr(export, "_last", lambda viewer: None)
    asked(ann)
    with pytest.raises(packedfiles.TooSoon, match="being made already"):
        asked(ann)


def test_another_is_made_after_an_hour(ann):
    made(ann)
    with pytest.raises(packedfiles.TooSoon, match="less than an hour old"):
        asked(ann)
    Export.objects.update(finished_at=datetime.now(UTC) - timedelta(hours=1, seconds=1))
    assert asked(ann)


def test_a_new_one_replaces_the_one_before(ann):
    first = made(ann)
    Export.objects.update(finished_at=datetime.now(UTC) - timedelta(days=1))
    second = made(ann)
    assert list(Export.objects.all()) == [second]
    assert not packedfiles.place(first.file).exists()


# Making.


def test_a_job_makes_it_and_names_nobody_in_its_log(ann):
    wanted = asked(ann)
    export_account.delay(wanted.pk)
    wanted.refresh_from_db()
    assert (wanted.state, wanted.parts_done, wanted.parts) == ("done", len(exportparts.PARTS), len(exportparts.PARTS))
    assert wanted.size == packedfiles.place(wanted.file).stat().st_size
    assert ann.login not in JobRun.objects.get().detail


def test_a_file_can_be_read_by_nobody_else_on_the_machine(ann, media):
    path = packedfiles.place(made(ann).file)
    assert (path.stat().st_mode & 0o077, path.parent.stat().st_mode & 0o077) == (0, 0)
    assert path.parent == media / "exports"


def test_what_goes_wrong_leaves_no_file_and_is_tried_again(ann, media, monkeypatch):
    wanted = asked(ann)
    with monkeypatch.context() as patch:
        patch.setattr(export, "_about", lambda one: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            export.make(wanted.pk)
    wanted.refresh_from_db()
    assert wanted.state == "failed"
    assert list(media.rglob("*.gz")) == []
    export_unfinished.delay()
    wanted.refresh_from_db()
    assert wanted.state == "done"


def test_one_that_is_done_is_not_made_again(ann):
    first = made(ann)
    assert export.make(first.pk) == "not wanted any more"
    assert packedfiles.place(first.file).exists()


@pytest.mark.parametrize("moment", ["_about", "subject_of"])
def test_whoever_is_erased_meanwhile_leaves_no_file(ann, media, monkeypatch, moment):
    wanted = asked(ann)
    whole = getattr(export, moment)

    def erased(one):
        found = whole(one)
        Export.objects.all().delete()
        return found

    monkeypatch.setattr(export, moment, erased)
    assert export.make(wanted.pk) == "not wanted any more"
    assert list(media.rglob("*.gz")) == []


# Forgetting.


def test_a_file_is_deleted_after_a_week(ann):
    exported = made(ann)
    path = packedfiles.place(exported.file)
    assert exported.expires_at - exported.finished_at == timedelta(days=7)
    export.forget(exported.expires_at - timedelta(seconds=1))
    assert path.exists()
    assert export.forget(exported.expires_at + timedelta(seconds=1)) == 1
    assert not path.exists()
    assert not Export.objects.exists()


def test_one_that_never_came_to_anything_is_forgotten_after_a_week(ann):
    wanted = asked(ann)
    assert export.forget(wanted.asked_at + timedelta(days=7, seconds=1)) == 1
    assert export.unfinished() == []


def test_a_file_that_nothing_names_is_deleted_when_it_is_old(ann, media):
    kept = packedfiles.place(made(ann).file)
    left, being_written = media / "exports/left.json.gz", media / "exports/new.json.gz"
    for path in (left, being_written):
        path.touch()
    days_ago = time.time() - 3 * 24 * 3600
    os.utime(left, (days_ago, days_ago))
    os.utime(kept, (days_ago, days_ago))
    forget_exports.delay()
    assert set(Path(media / "exports").iterdir()) == {kept, being_written}


def test_without_a_folder_there_is_nothing_to_forget():
    assert export.forget(datetime.now(UTC)) == 0
