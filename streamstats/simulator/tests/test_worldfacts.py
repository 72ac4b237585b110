"""What Helix would answer about the world, at any moment of it."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from streamstats.simulator.facts import Account, Facts
from streamstats.simulator.moments import DAY, MINUTE, day_of, milliseconds, moment, week_of
from streamstats.simulator.person import ANONYMOUS, BADGE_MONTHS, BOTS
from streamstats.simulator.schedule import Broadcast, SimChannel
from streamstats.simulator.showing import showings
from streamstats.simulator.world import DEMO, PARTNER, World
from streamstats.simulator.worldfacts import WorldFacts

NOW = datetime(2026, 3, 6, 21, 30, tzinfo=UTC)
BASE = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def show(world: World) -> Broadcast:
    (found,) = world.broadcasts(DEMO, NOW, NOW + timedelta(milliseconds=1))
    return found


def facts_at(world: World, at_ms: int) -> WorldFacts:
    facts: Facts = WorldFacts(world, lambda: moment(at_ms), BASE)
    assert isinstance(facts, WorldFacts)
    return facts


@pytest.fixture(scope="module")
def facts(world: World) -> WorldFacts:
    return facts_at(world, milliseconds(NOW))


def logins(accounts: list[Account]) -> set[str]:
    return {account.login for account in accounts}


# Who there is.


def test_one_may_log_in_as_streamers_bots_and_some_regulars(facts: WorldFacts) -> None:
    accounts = facts.accounts()
    assert logins(accounts) > {DEMO.login, PARTNER.login, "nightbot", "streamelements"}
    assert len({account.id for account in accounts}) == len(accounts) == 16


@pytest.mark.parametrize("channel", [DEMO, PARTNER], ids=lambda channel: channel.login)
def test_everybody_who_ever_watched_is_found_by_id(world: World, facts: WorldFacts, channel: SimChannel) -> None:
    at_ms = milliseconds(NOW)
    for show in world.broadcasts(channel, NOW - timedelta(days=21), NOW):
        for visit in world.visits(show):
            account = facts.account(visit.person.twitch_id)
            assert account
            assert account.login == visit.person.name(at_ms).login


def test_who_watched_a_demo_before_this_one_is_found_too(world: World, facts: WorldFacts) -> None:
    before = World.watched_at(NOW - timedelta(days=30))
    shows = before.broadcasts(DEMO, NOW - timedelta(days=29), NOW - timedelta(days=27))
    assert any(not show.is_planned for show in shows)
    for show in shows:
        assert all(facts.account(visit.person.twitch_id) for visit in before.visits(show))


def test_everybody_present_is_found_by_name(facts: WorldFacts) -> None:
    for account in facts.chatters(DEMO.twitch_id):
        assert facts.account_named(account.login) == account


def test_who_took_a_new_name_is_found_by_that_one_only(world: World) -> None:
    person = next(
        person
        for person in world.crowds[DEMO].regulars
        if any(milliseconds(NOW) - 300 * DAY < name.since_ms < milliseconds(NOW) for name in person.names)
    )
    for old, new in pairwise(person.names):
        then = facts_at(world, new.since_ms)
        account = then.account(person.twitch_id)
        assert account
        assert account.login == new.login
        assert then.account_named(new.login) == account
        namesake = then.account_named(old.login)
        assert namesake is None or namesake.id != person.twitch_id
        before = facts_at(world, new.since_ms - 1).account_named(old.login)
        assert before
        assert before.id == person.twitch_id


def test_a_name_that_was_given_up_is_found_with_whoever_has_it_now(world: World) -> None:
    crowd, at_ms = world.crowds[DEMO], milliseconds(NOW)
    given_up = [
        (old.login, new.since_ms)
        for person in crowd.regulars
        for old, new in pairwise(person.names)
        if at_ms - 300 * DAY < new.since_ms < at_ms
    ]
    heirs = [(login, crowd.cohort(week_of(day_of(since_ms)) + 1)[0]) for login, since_ms in given_up]
    heirs = [(login, heir) for login, heir in heirs if heir.names[0].login == login]
    assert heirs
    for login, heir in heirs:
        account = facts_at(world, at_ms).account_named(login)
        assert account
        assert account.id == heir.twitch_id


@pytest.mark.parametrize("twitch_id", ["", "0", "-7", "²", "20010001", "580000000", "899999999", "900000000", "9" * 40])
def test_nobody_else_is_found(facts: WorldFacts, twitch_id: str) -> None:
    assert facts.account(twitch_id) is None


@pytest.mark.parametrize("login", ["", "nobody", "nobody17", "nobody1234", "amberacorn99999"])
def test_nobody_else_is_found_by_name(facts: WorldFacts, login: str) -> None:
    assert facts.account_named(login) is None


def test_anonymous_givers_have_an_account(facts: WorldFacts) -> None:
    account = facts.account(ANONYMOUS.twitch_id)
    assert account
    assert account.login == "ananonymousgifter"


def test_who_advertises_is_gone_a_day_later(world: World, show: Broadcast) -> None:
    spammer = world.crowds[DEMO].stranger(show, 917)
    tonight = facts_at(world, show.ended_ms).account(spammer.twitch_id)
    later = facts_at(world, show.ended_ms + DAY).account(spammer.twitch_id)
    assert tonight
    assert later
    assert (tonight.is_suspended, later.is_suspended) == (False, True)


def test_accounts_have_portraits_at_the_simulator(world: World) -> None:
    ports = iter((1, 2))
    facts = WorldFacts(world, lambda: NOW, lambda: f"http://127.0.0.1:{next(ports)}")
    for port in (1, 2):
        account = facts.account(DEMO.twitch_id)
        assert account
        assert account.avatar_url == f"http://127.0.0.1:{port}/cdn/twitch/avatars/{DEMO.twitch_id}"


# Who is where.


def test_a_broadcast_is_on_air_under_its_title_of_the_moment(world: World, show: Broadcast) -> None:
    for showing in showings(show):
        on_air = facts_at(world, showing.at_ms).on_air(DEMO.twitch_id)
        assert on_air
        assert (on_air.id, on_air.started_at) == (show.id, moment(show.started_ms))
        assert (on_air.title, on_air.category) == (showing.title, showing.category)
        assert on_air.category_id.isdecimal()


def test_nobody_is_on_air_before_or_after(world: World, show: Broadcast) -> None:
    for at_ms in (show.started_ms - 1, show.ended_ms):
        assert facts_at(world, at_ms).on_air(DEMO.twitch_id) is None
    assert facts_at(world, show.started_ms).on_air("1") is None


def test_viewers_are_more_than_chatters_and_do_not_jump(world: World, show: Broadcast) -> None:
    viewers, chatters = [], []
    for at_ms in range(show.started_ms, show.ended_ms, MINUTE):
        facts = facts_at(world, at_ms)
        on_air = facts.on_air(DEMO.twitch_id)
        assert on_air
        viewers.append(on_air.viewers)
        chatters.append(len(facts.chatters(DEMO.twitch_id)))
    assert all(watching >= chatting for watching, chatting in zip(viewers, chatters, strict=True))
    assert 1.2 < sum(viewers) / sum(chatters) < 1.7
    assert all(abs(after - before) <= 5 + before * 0.2 for before, after in pairwise(viewers[20:]))


def test_chatters_are_those_who_watch_with_the_bots_and_the_streamer(world: World, facts: WorldFacts) -> None:
    present = world.present(DEMO, milliseconds(NOW))
    assert len(present) > 20
    chatters = facts.chatters(DEMO.twitch_id)
    assert logins(chatters) == present | {DEMO.login, "nightbot", "streamelements"}
    assert len({account.id for account in chatters}) == len(chatters)


def test_bots_stay_when_everybody_has_gone(world: World, show: Broadcast) -> None:
    assert logins(facts_at(world, show.ended_ms).chatters(DEMO.twitch_id)) == {"nightbot", "streamelements"}


def test_moderators_and_vips_are_those_who_wear_the_badge(world: World, show: Broadcast) -> None:
    facts = facts_at(world, show.started_ms)
    for role, found, bots in (
        ("moderator", facts.moderators(DEMO.twitch_id), {bot.twitch_id for bot in BOTS}),
        ("vip", facts.vips(DEMO.twitch_id), set()),
    ):
        regulars = {person.twitch_id for person in world.crowds[DEMO].regulars if person.role == role}
        assert {account.id for account in found} == regulars | bots


def test_who_is_a_vip_for_the_evening_is_one_until_it_ends(world: World) -> None:
    events = world.events(DEMO, milliseconds(NOW) - 14 * DAY, milliseconds(NOW))
    promoted = [event for event in events if event.type in ("channel.vip.add", "channel.moderator.add")]
    assert promoted
    for event in promoted:
        (show,) = world.broadcasts(DEMO, moment(event.at_ms), moment(event.at_ms + 1))
        for at_ms, is_one in ((event.at_ms - 1, False), (event.at_ms, True), (show.ended_ms - 1, False)):
            facts = facts_at(world, at_ms)
            found = facts.vips(DEMO.twitch_id) if "vip" in event.type else facts.moderators(DEMO.twitch_id)
            assert (event.event["user_id"] in {account.id for account in found}) is is_one


def test_other_channels_have_nobody_and_nothing(facts: WorldFacts) -> None:
    for ask in (facts.chatters, facts.moderators, facts.vips, facts.emotes, facts.badges, facts.cheermotes):
        assert ask("1") == []


# Pictures.


def test_every_emote_and_badge_that_is_used_has_a_picture(world: World, facts: WorldFacts, show: Broadcast) -> None:
    emotes = {row["id"]: row for row in (*facts.emotes(None), *facts.emotes(DEMO.twitch_id))}
    badges = {
        (row["set_id"], version["id"])
        for row in (*facts.badges(None), *facts.badges(DEMO.twitch_id))
        for version in row["versions"]
    }
    own = [line for line in world.evening(show) if line.tags.get("source-room-id", DEMO.twitch_id) == DEMO.twitch_id]
    used = {emote.partition(":")[0] for line in own for emote in str(line.tags.get("emotes", "")).split("/")} - {""}
    worn = {badge for line in own for badge in str(line.tags.get("badges", "")).split(",")} - {""}
    assert used
    assert used <= emotes.keys()
    assert {tuple(badge.split("/")) for badge in worn} <= badges
    assert all(row["images"]["url_2x"].startswith(f"{BASE}/cdn/twitch/emoticons/v2/") for row in emotes.values())


def test_badges_of_subscribers_grow_with_the_months(facts: WorldFacts) -> None:
    (row,) = facts.badges(DEMO.twitch_id)
    assert row["set_id"] == "subscriber"
    ids = [version["id"] for version in row["versions"]]
    assert ids == [str(months + offset) for offset in (0, 2000, 3000) for months in BADGE_MONTHS]
    assert row["versions"][3]["title"] == "6-Month Subscriber"
    assert row["versions"][3]["image_url_2x"].startswith(f"{BASE}/cdn/twitch/badges/")


def test_cheers_have_tiers(facts: WorldFacts) -> None:
    (everywhere,), (own,) = facts.cheermotes(None), facts.cheermotes(DEMO.twitch_id)
    assert (everywhere["prefix"], own["prefix"]) == ("Cheer", "martaCheer")
    assert [tier["min_bits"] for tier in everywhere["tiers"]] == [1, 100, 1000, 5000, 10_000]
    assert everywhere["tiers"][1]["images"]["dark"]["animated"]["2"] == f"{BASE}/cdn/twitch/cheers/Cheer100"
