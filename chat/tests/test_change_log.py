"""The log of changes has what anybody is shown, when it changes, and nothing of what nobody is shown."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from chat.ingest.store import Store
from chat.models import ChatEvent, Emote, EmoteTotal, Message, ModerationEvent, Redemption, ViewerEmote
from chat.tests.crowd import make_emote
from chat.tests.everything import HOUR, NOON, TODAY, make_message, make_somebody
from chat.tests.lines import privmsg, read
from streams.models import Change, Channel, Stream, StreamSample, StreamSegment
from streams.tests.cast import make_channel
from viewers.models import (
    Award,
    Claim,
    Profile,
    Standing,
    Summary,
    SummaryPolicy,
    Viewer,
    ViewerDay,
    ViewerTotal,
    ViewSession,
    WikiRevision,
)

pytestmark = pytest.mark.django_db(transaction=True)

Entries = list[tuple[str | None, str, str]]


def written(deed: Callable[[], Any]) -> Entries:
    """Channel, resource and key of what a deed writes into the log."""
    Change.objects.all().delete()
    deed()
    logins = dict(Channel.objects.values_list("pk", "login"))
    rows = Change.objects.values_list("channel", "resource", "key").distinct()
    found = ((logins.get(channel) if channel else None, resource, key) for channel, resource, key in rows)
    return sorted(found, key=str)


class World:
    def __init__(self) -> None:
        self.channel = make_channel()
        self.ann: Viewer = make_somebody(self.channel, "ann")
        self.stream = Stream.objects.get(pk="s-ann")
        self.profile = Profile.objects.get()
        self.summary = Summary.objects.get(viewer=self.ann)
        self.emote = Emote.objects.get()
        days = {"first_day": TODAY, "last_day": TODAY}
        self.total = EmoteTotal.objects.create(channel=self.channel, emote=self.emote, uses=1, **days)
        SummaryPolicy.objects.create(channel=self.channel)


def test_what_is_shown_is_logged_when_it_changes():
    world = World()
    here, ann = "lantern", world.ann.pk
    session, deed = ViewSession.objects.get(), ModerationEvent.objects.get(kind="ban")
    segment = StreamSegment(stream=world.stream, started_at=NOON, title="First")
    sample = StreamSample(channel=world.channel, stream=world.stream, at=NOON, viewers=3)
    number = ViewerEmote.objects.get()
    deeds: list[tuple[str, Callable[[], Any], Entries]] = [
        ("a title", lambda: Stream.objects.update(title="x"), [(here, "streams", "s-ann")]),
        ("a place", lambda: Standing.objects.update(messages=9), [(here, "viewers", ann)]),
        (
            "a session",
            lambda: ViewSession.objects.update(ended_at=NOON + 2 * HOUR),
            [(here, "sessions", str(session.pk))],
        ),
        ("an emote", lambda: EmoteTotal.objects.update(uses=7), [(here, "emotes", str(world.emote.pk))]),
        ("its name", lambda: Emote.objects.update(name="New"), [(here, "emotes", str(world.emote.pk))]),
        ("a use", lambda: ViewerEmote.objects.update(uses=7), [(here, "usage", f"{ann}:{number.emote_id}")]),
        ("points", lambda: Redemption.objects.update(status="canceled"), [(here, "redemptions", "r-ann")]),
        (
            "an event told better",
            lambda: ChatEvent.objects.filter(pk="e-ann").update(same_as="g-ann"),
            [(here, "events", "e-ann")],
        ),
        (
            "a ban",
            lambda: ModerationEvent.objects.filter(kind="ban").update(reason="x"),
            [(here, "moderation", str(deed.pk))],
        ),
        ("an achievement", lambda: Award.objects.update(value=3), [(here, "awards", f"{ann}:first-words:1")]),
        ("a lock", lambda: Profile.objects.update(locked_at=NOON), [(here, "profiles", ann)]),
        ("a withdrawn text", lambda: WikiRevision.objects.update(text=""), [(here, "profiles", ann)]),
        ("a summary", lambda: Summary.objects.filter(viewer=ann).update(state="hidden"), [(here, "profiles", ann)]),
        ("a recap", lambda: Summary.objects.exclude(stream=None).update(state="hidden"), [(here, "streams", "s-ann")]),
        ("a name", lambda: Viewer.objects.filter(pk=ann).update(display_name="Änn"), [(here, "viewers", ann)]),
        ("a bot", lambda: Viewer.objects.filter(pk=ann).update(is_bot=True), [(None, "visibility", ann)]),
        ("hiding", lambda: Viewer.objects.filter(pk=ann).update(hidden_at=NOON), [(None, "visibility", ann)]),
        ("a bot here", lambda: Profile.objects.update(is_bot=True), [(here, "visibility", ann)]),
        ("hiding here", lambda: Profile.objects.update(visibility="hidden"), [(here, "visibility", ann)]),
        ("summaries", lambda: SummaryPolicy.objects.update(is_on=True), [(here, "anew", "profiles")]),
    ]
    for name, change, expected in deeds:
        assert written(change) == expected, name
    for resource, row in (("segments", segment), ("samples", sample)):
        assert written(row.save) == [(here, resource, str(row.pk))]


def test_what_somebody_hidden_chooses_beside_that_is_not_logged():
    world = World()
    Viewer.objects.filter(pk=world.ann.pk).update(hidden_at=NOON)
    Profile.objects.update(visibility="hidden")
    of_viewer: list[dict[str, Any]] = [{"hidden_at": NOON + HOUR}, {"stopped_at": NOON}, {"is_bot": True}]
    of_page: list[dict[str, Any]] = [{"visibility": "removed"}, {"is_bot": True}]
    for fields in of_viewer:
        assert written(lambda: Viewer.objects.filter(pk=world.ann.pk).update(**fields)) == [], fields  # noqa: B023
    for fields in of_page:
        assert written(lambda: Profile.objects.update(**fields)) == [], fields  # noqa: B023
    shown = written(lambda: Profile.objects.update(visibility=""))
    assert shown == [("lantern", "visibility", world.ann.pk)]


def test_where_pages_are_opt_in_only_those_who_had_asked_for_one_are_logged_when_they_hide():
    world = World()
    Channel.objects.filter(pk=world.channel.pk).update(page_policy="opt-in")
    here = [("lantern", "visibility", world.ann.pk)]
    chosen = [written(lambda: Profile.objects.update(visibility=each)) for each in ("hidden", "shown", "hidden")]  # noqa: B023
    assert chosen == [[], here, here]


def test_it_is_logged_whose_a_row_is_where_its_key_does_not_say_it():
    world = World()
    ViewSession.objects.all().delete()
    Redemption.objects.all().delete()
    ChatEvent.objects.filter(viewer=world.ann).delete()
    for resource in ("sessions", "redemptions", "events"):
        logged = Change.objects.filter(resource=resource)
        assert logged.filter(whose=world.ann.pk).count() > 1, resource


def test_sentences_of_a_summary_count_once_it_is_shown():
    world = World()
    assert written(lambda: Claim.objects.filter(summary=world.summary).update(text="Other.")) == [
        ("lantern", "profiles", world.ann.pk)
    ]
    Summary.objects.update(state="review")
    assert written(lambda: Claim.objects.update(text="Another.")) == []


def test_another_page_policy_is_one_entry_for_everything():
    world = World()
    told = written(lambda: Channel.objects.filter(pk=world.channel.pk).update(page_policy="opt-in"))
    assert told == [("lantern", "anew", ""), (None, "channels", world.channel.twitch_id)]


def test_what_goes_is_logged():
    World()
    told = written(lambda: (Redemption.objects.all().delete(), ViewerEmote.objects.all().delete()))
    assert [resource for _, resource, _ in told] == ["redemptions", "usage"]


def test_what_nobody_is_shown_is_not_logged():
    World()
    now = datetime.now(UTC)
    silent: list[Callable[[], Any]] = [
        lambda: Stream.objects.update(seen_at=now, presence_at=now, counted_at=now, credited_at=now),
        lambda: Viewer.objects.update(named_at=now, details_at=now),
        lambda: ViewerTotal.objects.update(messages=9),
        lambda: ViewerDay.objects.update(messages=9),
        lambda: Profile.objects.update(changed_at=now, chosen="shown"),
        lambda: ViewerEmote.objects.update(settled_before=TODAY, settled_uses=1),
        lambda: Standing.objects.update(messages=1),
    ]
    for deed in silent:
        assert written(deed) == []


def test_a_statement_that_changes_nothing_logs_nothing():
    World()
    assert written(lambda: Redemption.objects.update(cost=5)) == []


def test_a_change_that_is_rolled_back_is_not_logged():
    World()

    def deed() -> None:
        with transaction.atomic():
            Redemption.objects.update(cost=6)
            transaction.set_rollback(True)

    assert written(deed) == []


def test_messages_are_logged_by_the_minute_when_stored_and_one_by_one_when_removed():
    store = Store()
    store.load_all_sets()
    lines = [privmsg("a", id="m1", at=0), privmsg("b", id="m2", at=1), privmsg("c", id="m3", at=61)]
    minute = int(NOON_OF_LINES.timestamp()) // 60
    assert [entry[1:] for entry in written(lambda: store.write(read(*lines))) if entry[1] == "stored"] == [
        ("stored", str(minute)),
        ("stored", str(minute + 1)),
    ]
    Channel.objects.update(retention_days=9999)
    assert written(lambda: Message.objects.filter(pk="m1").update(removed_at=NOON_OF_LINES)) == [
        ("example", "messages", "m1")
    ]
    renamed = written(lambda: Message.objects.filter(pk="m2").update(id="anon-1"))
    assert renamed == [("example", "messages", "anon-1"), ("example", "messages", "m2")]
    assert written(lambda: Message.objects.filter(pk="m3").delete()) == [("example", "messages", "m3")]


NOON_OF_LINES = datetime(2026, 3, 14, 12, tzinfo=UTC)


def test_messages_past_retention_go_without_a_word():
    channel = make_channel(retention_days=1)
    make_message(channel, "ann", "old", at=datetime.now(UTC) - timedelta(days=2))
    assert written(lambda: Message.objects.all().delete()) == []


def test_a_fold_of_many_rows_is_logged_in_no_more_time_than_it_takes_itself():
    """A join in the trigger, planned for one row, would look at each of these for each of the others."""
    channel = make_channel()
    emote = make_emote()
    of_one = "INSERT INTO chat_vieweremote (channel_id, viewer_id, emote_id, uses, first_day, last_day, settled_uses)"
    many = f"{of_one} SELECT %s, number::text, %s, 1, now(), now(), 0 FROM generate_series(%s, %s) number"
    with connection.cursor() as cursor:
        cursor.execute(many, [channel.pk, emote.pk, 1, 1])
        cursor.execute("UPDATE chat_vieweremote SET uses = 2")
        cursor.execute(many, [channel.pk, emote.pk, 2, 20_000])
        cursor.execute("SET statement_timeout = '10s'")
        cursor.execute("UPDATE chat_vieweremote SET uses = 3")
        cursor.execute("RESET statement_timeout")
    assert Change.objects.filter(resource="usage").count() == 40_001
