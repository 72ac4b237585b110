import asyncio
from datetime import UTC, datetime

import pytest
from aiohttp import ClientSession

from streamstats.simulator.addresses import CLIENT_ID, CLIENT_SECRET
from streamstats.simulator.facts import Account, OnAir, StatedFacts
from streamstats.simulator.helix import ENDPOINTS, Ban, SharedChat
from streamstats.simulator.oauth import issue
from streamstats.simulator.server import SimulatedTwitch

ANN, BEN, CLEO, GONE = (
    Account("11", "ann", "Ann", avatar_url="https://pictures.example/ann.png", broadcaster_type="partner"),
    Account("12", "ben", "Ben"),
    Account("13", "cleo", "Cleo"),
    Account("14", "gone", "Gone", is_suspended=True),
)
CROWD = [Account(str(1000 + number), f"viewer{number}", f"Viewer{number}") for number in range(7)]
ALL_SCOPES = ["moderator:read:chatters", "moderation:read", "channel:read:vips", "user:read:moderated_channels"]
NINE = datetime(2026, 11, 1, 9, tzinfo=UTC)
CHATTERS = {"broadcaster_id": "11", "moderator_id": "12"}


class Client:
    """Asks Twitch with one token."""

    def __init__(self, twitch, session, user_id, scopes):
        self.twitch = twitch
        self.session = session
        self.headers = {"Authorization": f"Bearer {issue(user_id, scopes).access_token}", "Client-Id": CLIENT_ID}

    async def ask(self, path, **query):
        asked = [
            (name, item) for name, value in query.items() for item in (value if isinstance(value, list) else [value])
        ]
        where = f"{self.twitch.base_url}/helix/{path}"
        async with self.session.get(where, params=asked, headers=self.headers) as answer:
            return answer, await answer.json()

    async def status(self, path, **query):
        answer, _ = await self.ask(path, **query)
        return answer.status

    async def rows(self, path, **query):
        _, body = await self.ask(path, **query)
        return body["data"]

    async def pages(self, path, **query):
        """The ids of every page, to the end."""
        pages, after = [], ""
        while True:
            _, body = await self.ask(path, **query, **({"after": after} if after else {}))
            pages.append([row["user_id"] for row in body["data"]])
            if not body["pagination"]:
                return pages
            after = body["pagination"]["cursor"]


def facts():
    return StatedFacts(
        [ANN, BEN, CLEO, GONE, *CROWD],
        live={"11": OnAir("901", "11", NINE, "Hello", "33", "Harbours", 42)},
        present={"11": [account.id for account in CROWD]},
        mods={"11": ["12"]},
        vip={"11": ["13"]},
        emote_lists={
            None: [{"id": "25", "name": "Kappa"}],
            "11": [{"id": "77", "name": "annWave", "emote_set_id": "5"}],
        },
        badge_lists={None: [{"set_id": "vip", "versions": []}]},
        cheermote_lists={None: [{"prefix": "Cheer"}], "11": [{"prefix": "AnnBits"}]},
    )


def visit(scene, user_id="12", scopes=ALL_SCOPES):
    async def run():
        async with SimulatedTwitch(facts=facts()) as twitch, ClientSession() as session:
            return await scene(twitch, Client(twitch, session, user_id, scopes))

    return asyncio.run(run())


def asked(path, reader="12", scopes=ALL_SCOPES, /, **query):
    """Status and body of one answer."""

    async def scene(_twitch, client):
        answer, body = await client.ask(path, **query)
        return answer.status, body

    return visit(scene, reader, scopes)


def test_users_are_found_by_id_and_by_name_each_once_and_the_suspended_not_at_all():
    status, body = asked("users", id=["11", "14", "999"], login=["BEN", "ann"])
    assert status == 200
    assert [row["login"] for row in body["data"]] == ["ann", "ben"]
    assert body["data"][0] == {
        "id": "11",
        "login": "ann",
        "display_name": "Ann",
        "type": "",
        "broadcaster_type": "partner",
        "description": "",
        "profile_image_url": "https://pictures.example/ann.png",
        "offline_image_url": "",
        "view_count": 0,
        "created_at": "2020-01-01T00:00:00Z",
    }


def test_without_a_name_it_is_the_user_of_the_token():
    assert [row["login"] for row in asked("users")[1]["data"]] == ["ben"]


def test_streams_are_those_of_the_asked_channels_that_are_live():
    _, body = asked("streams", user_id=["11", "12"])
    [row] = body["data"]
    assert (row["id"], row["user_login"], row["viewer_count"], row["started_at"], row["game_name"], row["type"]) == (
        "901",
        "ann",
        42,
        "2026-11-01T09:00:00Z",
        "Harbours",
        "live",
    )
    assert body["pagination"] == {}


