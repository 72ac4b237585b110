"""Erase is whole: nothing is left of whoever is erased, and nobody else's numbers change."""

from datetime import UTC, datetime, timedelta
from functools import partial
from io import StringIO
from itertools import chain, count, repeat
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import Exists, OuterRef, Q
from redis import Redis
from social_django.models import UserSocialAuth

from chat import erasure, streamnumbers, synced
from chat.eraser import Eraser, clean_texts
from chat.erasestatements import MENTIONING
from chat.ingest.queue import STREAM
from chat.models import ChatEvent, ChatMinute, Message, ModerationEvent, Redemption
from chat.tasks import erase_accounts
from chat.tests.frames import rfc3339
from chat.tests.lines import clearmsg, gift_bomb, moment, number_of, privmsg, tag
from chat.tests.patience import until_in_threads
from chat.tests.tables import channel, counters, everything
from chat.tests.wholesite import (
    FORMER,
    LOGIN,
    NEEDLES,
    PERSON,
    SHOWN,
    WholeSite,
    answering,
    found_anywhere,
    frame_of,
    lines_of_theirs,
    mine,
    notice,
    session,
)
from chat.tests.writers import in_thread, waiting
from streams import sync
from streams.locks import LOCK_CHANNELS, GoesOn
from streams.models import Channel, ChannelDay, Delivery, JobRun, Stream, StreamSegment, TwitchGrant
from streamstats.api import RESOURCES, changes
from viewers import choices, wiki
from viewers.api import OfViewers
from viewers.models import (
    Erasure,
    Profile,
    Progress,
    SessionCorrection,
    Verdict,
    Viewer,
    ViewerDay,
    ViewerStream,
    ViewerTotal,
    WikiRevision,
)
from viewers.visibility import shown_in

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def site(redis_client: Redis, tmp_path: Path, settings: Any) -> WholeSite:
    settings.MEDIA_ROOT = tmp_path / "media"
    return WholeSite()


def erased(site: WholeSite) -> Erasure:
    """Erase the person, from asking to the end."""
    asked = choices.ask_to_erase(site.person)
    assert erasure.erase(asked)
    asked.refresh_from_db()
    return asked


def recounted() -> str:
    """What a recount finds wrong, once the streams that wait for it are counted."""
    streamnumbers.count_due(datetime.now(UTC))
    out = StringIO()
    call_command("rebuildrollups", dry_run=True, stdout=out, stderr=out)
    return out.getvalue()


RIGHT = "Every counter was right.\nDone.\n"


def of_others(rows: dict[str, list[Any]]) -> dict[str, list[Any]]:
    return {name: [row for row in found if row[1] != PERSON] for name, found in rows.items() if "viewer" in name}


def test_the_site_has_something_in_every_table(site):
    choices.ask_to_erase(site.person)
    empty = [model._meta.label for model in apps.get_models() if not model._default_manager.exists()]
    assert set(empty) <= {"auth.Permission"}, "give chat/tests/wholesite.py a row of it, about the person"


def test_the_person_is_found_before(site, redis_client):
    assert recounted() == RIGHT
    places = {where.partition(":")[0] for where in found_anywhere(redis_client)}
    assert len(places) > 30
    assert all(found_anywhere(redis_client, [needle]) for needle in NEEDLES)


def test_nothing_is_found_afterwards(site, redis_client):
    done = erased(site)
    assert found_anywhere(redis_client) == []
    assert (done.state, done.viewer_id) == (Progress.DONE, "")


def test_a_recount_agrees_afterwards(site):
    erased(site)
    assert recounted() == RIGHT


def test_the_numbers_of_others_stay(site):
    before = of_others(counters())
    erased(site)
    assert of_others(counters()) == before


def test_totals_of_the_channel_keep_what_was_written(site):
    before = {day.pk: day for day in ChannelDay.objects.all()}
    minutes = dict(ChatMinute.objects.values_list("pk", "messages"))
    erased(site)
    for day in ChannelDay.objects.all():
        assert (day.messages, day.emotes) == (before[day.pk].messages, before[day.pk].emotes)
    assert dict(ChatMinute.objects.values_list("pk", "messages")) == minutes


def test_what_they_wrote_is_still_there_and_nobodys(site):
    messages = Message.objects.count()
    erased(site)
    assert Message.objects.count() == messages
    assert set(Message.objects.filter(viewer="").values_list("text", "badges", "reply_to_viewer_id")) == {("", "", "")}
    assert Message.objects.filter(viewer="", bits=100).count() == 1
    assert Message.objects.filter(viewer="").exclude(emotes=[]).count() == 2


