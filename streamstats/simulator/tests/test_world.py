"""A month of the world."""

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from chat.ingest.events import ChatMessage, Event, MessageDeleted, RoomNotice, RoomState, UserNotice, ViewerCleared
from chat.ingest.irc import parse, parse_tags
from streamstats.simulator.emotesets import twitch_emotes
from streamstats.simulator.moments import HOUR, milliseconds
from streamstats.simulator.person import BOTS
from streamstats.simulator.wire import SINGLE_GIFT
from streamstats.simulator.world import DEMO, PARTNER, World

START = datetime(2026, 3, 1, tzinfo=UTC)
END = START + timedelta(days=30)
PROBE = (START + timedelta(days=9), START + timedelta(days=12))
AUTHOR_TAGS = {"badge-info", "badges", "color", "display-name", "mod", "subscriber", "turbo", "user-id", "user-type"}
MESSAGE_TAGS = AUTHOR_TAGS | {"emotes", "first-msg", "flags", "id", "returning-chatter", "room-id", "tmi-sent-ts"}
NOTICE_TAGS = MESSAGE_TAGS - {"first-msg", "returning-chatter"} | {"login", "msg-id", "system-msg"}


@pytest.fixture(scope="module")
def world() -> World:
    return World(seed=11)


@pytest.fixture(scope="module")
def month(world: World) -> list[bytes]:
    return list(world.history(START, END))


@pytest.fixture(scope="module")
def probe() -> list[bytes]:
    """Three days of another world."""
    return list(World(seed=3).history(*PROBE))


@pytest.fixture(scope="module")
def events(month: list[bytes]) -> list[Event]:
    return [parse(line.decode()) for line in month]


@pytest.fixture(scope="module")
def messages(events: list[Event]) -> list[ChatMessage]:
    return [event for event in events if isinstance(event, ChatMessage)]


@pytest.fixture(scope="module")
def notices(events: list[Event]) -> list[UserNotice]:
    return [event for event in events if isinstance(event, UserNotice)]


# It is the same world every time.


def test_a_seed_says_the_same_every_time(probe: list[bytes]) -> None:
    assert list(World(seed=3).history(*PROBE)) == probe


def test_another_seed_says_something_else(probe: list[bytes]) -> None:
    assert list(World(seed=4).history(*PROBE)) != probe


def test_a_span_is_the_sum_of_its_parts(probe: list[bytes]) -> None:
    start, end = PROBE
    middle = start + timedelta(hours=43, minutes=17)
    parts = [*World(seed=3).history(start, middle), *World(seed=3).history(middle, end)]
    assert parts == probe


def test_it_does_not_matter_what_was_asked_before(world: World, month: list[bytes]) -> None:
    asked_late = list(world.history(START + timedelta(days=20), END))
    assert asked_late == month[-len(asked_late) :]


# Its lines are Twitch's.


def test_a_month_is_as_long_as_a_demo_can_bear(month: list[bytes]) -> None:
    assert 60_000 < len(month) < 120_000


def test_every_line_can_be_read(events: list[Event]) -> None:
    kinds = {type(event) for event in events}
    assert kinds == {ChatMessage, UserNotice, ViewerCleared, MessageDeleted, RoomState, RoomNotice}


def test_every_message_and_notice_has_its_tags(month: list[bytes]) -> None:
    for line in month:
        tagged, _, rest = line.decode().partition(" ")
        tags = parse_tags(tagged.removeprefix("@")).keys()
        assert " PRIVMSG " not in rest or tags >= MESSAGE_TAGS, line
        assert " USERNOTICE " not in rest or tags >= NOTICE_TAGS, line


def test_lines_are_in_order_of_time(messages: list[ChatMessage]) -> None:
    assert all(before.sent_ms <= after.sent_ms for before, after in pairwise(messages))


def test_no_line_is_outside_its_span(messages: list[ChatMessage]) -> None:
    assert milliseconds(START) <= messages[0].sent_ms
    assert messages[-1].sent_ms < milliseconds(END)


def test_no_id_is_used_twice(messages: list[ChatMessage], notices: list[UserNotice]) -> None:
    ids = Counter([message.id for message in messages] + [notice.id for notice in notices])
    assert ids.most_common(1)[0][1] == 1


def test_emote_ranges_cover_the_names_of_emotes(messages: list[ChatMessage]) -> None:
    names = {emote_id: name for room in (DEMO, PARTNER) for name, emote_id in twitch_emotes(room).items()}
    assert all(m.text[start:end] == names[emote_id] for m in messages for start, end, emote_id in m.emotes)


