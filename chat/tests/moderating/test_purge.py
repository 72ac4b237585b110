"""A purge takes everything of whom its rule meets out of one channel, and nothing else."""

from datetime import UTC, date, datetime, timedelta
from io import StringIO
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import Q
from redis import Redis

from chat import purge
from chat.api.emotes import Usage
from chat.leaving import path_to_channel
from chat.models import ChatEvent, ChatMinute, EmoteDay, Message
from chat.personal import model_of, rows_of
from chat.tests.lines import DAY, privmsg
from chat.tests.tables import counters
from chat.tests.test_erasure import RIGHT, PowerCutError, recounted
from chat.tests.wholesite import EVENING, PERSON, WholeSite
from streams import sync
from streams.locks import COUNTS, COUNTS_OF_CHANNEL
from streams.models import AuditEntry, Change, ChannelDay, ChannelTotal, Stream
from streams.tests.cast import make_channel
from streamstats.api import changes
from viewers.models import Profile, Progress, Purge, Viewer, ViewerName, ViewerStream, ViewerTotal, ViewSession
from viewers.tests.cast import make_viewer

LATELY = date(2026, 5, 2)
"""The person was last seen before it, all others of the channel later."""


@pytest.fixture
def site(transactional_db: None, redis_client: Redis, tmp_path: Path, settings: Any) -> WholeSite:
    settings.MEDIA_ROOT = tmp_path / "media"
    site = WholeSite()
    site.write(*(privmsg("later", user=user, at=EVENING + 2 * DAY) for user in ("alice", "bob", "carol")))
    return site


@pytest.fixture
def boss(db: None) -> User:
    return User.objects.create_superuser("boss")


def asked(site: WholeSite, by: User | None = None, **rule: Any) -> Purge:
    """A purge that was counted, by a rule that meets the person alone."""
    made = purge.ask(site.example, by, **(rule or {"not_seen_since": LATELY}))
    purge.carry_out(made.pk)
    made.refresh_from_db()
    return made


def confirmed(site: WholeSite, **rule: Any) -> Purge:
    made = asked(site, **rule)
    purge.confirm(made, None, "example", datetime.now(UTC))
    return made


def purged(site: WholeSite) -> Purge:
    made = confirmed(site)
    purge.carry_out(made.pk)
    made.refresh_from_db()
    return made


def left_of(site: WholeSite, channel: int) -> dict[str, int]:
    """How many rows of theirs a channel keeps, by table."""
    found = {
        label: rows_of(label, PERSON).filter(**{path_to_channel(model_of(label)): channel}).count()
        for label in purge.tables()
    }
    return {label: rows for label, rows in found.items() if rows}


def test_a_dry_run_counts_and_changes_nothing(site):
    before, theirs = counters(), left_of(site, site.example.pk)
    made = asked(site)
    assert made.would_meet == theirs
    assert (made.state, made.viewers_done, counters()) == (Progress.WAITING, 0, before)
    assert [total.viewer_id for total in purge.sample(made)] == [PERSON]


def test_everything_of_theirs_in_the_channel_goes(site):
    elsewhere = left_of(site, site.another.pk)
    channel_days = list(ChannelDay.objects.order_by("pk").values_list("pk", "messages", "emotes"))
    emotes = list(EmoteDay.objects.order_by("pk").values_list("pk", "uses"))
    minutes = dict(ChatMinute.objects.values_list("pk", "messages"))
    others = [row for row in counters()["viewer days"] if row[1] != PERSON]
    written = Message.objects.filter(channel=site.example).count()
    done = purged(site)
    assert left_of(site, site.example.pk) == {}
    assert (done.state, done.viewers_done, done.removed["viewers.ViewerTotal"]) == (Progress.DONE, 1, 1)
    # The account, and what other channels keep.
    assert left_of(site, site.another.pk) == elsewhere
    assert Viewer.objects.filter(pk=PERSON).exists()
    assert ViewerName.objects.filter(viewer=PERSON).count() == 2
    # What the channel counted.
    assert Message.objects.filter(channel=site.example).count() == written
    assert list(ChannelDay.objects.order_by("pk").values_list("pk", "messages", "emotes")) == channel_days
    assert list(EmoteDay.objects.order_by("pk").values_list("pk", "uses")) == emotes
    assert dict(ChatMinute.objects.values_list("pk", "messages")) == minutes
    assert [row for row in counters()["viewer days"] if row[1] != PERSON] == others
    assert not ChatEvent.objects.filter(channel=site.example, recipient_id=PERSON).exists()
    assert recounted() == RIGHT


