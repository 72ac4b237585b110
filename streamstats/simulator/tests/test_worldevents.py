"""What EventSub tells of the world: the same as chat, where chat tells it, and what chat never hears of."""

import asyncio
import json
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import ClientSession

from chat.ingest.eventsub import parse
from chat.ingest.eventsub_events import Notification
from chat.ingest.eventsub_topics import KINDS
from streamstats.simulator.feeds import CHUNK_MS, LiveWorld
from streamstats.simulator.moments import HOUR, milliseconds, moment
from streamstats.simulator.oauth import issue
from streamstats.simulator.schedule import Broadcast
from streamstats.simulator.server import SimulatedTwitch
from streamstats.simulator.showing import showings
from streamstats.simulator.stage import Line
from streamstats.simulator.tests.test_feeds import FakeClock
from streamstats.simulator.world import DEMO, PARTNER, World
from streamstats.simulator.worldevents import SimEvent, emote_places, fragments, frame
from streamstats.simulator.worldfacts import WorldFacts

START = datetime(2026, 3, 1, tzinfo=UTC)
END = datetime(2026, 3, 31, tzinfo=UTC)
SPAN = milliseconds(START), milliseconds(END)
NEAR_MS = 2000
REDEMPTION = "channel.channel_points_custom_reward_redemption"
SEED = 7
"""Of a month in which everything happens."""


@pytest.fixture(scope="module")
def world() -> World:
    return World(SEED)


@pytest.fixture(scope="module")
def events(world: World) -> list[SimEvent]:
    return list(world.events(DEMO, *SPAN))


@pytest.fixture(scope="module")
def partner(world: World) -> list[SimEvent]:
    return list(world.events(PARTNER, *SPAN))


@pytest.fixture(scope="module")
def by_type(events: list[SimEvent]) -> dict[str, list[SimEvent]]:
    found: dict[str, list[SimEvent]] = defaultdict(list)
    for event in events:
        found[event.type].append(event)
    return found


@pytest.fixture(scope="module")
def lines(world: World) -> list[Line]:
    """What was said in the channel's own room; copies of a shared chat are told in the other."""
    room = DEMO.twitch_id
    return [line for line in world.lines(DEMO, *SPAN) if line.tags.get("source-room-id", room) == room]


@pytest.fixture(scope="module")
def notices(lines: list[Line]) -> dict[str, list[Line]]:
    found: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        if " USERNOTICE " in line.rest:
            found[str(line.tags["msg-id"])].append(line)
    return found


@pytest.fixture(scope="module")
def shows(world: World) -> list[Broadcast]:
    return world.broadcasts(DEMO, START, END)


def twins(lines: list[Line], told: list[SimEvent]) -> list[tuple[Line, SimEvent]]:
    """Pair each line with the event that was told for it. There is one of the other for every one."""
    assert len(lines) == len(told) > 0
    left, pairs = list(told), []
    for line in lines:
        near = [event for event in left if 0 <= event.at_ms - line.at_ms <= NEAR_MS and is_about(line, event)]
        assert near, f"nothing was told for {line}"
        left.remove(near[0])
        pairs.append((line, near[0]))
    return pairs


def is_about(line: Line, event: SimEvent) -> bool:
    target = line.tags.get("msg-param-recipient-id") or line.tags.get("target-user-id") or line.tags.get("user-id")
    user = event.event.get("user_id") or event.event.get("from_broadcaster_user_id")
    return user == target or event.event.get("is_anonymous") is True


def text_of(line: Line) -> str:
    return line.rest.partition(" :")[2]


# It is the same world every time.


def test_the_same_is_told_every_time_in_parts_or_at_once(world: World, events: list[SimEvent]) -> None:
    week = milliseconds(START + timedelta(days=7))
    probe = [event for event in events if event.at_ms < week]
    other = World(SEED)
    parts: list[SimEvent] = []
    for start_ms in range(SPAN[0], week, 7 * HOUR):
        parts += other.events(DEMO, start_ms, min(start_ms + 7 * HOUR, week))
    assert parts == probe


def test_another_world_tells_something_else(events: list[SimEvent]) -> None:
    until_ms = SPAN[0] + 100 * HOUR
    other = [event.event for event in World(SEED + 1).events(DEMO, SPAN[0], until_ms)]
    assert other
    assert other != [event.event for event in events if event.at_ms < until_ms]


def test_events_are_in_order_and_within_their_span(events: list[SimEvent], partner: list[SimEvent]) -> None:
    for told in (events, partner):
        times = [event.at_ms for event in told]
        assert times == sorted(times)
        assert SPAN[0] <= times[0] < times[-1] < SPAN[1]


def test_no_id_is_used_twice(events: list[SimEvent], partner: list[SimEvent]) -> None:
    ids = [event.message_id for event in (*events, *partner)]
    assert len(ids) == len(set(ids))


