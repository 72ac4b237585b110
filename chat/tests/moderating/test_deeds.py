"""Whatever a moderator does is done by who may, holds at once, and stands in the audit log."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.urls import reverse

from chat import boards, listfiles, purge, tasks
from chat.pagedeeds import DEEDS
from chat.summaries import versions
from chat.tagnames import Taken, rename
from chat.tests.everything import make_user
from streams.models import AuditEntry, Channel, ChannelModerator, Stream
from streams.tests.cast import make_channel
from streamstats.lib.periods import ALL_TIME
from viewers import bots, choices, wiki
from viewers.models import Award, Claim, ListFile, Profile, Purge, Standing, Summary, Tag, Tagging, Viewer, ViewerTotal
from viewers.tests.cast import make_viewer
from viewers.visibility import people_in, shown_in

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis_client")]
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def channel() -> Channel:
    return make_channel("lantern", display_name="Lantern", twitch_id="500")


@pytest.fixture
def ann(channel: Channel) -> Viewer:
    return make_viewer(channel, "ann", 5)


@pytest.fixture
def bob(channel: Channel) -> Viewer:
    return make_viewer(channel, "bob", 3)


@pytest.fixture
def mod(channel: Channel) -> User:
    ChannelModerator.objects.create(channel=channel, twitch_id="777", since=NOON, told_at=NOON)
    return make_user("777")


@pytest.fixture
def owner(channel: Channel) -> User:
    return make_user("500")


@pytest.fixture
def queued(monkeypatch: Any, tmp_path: Any, settings: Any) -> list[Any]:
    """The jobs that were begun."""
    settings.MEDIA_ROOT = tmp_path
    begun: list[Any] = []
    for job in (tasks.purge_channel, tasks.write_list):
        monkeypatch.setattr(job, "delay", lambda key, job=job: begun.append((job, key)))
    return begun


def browser(user: User) -> Client:
    client = Client()
    client.force_login(user, "django.contrib.auth.backends.ModelBackend")
    return client


def entries() -> list[tuple[str, str, str]]:
    """Action, role and viewer of each entry, the oldest first."""
    return list(AuditEntry.objects.order_by("pk").values_list("action", "role", "viewer_id"))


def make_summary(channel: Channel, state: str, **of: Any) -> Summary:
    summary = Summary.objects.create(channel=channel, number=1, state=state, begun_at=NOON, made_at=NOON, **of)
    Claim.objects.create(summary=summary, position=1, part="portrait", text="Says hello.")
    return summary


def test_every_deed_has_its_entry_with_before_and_after(channel, ann, mod):
    make_summary(channel, "review", viewer=ann)
    stream = Stream.objects.create(id="s1", channel=channel, started_at=NOON)
    make_summary(channel, "shown", stream=stream)
    summary, recap = Summary.objects.select_related("channel").order_by("pk")
    tag = Tag.objects.create(channel=channel, name="regular")
    moderator = "moderator"

    def version() -> None:
        wiki.save(channel, ann, "one", mod, moderator, based_on=0)
        wiki.save(channel, ann, "two", mod, moderator, based_on=1)

    deeds = (
        (lambda: choices.remove_page(ann, channel, mod), "page.hide", ("", "removed")),
        (lambda: choices.restore_page(ann, channel, mod), "page.restore", ("removed", "")),
        (lambda: wiki.lock(channel, ann, mod), "text.lock", None),
        (lambda: wiki.unlock(channel, ann, mod), "text.unlock", None),
        (lambda: bots.say_in(channel, [ann.pk], is_bot=True, by=mod), "bot.mark", None),
        (lambda: bots.say_in(channel, [ann.pk], is_bot=False, by=mod), "bot.unmark", None),
        (version, "text.write", (1, 2)),
        (lambda: wiki.restore(channel, ann, 1, mod, moderator), "text.restore", (2, 3)),
        (lambda: wiki.withdraw(channel, ann, 2, mod, moderator), "text.withdraw", (3, 3)),
        (lambda: versions.let_through(summary, mod), "summary.let-through", ("review", "shown")),
        (lambda: versions.hide(summary, mod, moderator), "summary.hide", ("shown", "hidden")),
        (lambda: versions.restore(summary, mod, moderator), "summary.restore", ("hidden", "shown")),
        (lambda: versions.hide(recap, mod, moderator), "recap.hide", ("shown", "hidden")),
        (lambda: rename(tag, "friend", mod), "tag.rename", ("regular", "friend")),
    )
    for deed, action, change in deeds:
        deed()
        entry = AuditEntry.objects.latest("pk")
        assert (entry.action, entry.role, entry.by, entry.channel) == (action, "moderator", mod, channel)
        assert {"before", "after"} <= entry.detail.keys(), action
        assert change is None or (entry.detail["before"], entry.detail["after"]) == change, action
        assert entry.viewer_id == ("" if action.startswith(("recap", "tag")) else ann.pk), action


def test_what_changes_nothing_has_no_entry(channel, ann, mod):
    choices.restore_page(ann, channel, mod)
    wiki.unlock(channel, ann, mod)
    bots.say_in(channel, [ann.pk], is_bot=False, by=mod)
    assert entries() == []


def test_what_a_viewer_does_about_themself_has_none(channel, ann):
    wiki.save(channel, ann, "me", make_user(ann.pk), "viewer", based_on=0)
    choices.hide(ann, channel)
    assert entries() == []


def test_nobody_else_does_any_of_it(channel, ann):
    stranger = User.objects.create_user("stranger")
    tag = Tag.objects.create(channel=channel, name="regular")
    for deed in (
        lambda: choices.remove_pages(channel, [ann.pk], stranger),
        lambda: choices.restore_pages(channel, [ann.pk], stranger),
        lambda: wiki.lock_all(channel, [ann.pk], stranger),
        lambda: wiki.unlock_all(channel, [ann.pk], stranger),
        lambda: bots.say_in(channel, [ann.pk], is_bot=True, by=stranger),
        lambda: bots.say_all([ann.pk], is_bot=True, by=stranger),
        lambda: rename(tag, "other", stranger),
    ):
        with pytest.raises(PermissionDenied):
            deed()
    assert (entries(), Profile.objects.count()) == ([], 0)


def test_a_moderator_does_not_say_that_somebody_is_a_bot_everywhere(ann, mod):
    with pytest.raises(PermissionDenied):
        bots.say_all([ann.pk], is_bot=True, by=mod)
    boss = User.objects.create_superuser("boss")
    assert bots.say_all([ann.pk], is_bot=True, by=boss) == 1
    ann.refresh_from_db()
    assert (ann.is_bot, ann.bot_source, entries()) == (True, "moderator", [("bot.mark", "superuser", ann.pk)])


def test_many_pages_are_hidden_at_once(channel, ann, bob, mod, django_assert_max_num_queries):
    choices.hide(bob, channel)
    with django_assert_max_num_queries(14):
        assert choices.remove_pages(channel, [ann.pk, bob.pk, "nobody"], mod) == 2
    assert choices.remove_pages(channel, [ann.pk, bob.pk], mod) == 0
    assert choices.restore_pages(channel, [ann.pk, bob.pk], mod) == 2
    assert Profile.objects.get(viewer=bob).visibility == Profile.Visibility.HIDDEN


# A bot to a channel


def test_who_is_a_bot_to_a_channel_is_on_no_board_and_in_no_list_there(client, channel, ann, bob, mod):
    elsewhere = make_channel("elsewhere")
    for where in (channel, elsewhere):
        ViewerTotal.objects.get_or_create(
            channel=where, viewer=ann, defaults={"first_seen_at": NOON, "last_seen_at": NOON, "messages": 1}
        )
        Standing.objects.create(channel=where, viewer=ann, period="all", messages=5)
    Award.objects.create(channel=channel, viewer=ann, achievement="first-words", level=1, earned_at=NOON)
    page = f"/c/{channel.login}/viewers/ann/"
    assert "<h2" in client.get(page).content.decode()
    bots.say_in(channel, [ann.pk], is_bot=True, by=mod)

    def on_board(where: Channel) -> list[str]:
        return [line.viewer.login for line in boards.Board.of(where, "messages", ALL_TIME).page().lines]

    assert (on_board(channel), on_board(elsewhere)) == ([], ["ann"])
    listed = client.get(f"/c/{channel.login}/viewers/").content.decode()
    assert "bob" in listed
    assert page not in listed
    assert client.get(page).status_code == 200
    for is_open in (True, False):
        channel.page_policy = channel.PagePolicy.OPEN if is_open else channel.PagePolicy.OPT_IN
        Profile.objects.filter(viewer=ann).update(visibility=Profile.Visibility.SHOWN)
        people, shown = (
            Viewer.objects.filter(rule(channel, "pk"), pk=ann.pk).exists() for rule in (people_in, shown_in)
        )
        assert (people, shown) == (False, True)
    bots.say_in(channel, [ann.pk], is_bot=False, by=mod)
    assert Viewer.objects.filter(people_in(channel, "pk"), pk=ann.pk).exists()


# Tags


def test_a_tag_is_merged_only_when_that_was_said(channel, ann, bob, mod):
    regular, friend = (Tag.objects.create(channel=channel, name=name) for name in ("regular", "friend"))
    for tag, viewer in ((regular, ann), (regular, bob), (friend, bob)):
        Tagging.objects.create(tag=tag, viewer=viewer)
    with pytest.raises(Taken):
        rename(regular, "Friend", mod)
    assert Tag.objects.count() == 2
    assert rename(regular, "Friend", mod, may_merge=True) == friend
    assert set(Tagging.objects.values_list("tag__name", "viewer")) == {("friend", ann.pk), ("friend", bob.pk)}
    assert entries() == [("tag.merge", "moderator", "")]


# In the administration


def address(name: str, *args: object, channel: Channel | None = None) -> str:
    return reverse(f"admin:viewers_{name}", args=args) + (f"?channel={channel.pk}" if channel else "")


def test_each_deed_is_done_on_the_file_and_taken_back(channel, ann, mod):
    client = browser(mod)
    for name, state in (
        ("hide", {"visibility": "removed"}),
        ("restore", {"visibility": ""}),
        ("lock", {"locked_by": mod.pk}),
        ("unlock", {"locked_by": None}),
        ("bot", {"is_bot": True}),
        ("unbot", {"is_bot": False}),
    ):
        url = address(f"viewer_{name}", ann.pk, channel=channel)
        assert client.get(url).status_code == 405
        if DEEDS[name].asks_first:
            asked = client.post(url)
            assert (asked.status_code, DEEDS[name].means.split(".")[0] in asked.content.decode()) == (200, True)
        assert client.post(url, {"confirmed": "1"}).status_code == 302
        assert Profile.objects.filter(viewer=ann, **state).exists(), name
    assert len(entries()) == len(DEEDS)
    assert browser(make_user("1")).post(address("viewer_hide", ann.pk, channel=channel)).status_code in (302, 403)
    other = make_channel("other")
    assert client.post(address("viewer_hide", ann.pk, channel=other), {"confirmed": "1"}).status_code == 404
    for odd in ("9" * 5000, "9" * 19, "\u0663", "x", "-1", "\x00"):
        assert client.post(address("viewer_hide", ann.pk), {"channel": odd}).status_code == 404, odd


def test_pages_are_hidden_from_both_lists(channel, ann, bob, mod):
    client = browser(mod)
    chosen = {"action": "page_hide", "_selected_action": [ann.pk, bob.pk]}
    url = address("viewer_changelist", channel=channel)
    asked = client.post(url, chosen).content.decode()
    assert "ann" in asked
    assert "bob" in asked
    assert Profile.objects.count() == 0
    client.post(url, chosen | {"confirmed": "1"})
    assert Profile.objects.filter(visibility="removed").count() == 2
    pages = [str(pk) for pk in Profile.objects.values_list("pk", flat=True)]
    url = address("profile_changelist", channel=channel)
    told = client.post(url, {"action": "page_restore", "_selected_action": pages, "confirmed": "1"}, follow=True)
    assert "2 of 2 viewers no longer hidden" in told.content.decode()


def test_an_owner_purges_and_watches(channel, ann, bob, owner, mod, queued):
    client = browser(owner)
    assert client.get(address("purge_add")).status_code == 200
    assert "at least one" in client.post(address("purge_add"), {"channel": channel.pk}).content.decode()
    asked = client.post(address("purge_add"), {"channel": channel.pk, "fewer_messages": 4})
    made = Purge.objects.get()
    assert (asked.status_code, queued) == (302, [(tasks.purge_channel, made.pk)])
    page = address("purge_change", made.pk)
    assert "being counted" in client.get(page).content.decode()
    purge.carry_out(made.pk)
    shown = client.get(page).content.decode()
    assert "bob" in shown
    assert ">ann<" not in shown
    refused = client.post(address("purge_confirm", made.pk), {"name": "wrong"})
    assert "type lantern" in refused.content.decode()
    client.post(address("purge_confirm", made.pk), {"name": "lantern"})
    purge.carry_out(made.pk)
    assert "Done on" in client.get(page).content.decode()
    assert list(ViewerTotal.objects.values_list("viewer", flat=True)) == [ann.pk]
    assert [action for action, *_ in entries()] == ["purge.ask", "purge.confirm", "purge.done"]
    assert [role for _, role, _ in entries()] == ["owner", "owner", "command"]
    as_moderator = browser(mod)
    assert as_moderator.get(page).status_code in (302, 403)
    before = Purge.objects.count()
    as_moderator.post(address("purge_add"), {"channel": channel.pk, "fewer_messages": 4})
    assert Purge.objects.count() == before


def test_a_moderator_has_a_list_as_a_file(channel, ann, mod, queued):
    client = browser(mod)
    add = address("listfile_add")
    assert 'value="hello"' in client.get(f"{add}?what=messages&words=hello").content.decode()
    given = {"channel": channel.pk, "what": "messages", "format": "csv", "removed": "no"}
    client.post(add, given)
    assert ListFile.objects.get().query == {"removed": False}
    ListFile.objects.all().delete()
    queued.clear()
    given = {"channel": channel.pk, "what": "viewers", "format": "csv"}
    assert client.post(add, given).status_code == 302
    made = ListFile.objects.get()
    assert queued == [(tasks.write_list, made.pk)]
    assert "being made" in client.post(add, given).content.decode()
    page, fetch = address("listfile_change", made.pk), address("listfile_fetch", made.pk)
    assert "Waiting" in client.get(page).content.decode()
    assert client.get(fetch).status_code == 404
    listfiles.make(made.pk)
    assert "Download" in client.get(page).content.decode()
    answer: Any = client.get(fetch)

    async def whole() -> bytes:
        return b"".join([piece async for piece in answer.streaming_content])

    assert b"ann" in asyncio.run(whole())
    assert answer["Content-Disposition"].startswith("attachment")
    other = User.objects.create_superuser("boss")
    assert browser(other).get(fetch).status_code == 404
    ChannelModerator.objects.all().delete()
    ChannelModerator.objects.create(channel=make_channel("elsewhere"), twitch_id="777", since=NOON, told_at=NOON)
    assert client.get(fetch).status_code == 404


def test_a_tag_is_renamed(channel, mod):
    regular = Tag.objects.create(channel=channel, name="regular")
    Tag.objects.create(channel=channel, name="friend")
    client, url = browser(mod), address("tag_change", regular.pk)
    assert "Make them one" in client.post(url, {"name": "friend"}).content.decode()
    assert client.post(url, {"name": "old friend"}).status_code == 302
    assert client.get(address("tag_changelist")).status_code == 200
    regular.refresh_from_db()
    assert regular.name == "old friend"


@pytest.mark.parametrize("page", ["purge_changelist", "listfile_changelist", "profile_changelist", "tag_changelist"])
def test_lists_cost_few_queries(page, channel, ann, owner, django_assert_max_num_queries):
    Profile.objects.create(channel=channel, viewer=ann)
    client = browser(owner)
    with django_assert_max_num_queries(14):
        assert client.get(address(page)).status_code == 200