def test_channels_tell_their_title():
    _, body = asked("channels", broadcaster_id=["11", "12"])
    assert [(row["broadcaster_login"], row["title"]) for row in body["data"]] == [("ann", "Hello"), ("ben", "")]


@pytest.mark.parametrize(
    ("path", "query", "expected"),
    [
        ("chat/emotes/global", {}, [{"id": "25", "name": "Kappa"}]),
        ("chat/emotes", {"broadcaster_id": "11"}, [{"id": "77", "name": "annWave", "emote_set_id": "5"}]),
        (
            "chat/emotes/set",
            {"emote_set_id": ["5", "6"]},
            [{"id": "77", "name": "annWave", "emote_set_id": "5", "owner_id": "11"}],
        ),
        ("chat/badges/global", {}, [{"set_id": "vip", "versions": []}]),
        ("chat/badges", {"broadcaster_id": "11"}, []),
        ("bits/cheermotes", {}, [{"prefix": "Cheer"}]),
        ("bits/cheermotes", {"broadcaster_id": "11"}, [{"prefix": "Cheer"}, {"prefix": "AnnBits"}]),
        ("shared_chat/session", {"broadcaster_id": "11"}, []),
    ],
)
def test_what_a_chat_is_made_of(path, query, expected):
    assert asked(path, **query)[1]["data"] == expected


def test_moderators_and_vips_are_told_to_the_broadcaster():
    assert [row["user_login"] for row in asked("moderation/moderators", "11", broadcaster_id="11")[1]["data"]] == [
        "ben"
    ]
    assert [row["user_login"] for row in asked("channels/vips", "11", broadcaster_id="11")[1]["data"]] == ["cleo"]
    assert asked("channels/vips", "11", broadcaster_id="11", user_id="12")[1]["data"] == []


def test_somebody_is_told_where_they_moderate():
    _, body = asked("moderation/channels", user_id="12")
    assert body["data"] == [{"broadcaster_id": "11", "broadcaster_login": "ann", "broadcaster_name": "Ann"}]


def test_how_many_follow_is_told_to_everybody_and_who_only_to_those_who_may_know():
    async def scene(twitch, client):
        twitch.helix.followers["11"] = [(CLEO, NINE)]
        _, body = await client.ask("channels/followers", broadcaster_id="11")
        return body["total"], [row["user_login"] for row in body["data"]]

    assert visit(scene) == (1, [])
    assert visit(scene, scopes=["moderator:read:followers"]) == (1, ["cleo"])
    assert visit(scene, user_id="13", scopes=["moderator:read:followers"]) == (1, [])


def test_a_ban_without_an_end_has_an_empty_one():
    async def scene(twitch, client):
        twitch.helix.bans["11"] = [Ban(CLEO, "spam", BEN, NINE), Ban(GONE, "", BEN, NINE, expires_at=NINE)]
        rows = await client.rows("moderation/banned", broadcaster_id="11")
        return [(row["user_login"], row["expires_at"], row["moderator_login"]) for row in rows]

    assert visit(scene, user_id="11") == [("cleo", "", "ben"), ("gone", "2026-11-01T09:00:00Z", "ben")]


def test_a_shared_chat_names_its_channels():
    async def scene(twitch, client):
        twitch.helix.shared_chats.append(SharedChat("s1", "11", ("11", "13"), NINE))
        [row] = await client.rows("shared_chat/session", broadcaster_id="13")
        return row["host_broadcaster_id"], row["participants"]

    assert visit(scene) == ("11", [{"broadcaster_id": "11"}, {"broadcaster_id": "13"}])


# Who may ask what.