def test_telling_does_not_change_what_people_write(world: World, by_type: dict[str, list[SimEvent]]) -> None:
    assert by_type
    day = milliseconds(START + timedelta(days=4)), milliseconds(START + timedelta(days=7))
    lines = list(World(SEED).lines(DEMO, *day))
    assert lines
    assert list(world.lines(DEMO, *day)) == lines


# Everything we ask for happens.


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.type} {' '.join(kind.condition)}")
def test_a_month_has_events_of_every_type(by_type: dict[str, list[SimEvent]], kind: Any) -> None:
    found = [event for event in by_type[kind.type] if set(event.condition) == set(kind.condition)]
    assert found
    assert {event.version for event in found} == {kind.version}


def test_events_are_told_to_who_asked_about_the_channel(events: list[SimEvent]) -> None:
    conditions = {value for event in events if event.type != "user.update" for value in event.condition.values()}
    assert conditions == {DEMO.twitch_id}


def test_a_frame_is_a_notification(events: list[SimEvent]) -> None:
    told = next(event for event in events if event.type == "channel.follow")
    envelope = json.loads(frame(told))
    own = {"broadcaster_user_id": DEMO.twitch_id, "moderator_user_id": DEMO.twitch_id}
    assert envelope["metadata"] == {
        "message_id": told.message_id,
        "message_type": "notification",
        "message_timestamp": f"{moment(told.at_ms):%Y-%m-%dT%H:%M:%S}.{told.at_ms % 1000:03}000000Z",
        "subscription_type": "channel.follow",
        "subscription_version": "2",
    }
    subscription = envelope["payload"]["subscription"]
    assert (subscription["type"], subscription["version"], subscription["condition"]) == ("channel.follow", "2", own)
    assert subscription.keys() == {"id", "status", "type", "version", "cost", "condition", "transport", "created_at"}
    assert envelope["payload"]["event"] == told.event


def test_every_frame_can_be_read(events: list[SimEvent]) -> None:
    for event in events:
        told = parse(frame(event))
        assert isinstance(told, Notification), told
        assert (told.type, told.sent_ms) == (event.type, event.at_ms)


# Streams.


def test_streams_go_on_and_off_air_when_the_broadcasts_do(
    by_type: dict[str, list[SimEvent]], shows: list[Broadcast]
) -> None:
    online = [(event.at_ms, event.event["id"]) for event in by_type["stream.online"]]
    assert online == [(show.started_ms, show.id) for show in shows]
    assert [event.at_ms for event in by_type["stream.offline"]] == [show.ended_ms for show in shows]


def test_the_end_is_told_by_whoever_asks_from_then_on(world: World, shows: list[Broadcast]) -> None:
    ended_ms = shows[0].ended_ms
    assert [event.type for event in world.events(DEMO, ended_ms, ended_ms + 1)] == ["stream.offline"]


def test_nothing_of_a_stream_is_told_while_it_is_off_air(events: list[SimEvent], shows: list[Broadcast]) -> None:
    for event in events:
        if event.type not in ("user.update", "channel.subscription.end"):
            assert any(show.started_ms <= event.at_ms <= show.ended_ms for show in shows), event


def test_a_stream_has_its_title_first_and_changes_it_once_to_thrice(
    by_type: dict[str, list[SimEvent]], shows: list[Broadcast]
) -> None:
    told = [(event.at_ms, event.event["title"]) for event in by_type["channel.update"]]
    assert told == [(showing.at_ms, showing.title) for show in shows for showing in showings(show)]
    for show in shows:
        first, *others = showings(show)
        assert (first.at_ms, first.title) == (show.started_ms, show.title)
        assert len(others) in (1, 2, 3)


# Twins of what chat tells.


def test_a_cheer_is_told_twice_more(lines: list[Line], by_type: dict[str, list[SimEvent]]) -> None:
    messages = [line for line in lines if "bits" in line.tags]
    uses = [event for event in by_type["channel.bits.use"] if event.event["type"] == "cheer"]
    for line, event in twins(messages, by_type["channel.cheer"]):
        assert (event.event["bits"], event.event["message"]) == (line.tags["bits"], text_of(line))
    for line, event in twins(messages, uses):
        assert (event.event["bits"], event.event["message"]["text"]) == (line.tags["bits"], text_of(line))


def test_a_resubscription_has_the_months_of_its_notice(
    notices: dict[str, list[Line]], by_type: dict[str, list[SimEvent]]
) -> None:
    for line, event in twins(notices["resub"], by_type["channel.subscription.message"]):
        assert event.event["cumulative_months"] == line.tags["msg-param-cumulative-months"]
        assert event.event["streak_months"] == line.tags["msg-param-streak-months"]
        assert event.event["message"]["text"] == text_of(line)
        assert event.event["user_login"] == line.tags["login"]


