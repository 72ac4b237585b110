"""Exports of others name whoever is erased: they are withdrawn, and made anew for who asks for them."""

import gzip
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from redis import Redis

from chat import erasure, export, exportparts, packedfiles
from chat.tests.everything import make_user
from chat.tests.wholesite import LOGIN, PERSON, WholeSite, found_anywhere
from viewers import choices
from viewers.models import Export, Viewer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def site(redis_client: Redis, tmp_path: Path, settings: Any) -> WholeSite:
    settings.MEDIA_ROOT = tmp_path / "media"
    return WholeSite()


def erased(site: WholeSite) -> None:
    assert erasure.erase(choices.ask_to_erase(site.person))


def viewer(login: str) -> Viewer:
    return Viewer.objects.get(login=login)


def asked(login: str) -> Export:
    """An export that waits for its turn."""
    packedfiles.discard(Export.objects.filter(viewer__login=login))
    return export.ask(viewer(login), datetime.now(UTC))


def text_of(wanted: Export) -> str:
    wanted.refresh_from_db()
    return gzip.decompress(packedfiles.place(wanted.file).read_bytes()).decode()


def files() -> list[Path]:
    return list(packedfiles.place(export.FOLDER).iterdir())


def is_cleaned(words: str) -> bool:
    """Whether these words of an erasure's progress come after all texts of others."""
    return words == "exports of others, which may name you"


@pytest.mark.parametrize("login", ["alice", "bob", "carol"], ids=["gave to them", "wrote of them", "was given by them"])
def test_before_an_erasure_exports_of_others_name_the_person(site, login):
    assert LOGIN in gzip.decompress(site.exports[login].read_bytes()).decode().lower()


def test_every_export_is_deleted_and_its_row_stays_to_say_so(site):
    erased(site)
    assert files() == []
    assert set(Export.objects.values_list("viewer__login", flat=True)) == set(site.exports) - {LOGIN}
    assert not Export.objects.filter(withdrawn_at=None).exists()
    assert set(Export.objects.values_list("state", "file")) == {("done", "")}


def test_who_had_one_asks_again_at_once_and_nobody_is_named(site):
    erased(site)
    again = export.ask(viewer("alice"), datetime.now(UTC))
    export.make(again.pk)
    said = text_of(again).lower()
    assert "subgift" in said
    assert (LOGIN in said, PERSON in said) == (False, False)
    assert list(Export.objects.filter(viewer__login="alice")) == [again]


def test_one_that_is_written_meanwhile_begins_again(site, redis_client, monkeypatch):
    wanted = asked("alice")
    whole = export._write_rows
    written: list[Any] = []

    def erasing(*arguments: Any) -> int:
        if len(written) == len(exportparts.PARTS) - 1:
            erased(site)
        written.append(arguments)
        return whole(*arguments)

    monkeypatch.setattr(export, "_write_rows", erasing)
    export.make(wanted.pk)
    assert len(written) == 2 * len(exportparts.PARTS)
    assert "subgift" in text_of(wanted)
    assert found_anywhere(redis_client) == []
    assert files() == [packedfiles.place(wanted.file)]


def test_one_that_is_asked_for_meanwhile_and_written_before_the_texts_are_clean_is_withdrawn(site, redis_client):
    wanted = asked("alice")

    def write(_done: int, _steps: int, words: str) -> None:
        if is_cleaned(words):
            return
        export.make(wanted.pk)

    assert erasure.erase(choices.ask_to_erase(site.person), write)
    wanted.refresh_from_db()
    assert wanted.withdrawn_at
    assert found_anywhere(redis_client) == []


def test_one_that_waits_for_its_turn_is_made(site):
    wanted = asked("alice")
    erased(site)
    export.make(wanted.pk)
    assert LOGIN not in text_of(wanted).lower()
    assert wanted.withdrawn_at is None


def test_the_file_of_one_whose_worker_was_killed_goes_too(site):
    site.exports["bob"].write_bytes(b"written half")
    Export.objects.filter(viewer=site.bob).update(state="running", finished_at=None)
    erased(site)
    assert files() == []
    left = Export.objects.get(viewer=site.bob)
    assert (left.state, left.file, left.withdrawn_at) == ("waiting", "", None)
    export.make(left.pk)
    assert LOGIN not in text_of(left).lower()


class PowerCutError(BaseException):
    """No error that anybody could handle."""


@pytest.mark.parametrize("statement", [1, 2, 3])
def test_killed_while_it_withdraws_it_does_that_again(site, redis_client, statement):
    asked_for = choices.ask_to_erase(site.person)
    is_there: list[int] = []
    left = list(range(statement))

    def execute(execute, *arguments):
        if is_there and left and left.pop() == 0:
            raise PowerCutError
        return execute(*arguments)

    with connection.execute_wrapper(execute), pytest.raises(PowerCutError):
        erasure.erase(asked_for, lambda _done, _steps, words: is_there.append(1) if is_cleaned(words) else None)
    asked_for.refresh_from_db()
    assert asked_for.step == "copies 0"
    assert erasure.erase(asked_for)
    assert found_anywhere(redis_client) == []
    assert files() == []
    assert set(Export.objects.values_list("file", flat=True)) == {""}


def test_withdrawing_takes_as_many_statements_for_many_as_for_one(site, django_assert_num_queries):
    for some in (Export.objects.filter(viewer=site.bob), Export.objects.all()):
        Export.objects.update(withdrawn_at=None)
        some.update(state="done", file="exports/gone.json.gz")
        with django_assert_num_queries(3):
            export.withdraw_all(datetime.now(UTC))


# What its owner is told


def as_bob(site: WholeSite) -> Client:
    client = Client()
    client.force_login(make_user(site.bob.pk), "viewers.login.TwitchLogin")
    return client


def test_its_owner_is_told_why_and_another_is_made_at_once(site):
    withdrawn, client = Export.objects.get(viewer=site.bob), as_bob(site)
    export.withdraw_all(datetime.now(UTC))
    page = client.get("/account/export/").content.decode()
    assert "Your export was withdrawn" in page
    assert "somebody else was erased from this site" in page
    assert "Make another one" in page
    assert "Fetch it" not in page
    assert client.get(f"/account/export/{withdrawn.pk}/").status_code == 404
    assert "was withdrawn" in client.get("/account/").content.decode()
    client.post("/account/export/")
    assert "Fetch it" in client.get("/account/export/").content.decode()


def test_one_that_is_just_being_withdrawn_cannot_be_fetched(site):
    Export.objects.update(withdrawn_at=datetime.now(UTC))
    exported, client = Export.objects.get(viewer=site.bob), as_bob(site)
    assert packedfiles.place(exported.file).exists()
    assert client.get(f"/account/export/{exported.pk}/").status_code == 404