def test_who_copied_it_is_told_and_the_log_does_not_say_in_the_clear_who_it_was(site):
    here = Change.objects.filter(channel=site.example)
    names = Q(key=PERSON) | Q(key__startswith=f"{PERSON}:") | Q(whose=PERSON)
    Change.objects.create(channel=site.example, resource="visibility", key=PERSON)  # of no row that goes now
    assert here.filter(names).exists()
    cursor = sync.begin()
    elsewhere = Change.objects.filter(names, channel=site.another).count()
    purged(site)
    assert not here.filter(names).exists()
    assert Change.objects.filter(names, channel=site.another).count() == elsewhere
    told = changes(Usage(), site.example, cursor, 200)
    assert (told.keys, told.written.gone) == ([], frozenset({PERSON}))


def test_killed_anywhere_it_goes_on(site):
    made = confirmed(site)
    killed = 0
    for statements in count(4, 9):
        left = count(statements, -1)

        def execute(execute, *arguments, left=left):
            if not next(left):
                raise PowerCutError
            return execute(*arguments)

        try:
            with connection.execute_wrapper(execute):
                purge.carry_out(made.pk)
            break
        except PowerCutError:
            killed += 1
            with connection.cursor() as cursor:  # which the end of its connection would do
                cursor.execute("SELECT pg_advisory_unlock_all()")
    made.refresh_from_db()
    assert killed > 5
    assert (made.state, made.viewers_done, left_of(site, site.example.pk)) == (Progress.DONE, 1, {})
    assert made.removed["chat.Message"] == Message.objects.filter(channel=site.example, viewer="").count()
    assert recounted() == RIGHT


def test_who_was_seen_since_it_was_counted_is_left_out(site):
    made = confirmed(site, fewer_messages=100)
    seen = ViewerTotal.objects.filter(viewer=PERSON, channel=site.example)
    seen.update(last_seen_at=datetime.now(UTC))
    purge.carry_out(made.pk)
    made.refresh_from_db()
    assert (made.viewers_done, made.would_meet["viewers.ViewerTotal"]) == (3, 4)
    assert list(ViewerTotal.objects.filter(channel=site.example).values_list("viewer", flat=True)) == [PERSON]


def test_what_was_decided_about_a_page_stays(site):
    Profile.objects.filter(viewer=PERSON, channel=site.example).update(visibility=Profile.Visibility.HIDDEN)
    purged(site)
    page = Profile.objects.get(viewer=PERSON, channel=site.example)
    assert (page.visibility, page.current, page.revisions.count()) == (Profile.Visibility.HIDDEN, None, 0)


# The rule


@pytest.fixture
def crowd(db: None) -> Any:
    """A channel with viewers: last seen, hours, messages."""
    channel = make_channel("crowd")
    for login, seen, hours, wrote in (
        ("old", datetime(2025, 1, 1, tzinfo=UTC), 10, 100),
        ("brief", datetime(2026, 1, 1, tzinfo=UTC), 1, 50),
        ("quiet", datetime(2026, 1, 1, tzinfo=UTC), 10, 3),
    ):
        totals = {"last_seen_at": seen, "watch_seconds": hours * 3600, "messages": wrote}
        ViewerTotal.objects.filter(viewer=make_viewer(channel, login), channel=channel).update(**totals)
    return channel


def met(channel: Any, **rule: Any) -> set[str]:
    return set(purge.met_by(Purge(channel=channel, **rule)).values_list("viewer__login", flat=True))


def test_whom_a_rule_meets(crowd):
    assert met(crowd, not_seen_since=date(2025, 1, 2)) == {"old"}
    assert met(crowd, not_seen_since=date(2025, 1, 1)) == set()
    assert met(crowd, fewer_hours=2) == {"brief"}
    assert met(crowd, fewer_hours=1) == set()
    assert met(crowd, fewer_messages=4) == {"quiet"}
    assert met(crowd, fewer_messages=101, fewer_hours=11) == {"old", "brief", "quiet"}
    assert met(crowd, fewer_messages=101, fewer_hours=11, not_seen_since=date(2025, 6, 1)) == {"old"}
    assert met(make_channel("empty"), fewer_messages=101) == set()


def test_no_rule_meets_nobody(crowd):
    with pytest.raises(purge.Refused, match="at least one"):
        purge.ask(crowd, None)
    with pytest.raises(ValueError, match="at least one"):
        purge.met_by(Purge(channel=crowd))


def test_who_is_there_just_now_is_not_met(crowd):
    stream = crowd.streams.create(id="now", started_at=datetime.now(UTC))
    ViewSession.objects.create(
        channel=crowd, viewer=Viewer.objects.get(login="old"), stream=stream, started_at=datetime.now(UTC)
    )
    assert met(crowd, fewer_messages=101) == {"brief", "quiet"}


# Confirming


