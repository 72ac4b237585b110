"""Files of lists are whole, safe to open, for who asked for them alone, and gone when somebody in them is."""

import csv
import gzip
import html
import io
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.urls import reverse

from chat import erasure, listfiles, packedfiles, search, searchadmin
from chat.models import Message, ModerationEvent
from chat.packedfiles import place
from chat.tests.everything import make_user
from chat.tests.wholesite import LOGIN, PERSON, WholeSite
from streams.models import AuditEntry, Channel, ChannelModerator, Stream
from streams.tests.cast import make_channel
from streamstats.lib.spreadsheet import cell
from viewers import choices
from viewers.models import ListFile, Progress, Viewer, ViewerName
from viewers.tests.cast import make_viewer

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def media(tmp_path: Path, settings: Any) -> Path:
    settings.MEDIA_ROOT = tmp_path / "media"
    return tmp_path / "media"


@pytest.fixture
def channel(db: None) -> Channel:
    channel = make_channel("lantern")
    for login, text in (("ann", '=HYPERLINK("http://x")'), ("流れ者", "hello there"), ("ann", "-1 for that")):
        viewer = channel_viewer(channel, login)
        number = Message.objects.count()
        Message.objects.create(
            id=f"m{number}", channel=channel, viewer=viewer, sent_at=NOON + timedelta(hours=number), text=text
        )
    ModerationEvent.objects.create(channel=channel, kind="ban", occurred_at=NOON, target_login="ann", reason="+rude")
    return channel


def channel_viewer(channel: Channel, login: str) -> Any:
    return Viewer.objects.filter(login=login).first() or make_viewer(channel, login)


@pytest.fixture
def moderator(channel: Channel) -> User:
    return moderator_of(channel, "777")


def moderator_of(channel: Channel, twitch_id: str) -> User:
    ChannelModerator.objects.create(channel=channel, twitch_id=twitch_id, since=NOON, told_at=NOON)
    return make_user(twitch_id)


def made(by: User, channel: Channel, what: str, written_as: str = "csv", **query: Any) -> ListFile:
    file = listfiles.ask(by, channel, what, query, written_as)
    listfiles.make(file.pk)
    file.refresh_from_db()
    return file


def text_of(file: ListFile) -> str:
    return gzip.decompress(place(file.file).read_bytes()).decode()


def table_of(file: ListFile) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text_of(file).removeprefix("\ufeff"), newline="")))


def lines_of(file: ListFile) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text_of(file).splitlines()]


def test_each_list_is_written_whole_in_both_formats(channel, moderator, django_assert_max_num_queries):
    for what, rows in (("viewers", 2), ("messages", 3), ("deeds", 1), ("sessions", 0)):
        ListFile.objects.all().delete()
        as_csv, as_lines = made(moderator, channel, what), made(moderator, channel, what, "jsonl")
        assert (as_csv.state, as_csv.rows, as_lines.rows) == (Progress.DONE, rows, rows), what
        assert [list(row) for row in table_of(as_csv)] == [list(row) for row in lines_of(as_lines)], what
        assert as_csv.size == place(as_csv.file).stat().st_size
    assert oct(place(as_csv.file).stat().st_mode)[-3:] == "600"


def test_a_spreadsheet_reads_every_alphabet_and_runs_nothing(channel, moderator):
    file = made(moderator, channel, "messages")
    assert text_of(file).startswith("\ufeff")
    assert {row["text"] for row in table_of(file)} == {'\'=HYPERLINK("http://x")', "hello there", "'-1 for that"}
    assert "流れ者" in {row["login"] for row in table_of(file)}
    assert {row["text"] for row in lines_of(made(moderator, channel, "messages", "jsonl"))} >= {"-1 for that"}