def test_they_are_no_chatter_any_more(site):
    chatters = sum(ChatMinute.objects.values_list("chatters", flat=True))
    said = Message.objects.counted().filter(viewer=PERSON).values_list("channel", "sent_at")
    minutes = {(where, sent_at.replace(second=0)) for where, sent_at in said}
    erased(site)
    assert sum(ChatMinute.objects.values_list("chatters", flat=True)) == chatters - len(minutes)


def test_what_others_wrote_has_an_ellipsis(site):
    erased(site)
    texts = set(Message.objects.values_list("text", flat=True))
    assert {"… you mean …? Emote", "I like …, … and the rest", "Emote is … here?", "hello Emote", "unrelated"} <= texts
    answer = Message.objects.get(text="… you mean …? Emote")
    assert (answer.reply_to_id, answer.reply_to_viewer_id, answer.thread_id) == ("", "", "")
    assert list(WikiRevision.objects.filter(number=1).values_list("text", flat=True)) == ["A friend of …, once …."]
    correction = SessionCorrection.objects.get()
    assert (correction.reason, correction.made_by) == ("… told me", None)
    assert set(StreamSegment.objects.values_list("title", flat=True)) == {"… again"}


def thread(root: bytes, *, at: float) -> tuple[bytes, bytes]:
    """Bob answers a message, and carol answers bob."""
    begun = {"reply_thread_parent_msg_id": tag(root, "id")}
    by_bob = privmsg(f"bob at {at}", user="bob", at=at, **answering(tag(root, "id")))
    to_bob = {"reply_parent_msg_id": tag(by_bob, "id"), "reply_parent_user_id": number_of("bob")}
    return by_bob, privmsg(f"carol at {at}", user="carol", at=at + 1, **to_bob, **begun)


def test_no_answer_of_anybody_names_a_message_of_theirs(site, redis_client):
    root = mine("zebrafish", at=20)
    site.write(root, *thread(root, at=21))
    assert Message.objects.get(text="carol at 21").thread_id == tag(root, "id")
    erased(site)
    site.write(*thread(root, at=30))
    assert found_anywhere(redis_client, [tag(root, "id")]) == []
    for said in Message.objects.filter(text__startswith="carol at"):
        assert said.reply_to_viewer_id == number_of("bob")
        assert Message.objects.filter(pk=said.reply_to_id, viewer=number_of("bob")).exists()


def test_threads_of_others_stay_as_they_are(site):
    root = privmsg("to all", user="dave", at=20)
    site.write(root, *thread(root, at=21))
    Message.objects.filter(text="bob at 21").update(reply_to_viewer_id=number_of("dave"))
    erased(site)
    assert set(Message.objects.filter(text__endswith="at 21").values_list("thread_id", flat=True)) == {tag(root, "id")}


def test_gifts_to_them_stay_with_who_gave_them(site):
    before = ViewerTotal.objects.get(viewer__login="alice", channel=site.example).gifts
    gift = ChatEvent.objects.get(recipient_id=PERSON, told_by="")
    erased(site)
    gift.refresh_from_db()
    assert (gift.recipient_id, gift.system_text) == ("", "alice gifted a subscription to …!")
    assert not [name for name in gift.params if name.startswith("recipient")]
    assert ViewerTotal.objects.get(viewer__login="alice", channel=site.example).gifts == before == 1


def test_gifts_of_theirs_are_no_longer_counted(site):
    before = channel().counts.gifts
    erased(site)
    assert channel().counts.gifts == before - 2


def test_what_else_tells_of_a_gift_of_theirs_says_by_itself_that_somebody_was_given_it(site):
    twin = ChatEvent.objects.get(recipient_id=number_of("carol"), told_by="channel.subscribe")
    assert twin.same_as
    erased(site)
    twin.refresh_from_db()
    assert twin.same_as == ""


def test_what_they_did_as_a_moderator_stays_and_names_nobody(site):
    erased(site)
    deed = ModerationEvent.objects.get(target_login="erin")
    assert (deed.moderator_id, deed.reason) == ("", "was rude to …")