@pytest.mark.parametrize(
    ("path", "user_id", "scopes", "query", "status"),
    [
        ("chat/chatters", "12", ["moderator:read:chatters"], CHATTERS, 200),
        ("chat/chatters", "11", ["moderator:read:chatters"], {"broadcaster_id": "11", "moderator_id": "11"}, 200),
        ("chat/chatters", "12", ["bits:read"], CHATTERS, 401),
        ("chat/chatters", "13", ["moderator:read:chatters"], CHATTERS, 401),
        ("chat/chatters", "13", ["moderator:read:chatters"], {"broadcaster_id": "11", "moderator_id": "13"}, 403),
        ("chat/chatters", "12", ["moderator:read:chatters"], {"broadcaster_id": "11"}, 400),
        ("moderation/moderators", "12", ALL_SCOPES, {"broadcaster_id": "11"}, 401),
        ("channels/vips", "11", [], {"broadcaster_id": "11"}, 401),
        ("moderation/channels", "12", ALL_SCOPES, {"user_id": "11"}, 401),
        ("moderation/banned", "12", ALL_SCOPES, {"broadcaster_id": "11"}, 401),
        ("channels", "12", [], {}, 400),
        ("users", "12", [], {"id": [str(number) for number in range(101)]}, 400),
        ("chat/emotes/set", "12", [], {"emote_set_id": [str(number) for number in range(26)]}, 400),
        ("streams", "12", [], {"first": "101"}, 400),
        ("streams", "12", [], {"first": "0"}, 400),
        ("streams", "12", [], {"after": "nonsense"}, 400),
        ("streams", "12", [], {"after": "WzFd"}, 400),
    ],
)
def test_who_may_ask_what(path, user_id, scopes, query, status):
    told, body = asked(path, user_id, scopes, **query)
    assert told == status
    if status != 200:
        assert body["status"] == status
        assert body.keys() == {"error", "status", "message"}


@pytest.mark.parametrize("path", ENDPOINTS)
def test_without_a_token_nothing_is_answered(path):
    async def scene(_twitch, client):
        client.headers = {"Client-Id": CLIENT_ID}
        answer, body = await client.ask(path)
        return answer.status, body

    assert visit(scene) == (401, {"error": "Unauthorized", "status": 401, "message": "Invalid OAuth token"})


def test_a_token_of_another_application_is_refused():
    async def scene(_twitch, client):
        client.headers["Client-Id"] = "another"
        return await client.status("users")

    assert visit(scene) == 401


def test_a_token_of_the_application_may_ask_what_everybody_may():
    async def scene(twitch, client):
        form = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "grant_type": "client_credentials"}
        async with client.session.post(f"{twitch.base_url}/oauth2/token", data=form) as answer:
            client.headers["Authorization"] = f"Bearer {(await answer.json())['access_token']}"
        return [await client.status("streams"), await client.status("chat/chatters", **CHATTERS)]

    assert visit(scene) == [200, 401]


# Pages.


def test_pages_hold_as_many_as_were_asked_for_and_the_total_stands_beside():
    async def scene(_twitch, client):
        _, body = await client.ask("chat/chatters", **CHATTERS, first=3)
        return len(body["data"]), body["total"], await client.pages("chat/chatters", **CHATTERS, first=3)

    size, total, pages = visit(scene)
    assert (size, total) == (3, 7)
    assert pages == [["1000", "1001", "1002"], ["1003", "1004", "1005"], ["1006"]]


def test_after_a_last_page_that_was_full_comes_an_empty_one():
    async def scene(_twitch, client):
        return await client.pages("chat/chatters", **CHATTERS, first=7)

    assert [len(page) for page in visit(scene)] == [7, 0]


def test_a_cursor_is_good_for_its_own_question_only():
    async def scene(twitch, client):
        _, body = await client.ask("chat/chatters", **CHATTERS, first=3)
        twitch.facts.mods["13"] = ["12"]
        other = {"broadcaster_id": "13", "moderator_id": "12"}
        return await client.status("chat/chatters", **other, first=3, after=body["pagination"]["cursor"])

    assert visit(scene) == 400


@pytest.mark.parametrize(
    ("now_present", "expected"),
    [
        (["1000", "1002", "1003", "1004"], ["1003", "1004"]),  # somebody left
        (["999", "1000", "1001", "1002", "1003"], ["1003"]),  # somebody came
        (["1000", "1001", "1003", "1004"], ["1000", "1001", "1003", "1004"]),  # the last one told is gone: again
    ],
)
def test_who_comes_and_goes_between_two_pages_hides_nobody_else(now_present, expected):
    async def scene(twitch, client):
        twitch.facts.people.append(Account("999", "first", "First"))
        _, body = await client.ask("chat/chatters", **CHATTERS, first=3)
        twitch.facts.present["11"] = now_present
        rows = await client.rows("chat/chatters", **CHATTERS, first=100, after=body["pagination"]["cursor"])
        return [row["user_id"] for row in rows]

    assert visit(scene) == expected


# The budget.


def test_every_answer_says_what_is_left_of_the_budget():
    async def scene(twitch, client):
        twitch.helix.now = lambda: 1_000_000.0
        first, _ = await client.ask("users")
        second, _ = await client.ask("users", id=["1"] * 101)
        return [
            [answer.headers[f"Ratelimit-{name}"] for name in ("Limit", "Remaining", "Reset")]
            for answer in (first, second)
        ]

    assert visit(scene) == [["800", "799", "1000001"], ["800", "798", "1000001"]]