FORMULAS = {
    **{text: f"'{text}" for text in ("=1", "+1", "-1", "@A", "  =1", "\uff1d1", "\u00a0@x", "\tx", "\rx", "\nx")},
    " \tx": "' \tx",
    "\t=1": "'\t'=1",
    "\r=1": "'\r'=1",
    "\n=1": "'\n'=1",
    "lol;=cmd|x!A1": "lol;'=cmd|x!A1",
    "a; +1;\u00a0-1;@b": "a;' +1;'\u00a0-1;'@b",
    'a;"=cmd"': 'a;\'"=cmd"',
    'a;""=cmd': 'a;\'""=cmd',
    "a\t=1": "a\t'=1",
    "a\r\n=1\n@b": "a\r\n'=1\n'@b",
    "a;;\uff1d1": "a;;'\uff1d1",
}


def test_formulas_become_texts_wherever_a_cell_may_begin():
    assert {text: cell(text) for text in FORMULAS} == FORMULAS


def test_what_is_no_formula_stays():
    told = [None, True, False, -5, NOON, NOON.date(), "a=1", "", "流", "nul\x00", "a; b", "a, =b", "a-1\nb", '"x"']
    expected = ["", "yes", "no", "-5", "2026-05-01 12:00:00", "2026-05-01", *("a=1", "", "流", "nul"), *told[-4:]]
    assert [cell(value) for value in told] == expected


def test_messages_are_those_that_were_searched_for(channel, moderator):
    def texts(**query: Any) -> list[str]:
        ListFile.objects.all().delete()
        return [row["text"] for row in lines_of(made(moderator, channel, "messages", "jsonl", **query))]

    assert texts(words="hello") == ["hello there"]
    assert texts(author="@Ann") == ["-1 for that", '=HYPERLINK("http://x")']
    assert texts(author="nobody") == []
    ann, drifter = (Viewer.objects.get(login=login).pk for login in ("ann", "流れ者"))
    assert texts(viewer=[drifter]) == ["hello there"]
    assert len(texts(viewer=[drifter, ann])) == 3
    assert texts(viewer=[ann], author="流れ者") == ["hello there"]
    assert texts(since="2026-05-02") == []
    assert len(texts(since="2026-05-01", until="2026-05-01")) == 3
    assert texts(removed=True) == []


def test_messages_of_a_stream_are_those_of_its_time_and_of_one_that_is_gone_there_are_none(channel, moderator):
    times = {"started_at": NOON + timedelta(minutes=30), "ended_at": NOON + timedelta(minutes=90)}
    stream = Stream.objects.create(id="41", channel=channel, **times)
    file = made(moderator, channel, "messages", "jsonl", stream="41")
    assert [row["text"] for row in lines_of(file)] == ["hello there"]
    stream.delete()
    ListFile.objects.all().delete()
    file = made(moderator, channel, "messages", "jsonl", stream="41")
    assert (file.state, file.rows, file.expected) == (Progress.DONE, 0, 0)


def test_a_file_of_a_stream_that_the_channel_does_not_have_is_refused(channel, moderator, client, monkeypatch):
    monkeypatch.setattr("chat.tasks.write_list.delay", lambda _: None)
    other = make_channel("other")
    for pk, of in (("41", other), ("42", channel)):
        Stream.objects.create(id=pk, channel=of, started_at=NOON)
    client.force_login(moderator)

    def ask(stream: str, what: str = "messages") -> str:
        given = {"channel": channel.pk, "what": what, "format": "csv", "stream": stream}
        return str(client.post(reverse("admin:viewers_listfile_add"), given, follow=True).content)

    for stream in ("41", "43"):
        assert "This channel has no stream with this id" in ask(stream), stream
    assert not ListFile.objects.exists()
    ask("42")
    assert ListFile.objects.get().query == {"stream": "42"}
    ListFile.objects.all().delete()
    ask("43", "viewers")
    assert ListFile.objects.get().query == {}