def test_days_are_to_be_folded_again_and_streams_to_be_counted(site):
    changes = dict(ChannelDay.objects.filter(viewerday_of(site)).values_list("pk", "changes"))
    assert Stream.objects.get().counted_at
    erased(site)
    assert all(day.changes > changes[day.pk] for day in ChannelDay.objects.filter(pk__in=changes))
    assert Stream.objects.get().counted_at is None


def viewerday_of(site: WholeSite) -> Q:
    days = ViewerDay.objects.filter(viewer=PERSON, channel=OuterRef("channel"), day=OuterRef("day"))
    return Q(Exists(days))


def test_the_login_goes_and_those_of_others_stay(site):
    erased(site)
    assert list(User.objects.values_list("username", flat=True)) == ["moderator"]
    assert list(Session.objects.values_list("pk", flat=True)) == [site.sessions[2]]


def test_what_moderators_decided_about_their_page_stays_without_saying_whose_it_is(site, redis_client):
    choices.remove_page(site.person, site.example)
    wiki.lock(site.example, site.person, User.objects.create_superuser("boss"))
    erased(site)
    assert found_anywhere(redis_client) == []
    assert Verdict.objects.filter(mark=choices.mark_of(PERSON), is_removed=True).exclude(locked_at=None).exists()
    assert choices.allow_again(PERSON)
    site.write(mine("hello again", at=5000))
    assert Viewer.objects.get(pk=PERSON).login == LOGIN
    assert not Viewer.objects.filter(shown_in(site.example, "pk"), pk=PERSON).exists()


def deciding(*deeds: Any) -> Any:
    """Has moderators decide these things when all that is left of an erasure are texts of others."""
    left = list(deeds)

    def decide(_done: int, _steps: int, words: str) -> None:
        while left and words == "your name in messages of others":
            left.pop(0)()

    return decide


def decided(site: WholeSite, **decided: Any) -> None:
    Profile.objects.update_or_create(viewer=site.person, channel=site.example, defaults=decided)


def test_what_moderators_take_back_meanwhile_stays_taken_back(site):
    decided(site, visibility=Profile.Visibility.REMOVED, locked_at=datetime.now(UTC))
    asked = choices.ask_to_erase(site.person)
    restore = partial(decided, site, visibility=Profile.Visibility.AS_CHANNEL, locked_at=None)
    assert erasure.erase(asked, deciding(restore))
    assert not Verdict.objects.filter(mark=choices.mark_of(PERSON)).exists()


def test_what_moderators_decide_last_holds(site):
    remove, restore = (partial(decided, site, visibility=what) for what in (Profile.Visibility.REMOVED, ""))
    assert erasure.erase(choices.ask_to_erase(site.person), deciding(remove, restore, remove))
    assert Verdict.objects.get(mark=choices.mark_of(PERSON)).is_removed


def test_who_has_a_password_here_keeps_that_without_twitch(site):
    site.user.set_password("secret")
    site.user.username = "operator"
    site.user.save()
    erased(site)
    kept = User.objects.get(username="operator")
    assert not kept.social_auth.exists()


def test_a_connected_channel_is_not_touched_and_the_receipt_says_so(site):
    TwitchGrant.objects.filter(twitch_id=PERSON).update(channel=site.another)
    done = erased(site)
    assert TwitchGrant.objects.filter(twitch_id=PERSON).count() == 1
    assert done.removed["kept streams.TwitchGrant"] == 1


def test_what_was_removed_is_counted_once(site):
    redemptions = Redemption.objects.filter(viewer=PERSON).count()
    messages = Message.objects.filter(viewer=PERSON).count()
    done = erased(site)
    assert done.removed["chat.Message"] == messages
    assert done.removed["chat.Redemption"] == redemptions
    assert done.removed["viewers.Viewer"] == 1
    assert done.removed["mention chat.Message"] == 3
    assert done.steps_done == done.steps


def test_whoever_copied_them_is_told_what_is_gone_and_nobody_else_can_read_who_it_was(site, redis_client):
    before = sync.begin()
    messages = set(Message.objects.filter(viewer=PERSON, channel=site.example).values_list("pk", flat=True))
    erased(site)
    assert found_anywhere(redis_client, [*NEEDLES, *messages, "spent-1"]) == []
    for resource in RESOURCES.values():
        if isinstance(resource, OfViewers):
            told = changes(resource, site.example, before, 1000)
            whose = {told.written.whose.get(key) or key.partition(":")[0] for key in told.keys}
            assert PERSON not in whose, resource.name
            assert (told.written.gone, told.is_all) == (frozenset({PERSON}), True), resource.name
    told = synced.messages(site.example.pk, before, 1000)
    assert messages <= set(told.keys)
    assert not Message.objects.filter(pk__in=messages).exists()