def test_emotes_stand_behind_astral_characters_too(messages: list[ChatMessage]) -> None:
    assert any(m.emotes and any(ord(character) > 0xFFFF for character in m.text[: m.emotes[-1][0]]) for m in messages)


@pytest.mark.parametrize(
    "kind",
    [
        *("sub", "resub", "subgift", "submysterygift", "giftpaidupgrade"),
        *("raid", "announcement", "viewermilestone", "bitsbadgetier"),
    ],
)
def test_a_month_has_notices_of_every_kind(notices: list[UserNotice], kind: str) -> None:
    assert any(notice.kind == kind for notice in notices)


@pytest.mark.parametrize(
    ("what", "has"),
    [
        pytest.param("cheers", lambda m: m.bits > 0, id="cheers"),
        pytest.param("replies", lambda m: m.reply_to_id != "", id="replies"),
        pytest.param("/me", lambda m: m.is_action, id="/me"),
        pytest.param("first messages", lambda m: m.is_first, id="first messages"),
        pytest.param("returns", lambda m: m.is_returning, id="returns"),
        pytest.param("rewards", lambda m: m.reward_id != "", id="rewards"),
        pytest.param("highlights", lambda m: m.notice == "highlighted-message", id="highlights"),
        pytest.param("copies", lambda m: m.source_room_id == PARTNER.twitch_id, id="shared chat"),
        pytest.param("other scripts", lambda m: not m.display_name.isascii(), id="other scripts"),
    ],
)
def test_a_month_has_messages_of_every_sort(messages: list[ChatMessage], what: str, has) -> None:
    assert any(has(message) for message in messages), what


def test_a_gift_bomb_has_as_many_members_as_it_says(notices: list[UserNotice]) -> None:
    bombs = {n.params["origin-id"]: int(n.params["mass-gift-count"]) for n in notices if n.kind == "submysterygift"}
    members = Counter(
        n.params["origin-id"] for n in notices if n.params.get("community-gift-id") and n.kind == "subgift"
    )
    assert bombs
    assert members == bombs


def test_single_gifts_have_one_origin_in_common(notices: list[UserNotice]) -> None:
    single = [n for n in notices if n.kind == "subgift" and not n.params.get("community-gift-id")]
    assert len(single) > 1
    assert {n.params["origin-id"] for n in single} == {SINGLE_GIFT}


def test_a_copy_of_a_shared_chat_names_what_was_said_in_the_other_room(
    world: World, messages: list[ChatMessage]
) -> None:
    copies = {m.source_id for m in messages if m.source_room_id}
    shared = [show for show in world.broadcasts(PARTNER, START, END) if show.shared_ms]
    there = (parse(line.raw().decode()) for show in shared for line in world.evening(show))
    assert copies <= {e.id for e in there if isinstance(e, ChatMessage) and not e.source_room_id}


# Its people are like people.