def test_an_author_is_found_by_a_name_that_was_only_displayed(channel, moderator):
    Viewer.objects.filter(login="流れ者").update(login="drifter", display_name="流れ者")
    named = {"login": "drifter", "display_name": "流れ者", "first_seen_at": NOON, "last_seen_at": NOON}
    ViewerName.objects.create(viewer=Viewer.objects.get(login="drifter"), **named)
    file = made(moderator, channel, "messages", "jsonl", author="流れ者")
    assert [row["text"] for row in lines_of(file)] == ["hello there"]


def test_what_is_searched_for_becomes_that_file(channel, moderator, client, monkeypatch):
    """The search of some viewers' messages leads to a file of just these."""
    monkeypatch.setattr("chat.tasks.write_list.delay", lambda _: None)
    client.force_login(moderator)
    ann, drifter = (Viewer.objects.get(login=login) for login in ("ann", "流れ者"))
    page = client.get(searchadmin.search_address(channel, [ann, drifter], words="hello")).content.decode()
    (link,) = re.findall(r'href="([^"]*listfile/add[^"]*)"', page)
    form = client.get(html.unescape(link)).context["form"]
    given = {name: form[name].value() or "" for name in form.fields}
    client.post(reverse("admin:viewers_listfile_add"), {**given, "format": "jsonl"})
    file = ListFile.objects.get()
    assert file.query == {"words": "hello", "viewer": sorted([ann.pk, drifter.pk])}
    listfiles.make(file.pk)
    file.refresh_from_db()
    assert [row["text"] for row in lines_of(file)] == ["hello there"]


def test_every_page_of_a_search_is_in_it(channel, moderator, monkeypatch):
    monkeypatch.setattr(packedfiles, "AT_ONCE", 1)
    assert made(moderator, channel, "messages").rows == 3


def test_one_at_a_time_and_some_a_day(channel, moderator, monkeypatch):
    listfiles.ask(moderator, channel, "viewers", {}, "csv")
    with pytest.raises(packedfiles.TooSoon, match="being made"):
        listfiles.ask(moderator, channel, "viewers", {}, "csv")
    monkeypatch.setattr(listfiles, "MOST_A_DAY", 1)
    with pytest.raises(packedfiles.TooSoon, match="tomorrow"):
        listfiles.ask(moderator, channel, "viewers", {}, "csv")
    assert list(AuditEntry.objects.values_list("action", "by", "detail__list")) == [
        ("listfile.ask", moderator.pk, "viewers")
    ]


def test_who_deletes_a_file_may_not_ask_for_one_more_that_day(channel, moderator, monkeypatch):
    monkeypatch.setattr(listfiles, "MOST_A_DAY", 3)
    for _ in range(3):
        made(moderator, channel, "viewers")
        packedfiles.discard(ListFile.objects.all())
    with pytest.raises(packedfiles.TooSoon, match="tomorrow"):
        listfiles.ask(moderator, channel, "viewers", {}, "csv")
    listfiles.ask(moderator_of(channel, "33"), channel, "viewers", {}, "csv")


def test_only_who_moderates_asks_and_fetches(channel, moderator):
    file = made(moderator, channel, "viewers")
    other = moderator_of(channel, "778")
    stranger = moderator_of(make_channel("elsewhere"), "779")
    with pytest.raises(PermissionDenied):
        listfiles.ask(stranger, channel, "viewers", {}, "csv")
    assert [listfiles.may_fetch(file, who) for who in (moderator, other, stranger)] == [True, False, False]
    ChannelModerator.objects.filter(twitch_id="777").delete()
    assert not listfiles.may_fetch(file, User.objects.get(pk=moderator.pk))