def test_deliveries_that_name_them_go_and_what_tells_that_they_are_gone_stays(site):
    erased(site)
    assert list(Delivery.objects.order_by("event_id").values_list("event_id", flat=True)) == ["event-3", "event-4"]
    assert Delivery.objects.get(event_id="event-4").body is None


def test_pages_that_were_kept_ready_are_gone(site, redis_client, client, settings):
    settings.PAGE_CACHE_SECONDS = 60
    pages = ("/c/example/viewers/", f"/c/example/viewers/{LOGIN}/")
    assert all(LOGIN.encode() in client.get(page).content for page in pages)
    assert len([where for where in found_anywhere(redis_client) if where.startswith("redis: streamstats:pages")]) == 2
    asked = choices.ask_to_erase(site.person)
    assert LOGIN.encode() not in client.get(pages[0]).content
    erasure.erase(asked)
    assert found_anywhere(redis_client) == []


# Killed, and meanwhile


class PowerCutError(BaseException):
    """No error that anybody could handle."""


def test_killed_anywhere_and_begun_again_it_ends_the_same(site, redis_client):
    asked = choices.ask_to_erase(site.person)
    steps = set()
    for statements in chain.from_iterable(repeat(number, 3) for number in count(3)):
        if not is_killed_after(statements, asked):
            break
        asked.refresh_from_db()
        steps.add(asked.step.partition(" ")[0])
    assert statements > 40
    assert len(steps) >= 10
    assert found_anywhere(redis_client) == []
    assert recounted() == RIGHT
    asked.refresh_from_db()
    assert asked.removed["chat.Message"] == Message.objects.filter(viewer="").count()


def is_killed_after(statements: int, asked: Erasure) -> bool:
    left = count(statements, -1)

    def execute(execute, *arguments):
        if not next(left):
            raise PowerCutError
        return execute(*arguments)

    try:
        with connection.execute_wrapper(execute):
            erasure.erase(asked)
    except PowerCutError:
        return True
    return False


def test_lines_that_come_meanwhile_and_afterwards_leave_nothing(site, redis_client):
    asked = choices.ask_to_erase(site.person)
    times = count(1000)

    def write(*_told: object) -> None:
        now = next(times)
        said = mine(f"zebrafish {now}", at=now)
        site.write(
            said,
            mine("Emote zebrafish", at=2),
            notice("resub", at=now, text="quicksilver", msg_param_cumulative_months="9"),
            *gift_bomb("bob", user=LOGIN, user_id=PERSON, display_name=SHOWN, at=now, bomb=f"b{now}"),
            clearmsg(tag(said, "id"), user=LOGIN, at=now + 1),
        )
        site.write(
            frame_of("channel.follow", at=now, followed_at=rfc3339(now)),
            frame_of("channel.cheer", at=now, is_anonymous=False, message="quicksilver", bits=50),
            kind="eventsub",
        )

    assert erasure.erase(asked, write)
    write()
    assert next(times) > 1020
    assert found_anywhere(redis_client) == []
    assert recounted() == RIGHT


def test_a_line_that_was_stored_before_and_is_told_again_counts_once(site):
    messages = channel().counts.messages
    asked = choices.ask_to_erase(site.person)
    site.write(*lines_of_theirs())
    assert erasure.erase(asked)
    site.write(*lines_of_theirs())
    assert channel().counts.messages == messages
    assert recounted() == RIGHT


def test_a_message_that_is_there_as_nobodys_already_is_counted_once(site):
    said = Message.objects.counted().exclude(emotes=[]).filter(viewer=PERSON)[0]
    said.pk, said.viewer_id = choices.anonymous_id(said.pk), ""
    said.save(force_insert=True)
    call_command("rebuildrollups", stdout=StringIO())
    messages = channel().counts.messages
    erased(site)
    assert channel().counts.messages == messages - 1
    assert recounted() == RIGHT


def test_it_waits_for_lines_from_before_that_the_ingest_still_holds(site, redis_client):
    entry = redis_client.xadd(STREAM, {"source": "r", "at": 1, "lines": privmsg(f"hello {LOGIN}")}, id="1-1")
    asked = choices.ask_to_erase(site.person)
    assert not erasure.erase(asked)
    asked.refresh_from_db()
    assert (asked.state, asked.viewer_id) == (Progress.RUNNING, PERSON)
    site.write(privmsg(f"hello {LOGIN}"))
    redis_client.xdel(STREAM, entry)
    assert erasure.erase(asked)
    assert found_anywhere(redis_client) == []