def test_who_subscribes_or_is_given_it_is_told(
    notices: dict[str, list[Line]], by_type: dict[str, list[SimEvent]]
) -> None:
    own = [event for event in by_type["channel.subscribe"] if not event.event["is_gift"]]
    given = [event for event in by_type["channel.subscribe"] if event.event["is_gift"]]
    for _, event in twins(notices["sub"], own):
        assert event.event["tier"] in ("1000", "2000", "3000")  # Prime is no tier
    for line, event in twins(notices["subgift"], given):
        assert event.event["user_login"] == line.tags["msg-param-recipient-user-name"]


def test_gifts_are_told_once_for_all_of_them(
    notices: dict[str, list[Line]], by_type: dict[str, list[SimEvent]]
) -> None:
    single = [line for line in notices["subgift"] if "msg-param-community-gift-id" not in line.tags]
    gifts = [event for event in by_type["channel.subscription.gift"] if event.event["total"] == 1]
    bombs = [event for event in by_type["channel.subscription.gift"] if event.event["total"] > 1]
    assert {event.event["is_anonymous"] for event in gifts} == {True, False}
    for line, event in twins(notices["submysterygift"], bombs):
        assert event.event["total"] == line.tags["msg-param-mass-gift-count"]
        assert event.event["cumulative_total"] == line.tags["msg-param-sender-count"]
    senders = [line.tags["user-id"] if line.tags["user-id"] != "274598607" else None for line in single]
    assert sorted(map(str, senders)) == sorted(str(event.event["user_id"]) for event in gifts)


def test_raids_are_told_with_their_viewers(notices: dict[str, list[Line]], by_type: dict[str, list[SimEvent]]) -> None:
    arriving = [event for event in by_type["channel.raid"] if "to_broadcaster_user_id" in event.condition]
    for line, event in twins(notices["raid"], arriving):
        assert event.event["viewers"] == line.tags["msg-param-viewerCount"]


def test_bans_and_timeouts_are_told_with_a_moderator(lines: list[Line], by_type: dict[str, list[SimEvent]]) -> None:
    deeds = [line for line in lines if " CLEARCHAT " in line.rest]
    for line, event in twins(deeds, by_type["channel.ban"]):
        seconds = line.tags.get("ban-duration")
        assert event.event["is_permanent"] == (seconds is None)
        assert event.event["user_login"] == text_of(line)
        assert event.event["moderator_user_login"]
        if seconds is not None:
            ends_ms = milliseconds(datetime.fromisoformat(event.event["ends_at"][:23] + "+00:00"))
            assert ends_ms == line.at_ms + int(seconds) * 1000
    assert any(event.event["reason"] for event in by_type["channel.ban"])


def test_a_moderators_deed_has_one_object_of_its_name(by_type: dict[str, list[SimEvent]]) -> None:
    actions = {event.event["action"] for event in by_type["channel.moderate"]}
    assert actions >= {
        "ban",
        "timeout",
        "untimeout",
        "delete",
        "slow",
        "slowoff",
        "vip",
        "unvip",
        "mod",
        "unmod",
        "raid",
    }
    for event in by_type["channel.moderate"]:
        objects = {name for name, value in event.event.items() if isinstance(value, dict)}
        assert objects == ({event.event["action"]} - {"slowoff"})


def test_a_deleted_message_is_named(lines: list[Line], by_type: dict[str, list[SimEvent]]) -> None:
    deleted = [event.event["delete"] for event in by_type["channel.moderate"] if event.event["action"] == "delete"]
    told = sorted((each["message_id"], each["user_login"], each["message_body"]) for each in deleted)
    said = [line for line in lines if " CLEARMSG " in line.rest]
    assert told == sorted((line.tags["target-msg-id"], line.tags["login"], text_of(line)) for line in said)


# Points, and what chat never hears of.


def test_rewards_with_words_are_told_by_chat_too(lines: list[Line], by_type: dict[str, list[SimEvent]]) -> None:
    added = [event for event in by_type[f"{REDEMPTION}.add"] if event.event["user_input"]]
    for line, event in twins([line for line in lines if "custom-reward-id" in line.tags], added):
        assert event.event["reward"]["id"] == line.tags["custom-reward-id"]
        assert event.event["user_input"] == text_of(line)


def test_most_redemptions_are_settled_later(by_type: dict[str, list[SimEvent]]) -> None:
    added = {event.event["id"]: event for event in by_type[f"{REDEMPTION}.add"]}
    settled = by_type[f"{REDEMPTION}.update"]
    assert len(added) * 0.8 < len(settled) < len(added)
    for event in settled:
        before = added[event.event["id"]]
        assert before.at_ms < event.at_ms
        assert {**event.event, "status": "unfulfilled"} == before.event
    assert {event.event["status"] for event in settled} == {"fulfilled", "canceled"}