def test_who_has_spent_all_points_waits_until_some_came_back():
    async def scene(twitch, client):
        now = 1_000_000.0
        twitch.helix.now = lambda: now
        twitch.helix.points_a_minute = 2
        spent = [await client.status("users") for _ in range(3)]
        now += 30
        return [*spent, await client.status("users"), await client.status("users")]

    assert visit(scene) == [200, 200, 429, 200, 429]


def test_each_user_has_a_budget_of_their_own():
    async def scene(twitch, client):
        twitch.helix.points_a_minute = 1
        other = Client(twitch, client.session, "13", [])
        return [await client.status("users"), await client.status("users"), await other.status("users")]

    assert visit(scene) == [200, 429, 200]


# Faults.


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"fault": "unauthorized"}, 401),
        ({"fault": "forbidden"}, 403),
        ({"fault": "busy"}, 429),
        ({"fault": "away"}, 503),
        ({"fault": "away", "status": 502}, 502),
        ({"fault": "slow", "seconds": 0}, 200),
        ({"fault": "midpage"}, 200),
        ({"fault": "away", "path": "streams"}, 200),
    ],
)
def test_faults(options, status):
    async def scene(twitch, client):
        await twitch.fault("helix", **options)
        return await client.status("users")

    assert visit(scene) == status


def test_a_fault_ends_after_the_times_that_were_asked_for_or_when_it_is_mended():
    async def scene(twitch, client):
        await twitch.fault("helix", fault="away", times=2)
        limited = [await client.status("users") for _ in range(3)]
        await twitch.fault("helix", fault="away")
        lasting = [await client.status("users") for _ in range(3)]
        await twitch.fault("helix", fault="mend")
        return limited, lasting, await client.status("users")

    assert visit(scene) == ([503, 503, 200], [503, 503, 503], 200)


@pytest.mark.parametrize(
    ("headers", "expected"), [(1, {"Ratelimit-Limit", "Ratelimit-Remaining", "Ratelimit-Reset"}), (0, set())]
)
def test_busy_tells_when_it_will_be_over_or_nothing_at_all(headers, expected):
    async def scene(twitch, client):
        await twitch.fault("helix", fault="busy", headers=headers)
        answer, _ = await client.ask("users")
        return {name for name in answer.headers if name.startswith("Ratelimit")}

    assert visit(scene) == expected


def test_garbage_is_no_json():
    async def scene(twitch, client):
        await twitch.fault("helix", fault="garbage")
        with pytest.raises(ValueError, match="Expecting value"):
            await client.ask("users")

    visit(scene)


def test_an_empty_page_in_the_middle_leads_on():
    async def scene(twitch, client):
        await twitch.fault("helix", fault="emptypage")
        return await client.pages("chat/chatters", **CHATTERS, first=4)

    assert visit(scene) == [["1000", "1001", "1002", "1003"], [], ["1004", "1005", "1006"]]


def test_rows_are_told_twice():
    async def scene(twitch, client):
        await twitch.fault("helix", fault="repeat", times=1)
        return await client.pages("chat/chatters", **CHATTERS, first=4)

    assert visit(scene) == [["1000", "1001", "1002", "1003"], ["1001", "1002", "1003", "1004"], ["1005", "1006"]]


def test_only_further_pages_fail():
    async def scene(twitch, client):
        await twitch.fault("helix", fault="midpage")
        answer, body = await client.ask("chat/chatters", **CHATTERS, first=4)
        further = await client.status("chat/chatters", **CHATTERS, first=4, after=body["pagination"]["cursor"])
        return answer.status, further

    assert visit(scene) == (200, 503)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"fault": "sleepy"},
        {"fault": "away", "status": 200},
        {"fault": "away", "times": 0},
        {"fault": "away", "path": "nowhere"},
    ],
)
def test_a_fault_that_is_none_is_refused(options):
    async def scene(twitch, _client):
        with pytest.raises(ValueError, match=r"fault|status|path"):
            await twitch.fault("helix", **options)

    visit(scene)


def test_what_was_asked_is_remembered():
    async def scene(twitch, client):
        await client.ask("users", id=["11", "12"])
        [question] = twitch.helix.asked
        return question.path, question.query, question.user_id, question.status

    assert visit(scene) == ("users", (("id", "11"), ("id", "12")), "12", 200)