def test_pages_are_forgotten_once_however_long_it_waits(site, redis_client, monkeypatch):
    redis_client.xadd(STREAM, {"source": "r", "at": 1, "lines": ""}, id="1-1")
    asked = choices.ask_to_erase(site.person)
    forgotten: list[list[str]] = []
    monkeypatch.setattr("streams.pages.forget", lambda logins: forgotten.append(sorted(logins)))
    assert [erasure.erase(asked) for _ in range(3)] == [False] * 3
    assert forgotten == [["another", "example"]]


def test_counted_again_they_begin_at_nothing(site):
    erased(site)
    assert choices.allow_again(PERSON)
    site.write(mine("hello again", at=5000))
    total = ViewerTotal.objects.get(viewer=PERSON)
    assert (total.messages, Viewer.objects.get(pk=PERSON).login) == (1, LOGIN)
    assert recounted() == RIGHT


def test_erased_a_second_time_nothing_is_left_either(site, redis_client):
    erased(site)
    a_day_passes()
    choices.allow_again(PERSON)
    site.write(mine("hello again, zebrafish", at=5000))
    site.person = Viewer.objects.get(pk=PERSON)
    done = erased(site)
    assert found_anywhere(redis_client) == []
    assert done.removed["chat.Message"] == 1


def a_day_passes() -> None:
    Erasure.objects.update(finished_at=datetime.now(UTC) - timedelta(days=1))


# Who else


def test_a_name_that_somebody_else_has_now_is_left_to_them(site):
    site.write(privmsg(f"I am {LOGIN} now", user=LOGIN, user_id="777777", at=9000))
    erased(site)
    assert Message.objects.get(viewer="777777").text == f"I am {LOGIN} now"
    assert Viewer.objects.get(pk="777777").login == LOGIN
    assert not ModerationEvent.objects.filter(target_login=LOGIN).exists()


def test_days_past_retention_keep_what_the_channel_counted(site):
    Channel.objects.update(messages_kept_from=moment(3600))
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM chat_message WHERE sent_at < %s", [moment(3600)])
    day = ChannelDay.objects.get(channel=site.example, day=moment(0).date())
    erased(site)
    after = ChannelDay.objects.get(pk=day.pk)
    assert (after.messages, after.emotes, after.chatters) == (day.messages, day.emotes, day.chatters - 1)
    assert recounted() == RIGHT


# The job


def test_the_job_erases_all_who_wait_and_says_how_many(site):
    choices.ask_to_erase(site.person)
    choices.ask_to_erase(site.bob)
    assert erase_accounts() == "2 erased"
    assert not Viewer.objects.filter(pk__in=(PERSON, site.bob.pk)).exists()


def searches(execute_all) -> list[Any]:
    """The channels that were searched for names, once for each span."""
    found = []

    def execute(execute, sql, values, *arguments):
        if sql == MENTIONING:
            found.append(values["channel"])
        return execute(sql, values, *arguments)

    with connection.execute_wrapper(execute):
        execute_all()
    return found


def test_all_who_wait_share_one_look_at_what_was_written(site):
    for viewer in (site.person, site.bob, Viewer.objects.get(login="carol")):
        choices.ask_to_erase(viewer)
    assert sorted(searches(erase_accounts)) == sorted([site.example.pk, site.another.pk])


def test_who_is_erased_with_others_leaves_nothing_either(site, redis_client):
    asked = choices.ask_to_erase(site.person)
    other = choices.ask_to_erase(site.bob)
    erase_accounts()
    assert found_anywhere(redis_client) == []
    assert recounted() == RIGHT
    asked.refresh_from_db()
    other.refresh_from_db()
    assert asked.removed["mention chat.Message"] == 1  # the others were of bob
    assert "mention chat.Message" not in other.removed


def test_who_asks_soon_after_an_erasure_is_gone_at_once_but_for_the_texts_of_others(site):
    choices.ask_to_erase(site.bob)
    assert erase_accounts() == "1 erased"
    choices.ask_to_erase(site.person)
    assert erase_accounts() == "1 waiting for the next pass"
    assert not Message.objects.filter(viewer=PERSON).exists()
    assert Message.objects.filter(text__icontains=LOGIN).exists()
    Erasure.objects.filter(state=Progress.DONE).update(finished_at=datetime.now(UTC) - erasure.PAUSE)
    assert erase_accounts() == "1 erased"
    assert not Message.objects.filter(text__icontains=LOGIN).exists()