def test_nobody_follows_twice(by_type: dict[str, list[SimEvent]]) -> None:
    followers = [event.event["user_id"] for event in by_type["channel.follow"]]
    assert len(followers) == len(set(followers)) > 20


def test_whoever_takes_a_new_name_is_told_of(world: World, by_type: dict[str, list[SimEvent]]) -> None:
    told = {(event.at_ms, event.event["user_id"], event.event["user_login"]) for event in by_type["user.update"]}
    renamed = {
        (name.since_ms, person.twitch_id, name.login)
        for person in world.crowds[DEMO].regulars
        for name in person.names[1:]
        if SPAN[0] <= name.since_ms < SPAN[1]
    }
    assert renamed
    assert {each for each in told if each[1] != DEMO.twitch_id} == renamed


def test_a_shared_chat_is_one_session_of_both_channels(
    partner: list[SimEvent], by_type: dict[str, list[SimEvent]]
) -> None:
    told = [event for event in partner if event.type == "channel.shared_chat.begin"]
    ours = by_type["channel.shared_chat.begin"]
    assert [event.event["session_id"] for event in told] == [event.event["session_id"] for event in ours]
    for event in (*told, *ours):
        participants = {each["broadcaster_user_id"] for each in event.event["participants"]}
        assert participants == {DEMO.twitch_id, PARTNER.twitch_id}
        assert event.event["host_broadcaster_user_id"] == DEMO.twitch_id


def test_questions_end_after_they_began(by_type: dict[str, list[SimEvent]]) -> None:
    for kind in ("channel.poll.end", "channel.prediction.end", "channel.hype_train.end"):
        for event in by_type[kind]:
            assert event.event["started_at"] < event.event["ended_at"]


def test_texts_are_cut_at_emotes_and_cheers() -> None:
    parts = fragments("Cheer100 well done Kappa !", {"Kappa": "25"})
    assert [(part["type"], part["text"]) for part in parts] == [
        ("cheermote", "Cheer100"),
        ("text", " well done "),
        ("emote", "Kappa"),
        ("text", " !"),
    ]
    assert parts[0]["cheermote"] == {"prefix": "cheer", "bits": 100, "tier": 100}
    assert parts[2]["emote"] == {"id": "25"}


def test_emotes_of_a_resubscription_have_their_places() -> None:
    assert emote_places("25:0-4,8-12/9:14-15") == [
        {"begin": 0, "end": 4, "id": "25"},
        {"begin": 8, "end": 12, "id": "25"},
        {"begin": 14, "end": 15, "id": "9"},
    ]
    assert emote_places("") == []


# Live.


def test_events_are_told_live_to_the_owner_and_to_moderators(world: World, events: list[SimEvent]) -> None:
    """A moderator's subscription names the moderator; what is told is the same."""
    deed = next(event for event in events if event.type == "channel.moderate")
    start_ms = deed.at_ms - CHUNK_MS // 2
    clock = FakeClock(start_ms)
    facts = WorldFacts(world, lambda: moment(clock.now_ms), "")
    scopes = [group for kind in KINDS if kind.type == deed.type for names in kind.scopes for group in names]
    bot = facts.moderators(DEMO.twitch_id)[0].id

    rooms = {channel.login: channel.twitch_id for channel in world.channels}

    async def run() -> None:
        async with SimulatedTwitch(rooms, facts=facts) as twitch, ClientSession() as http:
            for user in (DEMO.twitch_id, bot):
                token = issue(user, scopes).access_token
                socket = await http.ws_connect(twitch.addresses["TWITCH_EVENTSUB_WS_URL"])
                session_id = (await socket.receive_json())["payload"]["session"]["id"]
                body = {
                    "type": deed.type,
                    "version": deed.version,
                    "condition": {"broadcaster_user_id": DEMO.twitch_id, "moderator_user_id": user},
                    "transport": {"method": "websocket", "session_id": session_id},
                }
                headers = {"Authorization": f"Bearer {token}", "Client-Id": twitch.addresses["TWITCH_CLIENT_ID"]}
                url = twitch.addresses["TWITCH_EVENTSUB_SUBSCRIPTION_URL"]
                async with http.post(url, json=body, headers=headers) as answer:
                    assert answer.status == 202
                heard.append(socket)
            live = LiveWorld(twitch, world, clock.milliseconds, clock.sleep, is_changing_sets=False)
            twitch.start(live.play())
            for socket in heard:
                envelope = await asyncio.wait_for(socket.receive_json(), 5)
                assert envelope["metadata"]["message_id"] == deed.message_id
                assert envelope["payload"]["event"] == deed.event

    heard: list[Any] = []
    asyncio.run(run())