def test_it_is_confirmed_by_the_name_of_the_channel_once(crowd, boss):
    made = purge.ask(crowd, boss, fewer_messages=4)
    now = datetime.now(UTC)

    def refusal(typed: str, at: datetime = now) -> str:
        with pytest.raises(purge.Refused) as refused:
            purge.confirm(made, boss, typed, at)
        return str(refused.value)

    assert refusal("crowd") == purge.NOT_COUNTED
    purge.count(made)
    assert "type crowd" in refusal("crow")
    assert refusal("crowd", now + timedelta(days=2)) == purge.TOO_OLD
    purge.confirm(made, boss, " #Crowd", datetime.now(UTC))
    assert refusal("crowd") == purge.ASKED_ALREADY
    made = purge.ask(crowd, boss, fewer_messages=5)
    purge.count(made)
    assert refusal("crowd", datetime.now(UTC)) == purge.ANOTHER
    assert list(AuditEntry.objects.order_by("pk").values_list("action", "by")) == [
        ("purge.ask", boss.pk),
        ("purge.confirm", boss.pk),
        ("purge.ask", boss.pk),
    ]
    assert AuditEntry.objects.get(action="purge.confirm").detail["would_meet"]["viewers.ViewerTotal"] == 1


def test_moderators_do_not_purge(crowd):
    somebody = User.objects.create_user("somebody")
    made = purge.ask(crowd, None, fewer_messages=4)
    purge.count(made)
    for deed in (
        lambda: purge.ask(crowd, somebody, fewer_messages=4),
        lambda: purge.confirm(made, somebody, "crowd", datetime.now(UTC)),
    ):
        with pytest.raises(PermissionDenied):
            deed()


def test_one_that_was_not_confirmed_deletes_nothing(crowd):
    made = purge.ask(crowd, None, fewer_messages=1000)
    assert purge.unfinished() == [made.pk]
    assert purge.carry_out(made.pk) == "3 viewers counted"
    assert (purge.carry_out(made.pk), purge.unfinished()) == ("nothing to do", [])
    assert ViewerTotal.objects.filter(channel=crowd).count() == 3


def test_one_that_failed_goes_on(crowd, monkeypatch):
    made = purge.ask(crowd, None, fewer_messages=1000)
    purge.count(made)
    purge.confirm(made, None, "crowd", datetime.now(UTC))
    with monkeypatch.context() as patch:
        patch.setattr(purge, "TOGETHER", 1)
        patch.setattr(purge, "_purge_some", lambda *_: (_ for _ in ()).throw(ZeroDivisionError))
        with pytest.raises(ZeroDivisionError):
            purge.carry_out(made.pk)
    made.refresh_from_db()
    assert (made.state, purge.unfinished()) == (Progress.FAILED, [made.pk])
    assert purge.carry_out(made.pk) == "3 viewers purged"
    assert ChannelTotal.objects.filter(channel=crowd).count() <= 1


def test_many_streams_are_few_locks(crowd, monkeypatch):
    """Postgres has room for some thousand locks of everybody's, and a regular comes to as many streams."""
    at, viewer = datetime(2024, 5, 1, tzinfo=UTC), Viewer.objects.get(login="quiet")
    streams = [Stream(id=f"s{number}", channel=crowd, started_at=at, ended_at=at) for number in range(300)]
    Stream.objects.bulk_create(streams)
    ViewerStream.objects.bulk_create([ViewerStream(channel=crowd, viewer=viewer, stream=each) for each in streams])
    held: list[int] = []
    leave = purge._Leaving.leave

    def left(self: Any, channel: int) -> Any:
        removed = leave(self, channel)
        self._cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = %s", [COUNTS])
        held.append(self._cursor.fetchone()[0])
        return removed

    monkeypatch.setattr(purge._Leaving, "leave", left)
    made = purge.ask(crowd, None, fewer_messages=1000)
    purge.count(made)
    purge.confirm(made, None, "crowd", datetime.now(UTC))
    assert purge.carry_out(made.pk) == "3 viewers purged"
    assert held == [COUNTS_OF_CHANNEL] * 3
    assert not ViewerStream.objects.filter(channel=crowd).exists()


def test_the_command_tells_first_and_purges_when_it_is_sure(crowd):
    out = StringIO()
    rule = {"fewer_messages": "4"}
    call_command("purge", "crowd", "--fewer-messages", "4", "--dry-run", stdout=out)
    assert "1  viewers" in out.getvalue()
    assert "Nothing was changed." in out.getvalue()
    assert ViewerTotal.objects.filter(channel=crowd).count() == 3
    call_command("purge", "crowd", "--fewer-messages", rule["fewer_messages"], "--yes", stdout=out)
    assert "Done: 1 viewers purged." in out.getvalue()
    assert ViewerTotal.objects.filter(channel=crowd).count() == 2
    for arguments, problem in ((["crowd"], "at least one"), (["nobody", "--fewer-hours", "3"], "No channel")):
        with pytest.raises(CommandError, match=problem):
            call_command("purge", *arguments)