def test_those_for_whom_a_pass_has_no_room_wait_for_the_next(site, monkeypatch):
    monkeypatch.setattr(erasure, "MOST_TOGETHER", 1)
    first, second = choices.ask_to_erase(site.person), choices.ask_to_erase(site.bob)
    assert erase_accounts() == "1 erased"
    assert erase_accounts() == "1 waiting for the next pass"
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.state, second.state) == (Progress.DONE, Progress.RUNNING)


def test_what_failed_takes_nobodys_place(site, monkeypatch):
    monkeypatch.setattr(erasure, "MOST_TOGETHER", 1)
    choices.ask_to_erase(site.person)
    Erasure.objects.update(state=Progress.FAILED)
    other = choices.ask_to_erase(site.bob)
    assert erase_accounts() == "1 erased"
    other.refresh_from_db()
    assert other.state == Progress.DONE


def test_an_account_is_erased_once_a_day(site):
    erased(site)
    choices.allow_again(PERSON)
    site.write(mine("hello again", at=5000))
    with pytest.raises(choices.NotNow, match=r"once a day.*ask again tomorrow"):
        choices.ask_to_erase(Viewer.objects.get(pk=PERSON))
    a_day_passes()
    choices.ask_to_erase(Viewer.objects.get(pk=PERSON))


@pytest.mark.parametrize("is_killed", [False, True], ids=["fails", "is killed"])
def test_a_pass_that_stops_goes_on_where_it_was_and_ends_the_same(site, redis_client, monkeypatch, is_killed):
    choices.ask_to_erase(site.person)
    choices.ask_to_erase(site.bob)
    stops = iter([True])

    def clean(erasers, channels) -> None:
        if next(stops, False):
            clean_texts(erasers, channels[:1])
            raise PowerCutError if is_killed else ValueError
        clean_texts(erasers, channels)

    monkeypatch.setattr(erasure, "clean_texts", clean)
    if is_killed:
        with pytest.raises(PowerCutError):
            erase_accounts()
    assert erase_accounts() == "2 erased"
    assert found_anywhere(redis_client) == []


def test_whose_texts_cannot_be_cleaned_holds_up_nobody_else(site, monkeypatch):
    asked = [choices.ask_to_erase(viewer) for viewer in (site.bob, site.person, Viewer.objects.get(login="carol"))]
    whole = Eraser.enters

    def enters(eraser: Eraser, step: Any) -> bool:
        if eraser.viewer_id == PERSON and step.name == "words":
            raise ValueError(f"{LOGIN} is too much")
        return whole(eraser, step)

    monkeypatch.setattr(Eraser, "enters", enters)
    with pytest.raises(erasure.SomeFailed, match=r"2 erased, 1 failed"):
        erase_accounts()
    states = [Erasure.objects.get(pk=each.pk).state for each in asked]
    assert states == [Progress.DONE, Progress.FAILED, Progress.DONE]


def test_one_that_fails_stops_no_other_and_is_tried_again(site, monkeypatch):
    monkeypatch.setattr(erasure, "PAUSE", timedelta(0))
    first, second = choices.ask_to_erase(site.person), choices.ask_to_erase(site.bob)
    whole = Eraser.leave

    def leave(eraser: Eraser) -> None:
        if eraser.viewer_id == PERSON:
            raise ValueError(f"{LOGIN} is too much")
        whole(eraser)

    monkeypatch.setattr(Eraser, "leave", leave)
    with pytest.raises(erasure.SomeFailed, match=r"1 erased, 1 failed"):
        erase_accounts()
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.state, second.state) == (Progress.FAILED, Progress.DONE)
    assert LOGIN not in JobRun.objects.get(name="chat.tasks.erase_accounts").detail
    monkeypatch.setattr(Eraser, "leave", whole)
    assert erase_accounts() == "1 erased"


def test_with_nobody_waiting_there_is_nothing_to_do(site):
    assert erase_accounts() == "nobody waits"