def test_one_that_is_killed_or_failed_is_made_again(channel, moderator, monkeypatch, media):
    file = listfiles.ask(moderator, channel, "messages", {}, "csv")
    with monkeypatch.context() as patch:
        patch.setattr(search, "find", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            listfiles.make(file.pk)
    file.refresh_from_db()
    assert (file.state, file.file, listfiles.unfinished()) == (Progress.FAILED, "", [file.pk])
    assert list((media / "lists").iterdir()) == []
    ListFile.objects.update(state=Progress.RUNNING, file="lists/half.gz")
    (media / "lists" / "half.gz").write_bytes(b"half")
    listfiles.make(file.pk)
    file.refresh_from_db()
    assert (file.state, file.rows) == (Progress.DONE, 3)
    assert [path.name for path in (media / "lists").iterdir()] == [Path(file.file).name]


def test_one_that_fails_again_and_again_is_given_up_and_bars_nobody(channel, moderator, monkeypatch, media, client):
    file = listfiles.ask(moderator, channel, "messages", {}, "csv")
    with monkeypatch.context() as patch:
        patch.setattr(search, "find", lambda *_, **__: 1 / 0)
        for left in (1, 1, 0):
            with pytest.raises(ZeroDivisionError):
                listfiles.make(file.pk)
            assert len(listfiles.unfinished()) == left
    assert listfiles.make(file.pk) == "not wanted any more"
    client.force_login(moderator)
    page = client.get(reverse("admin:viewers_listfile_change", args=[file.pk])).content.decode()
    assert "given up. Ask for another one" in page
    assert 'http-equiv="refresh"' not in page
    assert made(moderator, channel, "messages").rows == 3


def test_one_that_kills_its_worker_is_given_up_too(channel, moderator, media):
    file = listfiles.ask(moderator, channel, "messages", {}, "csv")
    ListFile.objects.update(state=Progress.RUNNING, tries=3, file="lists/half.gz")
    (media / "lists").mkdir(parents=True)
    (media / "lists" / "half.gz").write_bytes(b"half")
    assert listfiles.make(file.pk) == "given up"
    assert listfiles.unfinished() == list((media / "lists").iterdir()) == []


def test_one_that_is_withdrawn_while_it_is_written_begins_again(channel, moderator, monkeypatch, media):
    file = listfiles.ask(moderator, channel, "messages", {}, "csv")
    find = search.find
    calls: list[Any] = []

    def meanwhile(*args: Any, **more: Any) -> Any:
        if not calls:
            listfiles.withdraw(ListFile.objects.all(), datetime.now(UTC))
        calls.append(args)
        return find(*args, **more)

    monkeypatch.setattr(search, "find", meanwhile)
    listfiles.make(file.pk)
    file.refresh_from_db()
    assert (len(calls), file.state, file.withdrawn_at) == (2, Progress.DONE, None)
    assert len(list((media / "lists").iterdir())) == 1


def test_files_are_deleted_after_a_week(channel, moderator, media):
    file = made(moderator, channel, "viewers")
    (media / "lists" / "of-nobody.gz").write_bytes(b"")
    now = datetime.now(UTC)
    assert listfiles.forget(now) == 0
    assert listfiles.forget(now + timedelta(days=8)) == 1
    assert not ListFile.objects.filter(pk=file.pk).exists()
    assert list((media / "lists").iterdir()) == []


@pytest.mark.django_db(transaction=True)
def test_whoever_is_erased_is_in_no_file(redis_client, media):
    site = WholeSite()
    ListFile.objects.all().delete()
    boss, helper = (User.objects.create_superuser(name) for name in ("boss", "helper"))
    of_all = made(boss, site.example, "viewers")
    about = made(helper, site.example, "messages", author=LOGIN)
    own = ListFile.objects.create(
        channel=site.example, asked_by=site.user, what="deeds", format="csv", state="done", file="lists/own.gz"
    )
    place(own.file).write_bytes(b"")
    assert LOGIN in text_of(of_all)
    asked = choices.ask_to_erase(site.person)
    assert erasure.erase(asked)
    of_all.refresh_from_db()
    asked.refresh_from_db()
    assert (of_all.file, bool(of_all.withdrawn_at)) == ("", True)
    assert not ListFile.objects.filter(pk__in=[about.pk, own.pk]).exists()
    assert asked.removed["viewers.ListFile"] == 2
    assert list((media / "lists").iterdir()) == []
    assert PERSON not in str(list(ListFile.objects.values()))