def test_a_few_talk_a_lot_and_many_a_little(messages: list[ChatMessage]) -> None:
    counts = sorted(Counter(m.user_id for m in messages).values(), reverse=True)
    assert 300 < len(counts) < 900
    assert sum(counts[: len(counts) // 10]) > sum(counts) / 2
    assert counts[len(counts) // 2] < 40


def test_a_first_message_comes_once_and_first(messages: list[ChatMessage]) -> None:
    spoken: set[str] = set()
    for message in messages:
        assert not (message.is_first and message.user_id in spoken)
        spoken.add(message.user_id)


def test_whoever_is_seen_once_says_so_with_the_first_message(messages: list[ChatMessage]) -> None:
    """Strangers, who have the highest ids."""
    said_before: set[str] = set()
    for message in messages:
        if int(message.user_id) >= 900_000_000 and not message.source_room_id:
            assert message.is_first == (message.user_id not in said_before)
            said_before.add(message.user_id)
    assert len(said_before) > 100


def test_some_take_new_names_and_nobody_has_two_at_once(messages: list[ChatMessage]) -> None:
    logins: dict[str, list[str]] = defaultdict(list)
    for message in messages:
        if message.login not in logins[message.user_id][-1:]:
            logins[message.user_id].append(message.login)
    assert any(len(names) > 1 for names in logins.values())
    assert all(len(names) == len(set(names)) for names in logins.values())


def test_a_name_that_was_given_up_may_be_somebody_elses_later(world: World) -> None:
    holders: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for broadcast in world.broadcasts(DEMO, START, START + timedelta(days=120)):
        for visit in world.visits(broadcast):
            holders[visit.person.name(visit.from_ms).login][visit.person.twitch_id].append(visit.from_ms)
    shared = [sorted((min(seen), max(seen)) for seen in people.values()) for people in holders.values()]
    shared = [spans for spans in shared if len(spans) > 1]
    assert shared
    assert all(before[1] < after[0] for spans in shared for before, after in pairwise(spans))


def test_nobody_speaks_while_away(world: World) -> None:
    (broadcast,) = world.broadcasts(DEMO, datetime(2026, 3, 6, 12, tzinfo=UTC), datetime(2026, 3, 6, 22, tzinfo=UTC))
    present = defaultdict(list)
    for visit in world.visits(broadcast):
        present[visit.person.twitch_id].append((visit.from_ms, visit.to_ms))
    always = {bot.twitch_id for bot in BOTS} | {DEMO.twitch_id}
    for line in world.evening(broadcast):
        event = parse(line.raw().decode())
        if isinstance(event, ChatMessage) and event.user_id in present and event.user_id not in always:
            # A minute's grace: who has begun to write sends it.
            assert any(start <= event.sent_ms < end + 60_000 for start, end in present[event.user_id])


def test_who_is_banned_says_no_more(events: list[Event]) -> None:
    banned: set[str] = set()
    for event in events:
        if isinstance(event, ViewerCleared) and event.duration_seconds is None:
            banned.add(event.user_id)
        assert not (isinstance(event, ChatMessage) and event.user_id in banned)
    assert banned


def test_bots_answer(messages: list[ChatMessage]) -> None:
    assert {"nightbot", "streamelements"} <= {m.login for m in messages}


# Its evenings are like evenings.


def test_a_week_has_four_or_five_evenings_of_three_to_five_hours(world: World) -> None:
    for week in range(8):
        start = datetime(2026, 3, 2, tzinfo=UTC) + timedelta(weeks=week)
        evenings = [
            e for e in world.broadcasts(DEMO, start, start + timedelta(weeks=1)) if e.started_ms >= milliseconds(start)
        ]
        assert 4 <= len(evenings) <= 5
        assert all(3 * HOUR <= e.ended_ms - e.started_ms <= 5 * HOUR for e in evenings)


def test_somebody_is_always_on_air_while_the_demo_is_watched() -> None:
    world = World(seed=11, watched_from=START)
    shows = world.broadcasts(DEMO, START, END)
    assert shows[0].started_ms <= milliseconds(START)
    assert shows[-1].ended_ms >= milliseconds(END)
    assert all(before.ended_ms == after.started_ms for before, after in pairwise(shows))


def test_who_starts_the_demo_finds_a_lively_chat_at_any_hour() -> None:
    for hour in range(0, 48, 5):
        now = START + timedelta(days=2, hours=hour)
        lines = World.watched_at(now, seed=11).history(now, now + timedelta(minutes=10))
        assert 250 < len(list(lines)) < 1800


def test_new_people_keep_turning_up_while_the_demo_is_watched() -> None:
    now = START + timedelta(days=2, hours=3)
    lines = World.watched_at(now, seed=11).history(now, now + timedelta(hours=1))
    assert sum(b";first-msg=1;" in line for line in lines) > 12


def test_what_was_planned_stays_when_the_demo_is_watched(world: World) -> None:
    watched = World(seed=11, watched_from=START).broadcasts(DEMO, START, END)
    assert [show for show in watched if show.is_planned] == world.broadcasts(DEMO, START, END)


def test_emotes_come_and_go_and_take_new_names(world: World) -> None:
    assert {change.deed for change in world.emote_changes(DEMO, START, END)} == {"add", "remove", "rename"}


def test_sets_are_what_the_changes_lead_to(world: World) -> None:
    key = ("7tv", DEMO.twitch_id)
    names = {emote.id: emote.name for emote in world.emote_sets(START)[key]}
    for change in world.emote_changes(DEMO, START + timedelta(milliseconds=1), END):
        if change.deed == "remove":
            del names[change.emote.id]
        else:
            names[change.emote.id] = change.emote.name
    assert names == {emote.id: emote.name for emote in world.emote_sets(END - timedelta(milliseconds=1))[key]}