def test_two_who_erase_the_same_account_take_turns(site):
    asked = choices.ask_to_erase(site.person)

    def again(*_told: object) -> None:
        with pytest.raises(GoesOn):
            in_thread(erasure.erase, asked).result(timeout=20)
        raise PowerCutError

    with pytest.raises(PowerCutError):
        erasure.erase(asked, again)
    assert erasure.erase(asked)


# The command


def call(*arguments: str) -> str:
    out = StringIO()
    call_command("erase", *arguments, stdout=out)
    return out.getvalue()


def test_a_dry_run_says_what_would_go_and_changes_nothing(site):
    before = everything()
    said = call(LOGIN, "--dry-run")
    assert "messages: they still count" in said
    assert "Nothing was changed." in said
    assert everything() == before
    assert not Erasure.objects.exists()


@pytest.mark.parametrize("account", [LOGIN.upper(), f"@{LOGIN}", FORMER, PERSON])
def test_the_command_erases_by_any_name_and_by_id(site, account):
    said = call(account, "--yes")
    assert f"The receipt: /erased/{Erasure.objects.get().receipt}/" in said
    assert not Viewer.objects.filter(pk=PERSON).exists()


def test_the_command_asks_first(site, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda _question: "no")
    with pytest.raises(CommandError, match=r"^Nothing was changed\.$"):
        call(LOGIN)
    monkeypatch.setattr("builtins.input", lambda _question: PERSON)
    assert "Erased. The receipt: /erased/" in call(LOGIN)


def test_an_account_nobody_knows_is_one_line(site):
    with pytest.raises(CommandError, match=r"^Nobody is known here as 'nobody'\. Nothing was changed\.$"):
        call("nobody", "--yes")


def test_a_name_of_two_accounts_asks_which(site):
    site.write(privmsg(user=LOGIN, user_id="777777", at=9000))
    with pytest.raises(CommandError, match=r"Say which by its id: 777777 .*, 98765432 "):
        call(LOGIN, "--yes")


def test_the_command_says_that_the_ingest_is_waited_for(site, redis_client):
    redis_client.xadd(STREAM, {"source": "r", "at": 1, "lines": "x"}, id="1-1")
    with pytest.raises(CommandError, match="The ingest still holds lines") as refused:
        call(LOGIN, "--yes")
    assert refused.value.returncode == 2


# Jobs that run beside


def test_who_counts_a_stream_just_now_does_not_bring_anybody_back(site):
    has_read, may_write = Event(), Event()

    def pausing(execute, sql, *arguments):
        if sql == LOCK_CHANNELS:
            has_read.set()
            assert may_write.wait(20)
        return execute(sql, *arguments)

    def count_slowly() -> None:
        with connection.execute_wrapper(pausing):
            streamnumbers.count(Stream.objects.get())

    asked = choices.ask_to_erase(site.person)
    counting = in_thread(count_slowly)
    assert has_read.wait(20)
    erasing = in_thread(erasure.erase, asked)
    until_in_threads(waiting(1))
    may_write.set()
    counting.result(timeout=20)
    assert erasing.result(timeout=20)
    assert not ViewerStream.objects.filter(viewer=PERSON).exists()
    assert recounted() == RIGHT


def test_who_logs_in_meanwhile_is_logged_out_at_the_end(site, redis_client):
    asked = choices.ask_to_erase(site.person)

    def log_in(_done: int, _steps: int, words: str) -> None:
        if words == "your messages" and not User.objects.filter(username=PERSON).exists():
            user = User.objects.create_user(PERSON)
            UserSocialAuth.objects.create(user=user, provider="twitch", uid=PERSON)
            session(_auth_user_id=str(user.pk))

    assert erasure.erase(asked, log_in)
    assert found_anywhere(redis_client) == []


def test_many_rows_go_in_batches(site, redis_client, monkeypatch):
    monkeypatch.setattr("chat.leaving.ROWS_AT_ONCE", 2)
    monkeypatch.setattr("chat.leaving.STREAMS_AT_ONCE", 1)
    monkeypatch.setattr("chat.cleaning.SPAN", 2)
    monkeypatch.setattr("chat.cleaning.AT_ONCE", 1)
    monkeypatch.setattr("chat.loginerasure.SESSIONS_AT_ONCE", 1)
    chatters = sum(ChatMinute.objects.values_list("chatters", flat=True))
    done = erased(site)
    assert found_anywhere(redis_client) == []
    assert recounted() == RIGHT
    assert sum(ChatMinute.objects.values_list("chatters", flat=True)) < chatters
    assert done.removed["mention chat.Message"] == 3
