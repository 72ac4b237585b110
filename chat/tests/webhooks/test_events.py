"""Which events changes are, and what is told of them: what the API would answer, and nothing of who is not shown."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from django.utils.dateparse import parse_datetime

from chat.api.events import TOLD
from chat.models import ChatEvent, Redemption, Reward
from chat.tests.summaries.written import agree, make_claim, make_summary
from chat.webhookevents import KINDS, OTHER
from streams.models import ApiKey, Channel, Delivery, Stream, StreamSegment, Webhook
from streams.sealed import seal
from streams.sync import Departure, Entry, Place
from streams.tests.cast import make_channel
from streams.webhooks.events import EVENTS, GONE, KNOWN, NAMES, QUOTA, TEST
from viewers.models import Award, Profile, Viewer, ViewerTotal, WikiRevision
from viewers.tests.cast import make_viewer

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 21, 20, tzinfo=UTC)


@pytest.fixture
def channel():
    return make_channel()


@pytest.fixture
def ann(channel):
    return make_viewer(channel, "ann")


def entry(resource, key, **fields):
    return Entry(**{"place": Place(7, str(key), resource), "at": NOW, **fields})


def found(channel, resource, *keys):
    entries = [entry(resource, key) for key in keys]
    return list(KNOWN.by_resource[resource].found(channel, entries))


def names(these):
    return [each.event for each in these]


def told(channel, these):
    return [KNOWN.by_event[each.event].told(channel, each.event, each.key) for each in these]


def test_every_event_that_can_be_chosen_has_a_source_and_no_other_but_the_test():
    assert set(KNOWN.by_event) - {TEST} == NAMES
    assert len(NAMES) == len(EVENTS)


def test_every_kind_that_the_api_tells_is_in_some_event():
    assert set(KINDS) <= set(TOLD)
    assert {KINDS.get(kind, OTHER) for kind in TOLD} <= NAMES


def make_stream(channel, **fields):
    return Stream.objects.create(**{"id": "s1", "channel": channel, "started_at": NOW, "title": "Bread", **fields})


def test_a_stream_that_begins_is_told_once_however_often_it_is_counted(channel):
    make_stream(channel)
    first, again = found(channel, "streams", "s1"), found(channel, "streams", "s1")
    assert names(first) == ["stream.online"]
    assert first[0].id == again[0].id == "stream.online.s1"
    assert told(channel, first)[0]["stream"]["title"] == "Bread"


def test_one_that_ended_tells_its_end_and_when_it_was(channel):
    make_stream(channel, ended_at=NOW + timedelta(hours=2))
    online, offline = found(channel, "streams", "s1")
    assert (offline.event, offline.at) == ("stream.offline", NOW + timedelta(hours=2))
    assert online.at == NOW


def test_a_stream_that_goes_on_after_all_ends_twice(channel):
    stream = make_stream(channel, ended_at=NOW + timedelta(hours=2))
    before = found(channel, "streams", "s1")[1].id
    Stream.objects.update(ended_at=NOW + timedelta(hours=3))
    assert found(channel, "streams", stream.pk)[1].id != before


def test_another_title_or_category_is_told_and_a_drop_out_is_not(channel):
    stream = make_stream(channel)
    told_of = []
    for hour, title, category in ((0, "Bread", "1"), (1, "Bread", "1"), (2, "Buns", "1"), (3, "Buns", "2")):
        at = NOW + timedelta(hours=hour)
        segment = StreamSegment.objects.create(stream=stream, started_at=at, title=title, category_id=category)
        told_of.append(segment.pk)
    changed = found(channel, "segments", *told_of)
    assert [each.at.hour for each in changed] == [22, 23]
    assert told(channel, changed)[0]["stream"]["id"] == "s1"


def make_event(channel, viewer, **fields):
    return ChatEvent.objects.create(
        **{
            "id": "e1",
            "channel": channel,
            "viewer": viewer,
            "kind": "resub",
            "occurred_at": NOW,
            "text": "secret",
            **fields,
        }
    )


def test_a_subscription_is_told_without_anybodys_words(channel, ann):
    make_event(channel, ann)
    (event,) = found(channel, "events", "e1")
    assert (event.event, event.id, event.viewer_id) == ("chat.subscription", "chat.subscription.e1", ann.pk)
    (content,) = told(channel, [event])
    assert content["event"]["viewer"] == ann.pk
    assert "secret" not in str(content)


@pytest.mark.parametrize("fields", [{"kind": "follow"}, {"same_as": "e0"}, {"source_channel_id": "9"}, {"kind": "new"}])
def test_what_the_api_does_not_tell_is_no_event(channel, ann, fields):
    make_event(channel, ann, **fields)
    assert found(channel, "events", "e1") == []


def test_what_chat_and_eventsub_both_tell_is_told_once(channel, ann):
    make_event(channel, ann, told_by="channel.subscription.message")
    (first,) = found(channel, "events", "e1")
    webhook = Webhook.objects.create(channel=channel, url="https://example.org/", events=[], secret="")
    Delivery.objects.create(webhook=webhook, event=first.event, event_id=first.id)
    ChatEvent.objects.update(same_as="e2")
    make_event(channel, ann, id="e2", occurred_at=NOW + timedelta(seconds=3))
    (better,) = found(channel, "events", "e1", "e2")
    assert better.key == "e2"
    assert better.id == first.id


def make_redemption(channel, viewer, **fields):
    reward = Reward.objects.create(channel=channel, twitch_id="w", title="Water")
    return Redemption.objects.create(
        **{"id": "r1", "channel": channel, "viewer": viewer, "reward": reward, "cost": 5, "redeemed_at": NOW}
        | {"status": "unfulfilled", "text": "secret", **fields}
    )


def test_points_that_are_spent_are_told_and_then_what_became_of_them(channel, ann):
    make_redemption(channel, ann)
    new = found(channel, "redemptions", "r1")
    Redemption.objects.update(status="canceled")
    changed = found(channel, "redemptions", "r1")
    assert names(new) == ["redemption.new"]
    assert names(changed) == ["redemption.new", "redemption.changed"]
    assert new[0].id == changed[0].id
    (content,) = told(channel, changed[1:])
    assert content["redemption"]["status"] == "canceled"
    assert "secret" not in str(content)


def test_an_achievement_is_told_under_an_id_that_names_nobody(channel, ann):
    Award.objects.create(channel=channel, viewer=ann, achievement="days", level=1, earned_at=NOW, value=10)
    (earned,) = found(channel, "awards", f"{ann.pk}:days:1")
    assert earned.event == "achievement.earned"
    assert ann.pk not in earned.id
    assert told(channel, [earned])[0]["achievement"]["viewer"] == ann.pk


def write(page, number, at, **fields):
    revision = WikiRevision.objects.create(
        profile=page, number=number, text=f"I bake {number}.", role="viewer", **fields
    )
    WikiRevision.objects.filter(pk=revision.pk).update(made_at=at)
    Profile.objects.filter(pk=page.pk).update(current=None if fields else revision)


def test_a_text_is_told_when_it_was_written_and_not_when_the_page_changed_otherwise(channel, ann):
    page = Profile.objects.create(channel=channel, viewer=ann)
    write(page, 1, NOW - timedelta(days=100))
    (old,) = found(channel, "profiles", ann.pk)
    assert old.at == NOW - timedelta(days=100)
    write(page, 2, NOW)
    (new,) = found(channel, "profiles", ann.pk)
    assert (new.event, new.at) == ("profile.changed", NOW)
    assert new.id != old.id
    assert told(channel, [new])[0]["text"]["markdown"] == "I bake 2."


def test_a_text_that_was_withdrawn_is_told_as_none(channel, ann):
    page = Profile.objects.create(channel=channel, viewer=ann)
    write(page, 1, NOW - timedelta(days=1), withdrawn_at=NOW)
    (gone,) = found(channel, "profiles", ann.pk)
    assert gone.at == NOW
    assert told(channel, [gone]) == [{"viewer": ann.pk, "text": None}]


def test_a_page_without_words_is_no_event(channel, ann):
    Profile.objects.create(channel=channel, viewer=ann)
    assert found(channel, "profiles", ann.pk) == []


def test_a_summary_is_told_when_it_is_published(channel, ann):
    agree(ann)
    summary = make_summary(channel, ann, made_at=NOW)
    make_claim(summary, "Bakes.")
    (published,) = found(channel, "profiles", ann.pk)
    assert (published.event, published.at) == ("summary.published", NOW)
    assert told(channel, [published])[0]["summary"]["claims"] == [{"part": "portrait", "text": "Bakes."}]


def hide(viewer, channel, how):
    if how == "everywhere":
        Viewer.objects.filter(pk=viewer.pk).update(hidden_at=NOW)
    elif how == "opt-in":
        Channel.objects.update(page_policy="opt_in")
    else:
        Profile.objects.update_or_create(channel=channel, viewer=viewer, defaults={"visibility": how})


@pytest.mark.parametrize("how", ["everywhere", "hidden", "removed"])
def test_of_who_is_not_shown_nothing_is_told(channel, ann, how):
    make_event(channel, ann)
    make_redemption(channel, ann)
    Award.objects.create(channel=channel, viewer=ann, achievement="days", level=1, earned_at=NOW)
    write(Profile.objects.create(channel=channel, viewer=ann), 1, NOW)
    keys = {"events": "e1", "redemptions": "r1", "awards": f"{ann.pk}:days:1", "profiles": ann.pk}
    events = [each for resource, key in keys.items() for each in found(channel, resource, key)]
    assert len(events) == 4
    hide(ann, channel, how)
    assert [each for resource, key in keys.items() for each in found(channel, resource, key)] == []
    assert told(channel, events) == [None] * 4


@pytest.mark.parametrize("how", ["everywhere", "hidden", "removed"])
def test_whoever_was_told_of_somebody_is_told_that_they_are_gone(channel, ann, how):
    assert found(channel, "visibility", ann.pk) == []
    hide(ann, channel, how)
    (gone,) = found(channel, "visibility", ann.pk)
    assert gone.event == GONE
    assert ann.pk not in gone.id
    assert told(channel, [gone]) == [{"viewer": ann.pk}]


def test_who_is_back_when_it_is_sent_is_not_told_as_gone(channel, ann):
    hide(ann, channel, "everywhere")
    (gone,) = found(channel, "visibility", ann.pk)
    Viewer.objects.update(hidden_at=None)
    assert told(channel, [gone]) == [None]


def test_who_hides_everywhere_is_told_of_where_they_were_alone(channel, ann):
    elsewhere = make_channel("other")
    hide(ann, channel, "everywhere")
    assert found(elsewhere, "visibility", ann.pk) == []


def test_where_pages_are_opt_in_nobody_is_told_of_who_never_had_one(channel, ann):
    hide(ann, channel, "opt-in")
    assert found(channel, "visibility", ann.pk) == []


def departed(*viewers):
    return [entry("visibility", f"~{viewer}", sealed=Departure(viewer, {}).sealed()) for viewer in viewers]


def test_of_who_was_erased_it_is_told_without_keeping_who_it_is(channel):
    (gone,) = KNOWN.by_resource["visibility"].found(channel, departed("1001"))
    assert (gone.key, gone.viewer_id, gone.is_secret) == ("1001", "", True)
    assert "1001" not in gone.id
    assert told(channel, [gone]) == [{"viewer": "1001"}]


def test_who_was_purged_is_gone_until_they_come_back(channel, ann):
    (gone,) = KNOWN.by_resource["visibility"].found(channel, departed(ann.pk))
    assert told(channel, [gone]) == [None]
    ViewerTotal.objects.all().delete()
    assert told(channel, [gone]) == [{"viewer": ann.pk}]


def test_other_sealed_entries_are_no_events(channel):
    """They are of rows of which nobody is told, or that say the same of the channel."""
    for resource in set(KNOWN.by_resource) - {"visibility", "quota", ""}:
        assert list(KNOWN.by_resource[resource].found(channel, [entry(resource, "~x", sealed=seal('["1"]'))])) == []
    nobody = [entry("visibility", "~x", sealed=Departure("", {"events": ["1"]}).sealed())]
    assert list(KNOWN.by_resource["visibility"].found(channel, nobody)) == []


def test_a_key_that_is_used_up_is_told_by_its_prefix(channel):
    key = ApiKey.objects.create(channel=channel, name="Site", prefix="ss_abc", digest="d")
    (warning,) = found(channel, "quota", f"{key.pk}:2026-11-21:90")
    assert (warning.event, warning.at) == (QUOTA, NOW)
    assert told(channel, [warning]) == [{"key": "ss_abc", "day": "2026-11-21", "percent": 90}]
    assert told(make_channel("other"), [warning]) == [None]


def test_thousands_of_changes_take_no_more_queries_than_a_few(channel, ann, django_assert_max_num_queries):
    make_redemption(channel, ann)
    keys = {
        "streams": ["s"], "segments": ["1"], "events": ["e"], "redemptions": ["r1"],
        "awards": [f"{ann.pk}:days:1"], "profiles": [ann.pk], "visibility": [ann.pk],
    }  # fmt: skip
    for resource, named in keys.items():
        with django_assert_max_num_queries(4):
            found(channel, resource, *named, *(f"none{number}" for number in range(500)))


def test_what_is_told_is_json_as_the_api_writes_it(channel, ann):
    make_event(channel, ann)
    (content,) = told(channel, found(channel, "events", "e1"))
    assert parse_datetime(content["event"]["occurred_at"]) == NOW
    assert SimpleNamespace(**content["event"]).kind == "resub"
