import asyncio
import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import ClientSession, web
from django.test import override_settings

from streams import budget
from streams.grants import GrantDead, NotConfigured, Token, token_of
from streams.helix import (
    Chatter,
    CheerTier,
    Helix,
    HelixBadge,
    HelixCheermote,
    HelixEmote,
    HelixStream,
    HelixUser,
    NotAllowed,
    Patience,
    Refused,
    TwitchAway,
    ask,
)
from streams.models import TwitchGrant
from streams.tests.granted import make_grant, tokens
from streamstats.simulator.facts import Account, OnAir, StatedFacts
from streamstats.simulator.oauth import issue
from streamstats.simulator.server import SimulatedTwitch
from streamstats.simulator.tests.threaded import simulated_twitch

pytestmark = pytest.mark.usefixtures("redis_client")

OWNER = Account("11", "lantern", "Lantern", avatar_url="https://pictures.example/1.png", broadcaster_type="partner")
MODERATOR = Account("12", "ben", "Ben")
CROWD = [Account(str(1000 + number), f"viewer{number}", f"Viewer{number}") for number in range(7)]
HERE = [Chatter(account.id, account.login, account.display_name) for account in CROWD]
SCOPES = [
    "moderator:read:chatters",
    "channel:read:redemptions",
]
NINE = datetime(2026, 11, 1, 9, tzinfo=UTC)
EPOCH = 1_000_000.0


class Clock:
    """Time passes only when somebody sleeps."""

    def __init__(self):
        self.now = EPOCH
        self.slept = []

    def time(self):
        return self.now

    async def sleep(self, seconds):
        self.slept.append(round(seconds, 1))
        self.now += seconds


class Renewal:
    """Renews tokens of the owner, and counts."""

    def __init__(self, error=None):
        self.error = error
        self.times = 0

    def __call__(self, token):
        self.times += 1
        if self.error:
            raise self.error
        return owners_token(token.grant_id)


def owners_token(grant_id=5):
    return Token(issue("11", SCOPES).access_token, grant_id)


def facts(**fields):
    return StatedFacts(
        [OWNER, MODERATOR, *CROWD],
        **{
            "live": {"11": OnAir("901", "11", NINE, "Hello", "33", "Harbours", 42)},
            "present": {"11": [account.id for account in CROWD]},
            "mods": {"11": ["12"], "12": ["11"]},
            "vip": {"11": ["1003"]},
            **fields,
        },
    )


class Scene:
    """What a question needs, and what was noticed while it was asked."""

    def __init__(self, twitch, api, clock, renewal):
        self.twitch = twitch
        self.api = api
        self.clock = clock
        self.renewal = renewal

    @property
    def statuses(self):
        return [asked.status for asked in self.twitch.helix.asked]


def visit(act, *, token=None, renewal=None, told=None, **patience):
    """Let the owner ask, on a clock of the test's own."""

    async def run():
        clock, renew = Clock(), renewal or Renewal()
        async with SimulatedTwitch(facts=told or facts()) as twitch:
            twitch.helix.now = clock.time
            calm = Patience(
                sleep=clock.sleep, clock=clock.time, now=clock.time, uniform=lambda low, _high: low, **patience
            )
            with override_settings(**twitch.addresses):
                async with Helix(token or owners_token(), patience=calm, renewed=renew) as api:
                    scene = Scene(twitch, api, clock, renew)
                    try:
                        return await act(scene)
                    finally:
                        await twitch.fault("helix", fault="mend")

    return asyncio.run(run())


def asked(question, **options):
    """The answer to one question."""

    async def act(scene):
        return await question(scene.api)

    return visit(act, **options)


def who_is_here(api):
    return api.chatters("11", "11")


# What is told.


def test_users_are_told_by_id_and_by_login_each_once():
    users = asked(lambda api: api.users(ids=["11", "12", "999"], logins=["lantern"]))
    assert users == [
        HelixUser(
            "11", "lantern", "Lantern", "https://pictures.example/1.png", datetime(2020, 1, 1, tzinfo=UTC), "partner"
        ),
        HelixUser("12", "ben", "Ben", "", datetime(2020, 1, 1, tzinfo=UTC), ""),
    ]


def test_many_users_are_asked_for_in_hundreds():
    async def act(scene):
        await scene.api.users(ids=[str(number) for number in range(250)] * 2)
        return [len(question.query) for question in scene.twitch.helix.asked]

    assert visit(act) == [100, 100, 50]


def test_what_can_be_nobodys_name_is_not_asked_for():
    async def act(scene):
        await scene.api.users(ids=["11", "1&id=2", ""], logins=["ben", "no body", "Ben!"])
        return [question.query for question in scene.twitch.helix.asked]

    assert visit(act) == [(("id", "11"),), (("login", "ben"),)]


def test_who_asks_for_nobody_is_told_nobody():
    async def act(scene):
        return await scene.api.users(), await scene.api.streams([]), scene.statuses

    assert visit(act) == ([], [], [])


def test_streams_are_told_of_live_channels():
    streams = asked(lambda api: api.streams(["11", "12"]))
    assert streams == [
        HelixStream("901", "11", "lantern", "Lantern", NINE, "Hello", "33", "Harbours", 42, "en", "live")
    ]


def test_a_hundred_streams_come_on_one_page():
    people = [Account(str(number), f"c{number}", f"C{number}") for number in range(100)]
    live = {account.id: OnAir(f"9{account.id}", account.id, NINE, "", "", "", 1) for account in people}

    async def act(scene):
        streams = await scene.api.streams(live)
        # The page was full, so there had to be another, which was empty.
        return {stream.channel_id for stream in streams}, len(scene.statuses)

    assert visit(act, told=StatedFacts(people, live=live)) == (set(live), 2)


def test_chatters_are_told_from_all_pages():
    async def act(scene):
        scene.twitch.helix.largest_page = 3
        chatters = await who_is_here(scene.api)
        return chatters, [dict(question.query)["first"] for question in scene.twitch.helix.asked]

    assert visit(act) == (HERE, ["1000"] * 3)


def test_emotes_badges_and_cheermotes():
    told = facts(
        emote_lists={
            None: [{"id": "25", "name": "Kappa", "images": {"url_2x": "https://cdn.example/25"}, "format": ["static"]}],
            "11": [
                {
                    "id": "emotesv2_7",
                    "name": "lanternWave",
                    "images": {"url_2x": "https://cdn.example/7"},
                    "format": ["static", "animated"],
                    "emote_type": "subscriptions",
                    "tier": "1000",
                    "emote_set_id": "5",
                }
            ],
        },
        badge_lists={
            None: [
                {"set_id": "vip", "versions": [{"id": "1", "title": "VIP", "image_url_2x": "https://cdn.example/v"}]}
            ],
            "11": [{"set_id": "subscriber", "versions": [{"id": "0"}, {"id": "3"}]}],
        },
        cheermote_lists={
            None: [
                {
                    "prefix": "Cheer",
                    "tiers": [
                        {"min_bits": 100, "color": "#9c3ee8", "images": {}},
                        {
                            "min_bits": 1,
                            "color": "red",
                            "images": {"dark": {"animated": {"2": "https://cdn.example/c"}}},
                        },
                    ],
                }
            ],
            "11": [{"prefix": "LanternBits", "tiers": []}],
        },
    )

    async def act(scene):
        api = scene.api
        emotes = await api.global_emotes() + await api.channel_emotes("11")
        badges = await api.badges() + await api.badges("11")
        return emotes, badges, await api.cheermotes(), await api.cheermotes("11")

    emotes, badges, everywhere, own = visit(act, told=told)
    assert emotes == [
        HelixEmote("25", "Kappa", "https://cdn.example/25", is_animated=False, kind="", tier="", set_id=""),
        HelixEmote("emotesv2_7", "lanternWave", "https://cdn.example/7", True, "subscriptions", "1000", "5"),
    ]
    assert badges == [
        HelixBadge("vip", "1", "VIP", "https://cdn.example/v"),
        HelixBadge("subscriber", "0", "", ""),
        HelixBadge("subscriber", "3", "", ""),
    ]
    assert everywhere == [
        HelixCheermote("Cheer", (CheerTier(1, "", "https://cdn.example/c"), CheerTier(100, "#9c3ee8", "")))
    ]
    assert [cheermote.prefix for cheermote in own] == ["Cheer", "LanternBits"]


def test_the_application_may_ask_what_everybody_may_and_nothing_else():
    async def act(scene):
        form = {
            "client_id": scene.twitch.addresses["TWITCH_CLIENT_ID"],
            "client_secret": scene.twitch.addresses["TWITCH_CLIENT_SECRET"],
            "grant_type": "client_credentials",
        }
        async with (
            ClientSession() as session,
            session.post(f"{scene.twitch.base_url}/oauth2/token", data=form) as answer,
        ):
            token = Token((await answer.json())["access_token"], None)
        async with Helix(token) as api:
            with pytest.raises(NotAllowed, match="connected their account"):
                await who_is_here(api)
            return [stream.id for stream in await api.streams(["11"])]

    assert visit(act) == ["901"]


# Foreign text.


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"id": "7", "name": "Wave"}, "Wave"),
        ({"id": "7", "name": "Wa\0ve"}, "Wave"),
        ({"id": "7", "name": "Wave\ud800"}, "Wave"),
        ({"id": "7", "name": "W" * 500}, "W" * 128),
        ({"id": "7", "name": "波🌊"}, "波🌊"),
    ],
)
def test_names_can_be_stored(row, expected):
    [emote] = asked(lambda api: api.global_emotes(), told=facts(emote_lists={None: [row]}))
    assert emote.name == expected


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"id": "7"},
        {"id": "7", "name": ""},
        {"id": "7", "name": 5},
        {"id": None, "name": "Wave"},
        {"id": 7, "name": "Wave"},
        {"id": "7/../8", "name": "Wave"},
        {"id": "7" * 65, "name": "Wave"},
        {"id": "\u0967", "name": "Wave"},
    ],
)
def test_a_row_that_makes_no_sense_costs_nothing_but_itself(row):
    told = facts(emote_lists={None: [row, {"id": "25", "name": "Kappa"}]})
    assert [emote.id for emote in asked(lambda api: api.global_emotes(), told=told)] == ["25"]


def test_where_no_row_makes_sense_the_list_is_not_empty_but_unknown():
    with pytest.raises(TwitchAway, match="no sense"):
        asked(lambda api: api.global_emotes(), told=facts(emote_lists={None: [{"id": 1}, {"id": 2}]}))


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "http://cdn.example/1",
        "https://",
        "https://[bad/1",
        "https://cdn.example/ 1",
        "https://cdn.example/" + "x" * 300,
        "//cdn.example/1",
        5,
        None,
    ],
)
def test_what_is_no_address_is_none(url):
    told = facts(emote_lists={None: [{"id": "7", "name": "Wave", "images": {"url_2x": url}}]})
    [emote] = asked(lambda api: api.global_emotes(), told=told)
    assert emote.image_url == ""


# What goes wrong, and what is done about it.

CASES: dict[str, Any] = {
    "a dead token is renewed": ([{"fault": "unauthorized", "times": 1}], None, [401, 200], [], 1),
    "a new one that is refused as well is not": ([{"fault": "unauthorized"}], NotAllowed, [401, 401], [], 1),
    "what is forbidden is not asked again": ([{"fault": "forbidden"}], NotAllowed, [403], [], 0),
    "the budget is spent: until it is back": (
        [{"fault": "busy", "seconds": 30, "times": 1}],
        None,
        [429, 200],
        [30.2],
        0,
    ),
    "busy for no known time": ([{"fault": "busy", "headers": 0, "times": 2}], None, [429, 429, 200], [1, 2], 0),
    "busy for good": ([{"fault": "busy", "seconds": 5}], TwitchAway, [429] * 4, [5.2, 6.0, 6.0], 0),
    "busy until next year": ([{"fault": "busy", "seconds": 1e7}], TwitchAway, [429] * 2, [65], 0),
    "a hiccup": ([{"fault": "away", "times": 1}], None, [503, 200], [1], 0),
    "a bad gateway": ([{"fault": "away", "status": 502, "times": 1}], None, [502, 200], [1], 0),
    "an error of theirs": ([{"fault": "away", "status": 500, "times": 3}], None, [500] * 3 + [200], [1, 2, 4], 0),
    "away for good": ([{"fault": "away"}], TwitchAway, [503] * 4, [1, 2, 4], 0),
    "no JSON, once": ([{"fault": "garbage", "times": 1}], None, [200, 200], [1], 0),
    "no JSON, ever": ([{"fault": "garbage"}], TwitchAway, [200] * 4, [1, 2, 4], 0),
    "several troubles after each other": (
        [{"fault": "away", "times": 1}, {"fault": "unauthorized", "times": 1}],
        None,
        [401, 503, 200],
        [1],
        1,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_troubles(case):
    faults, error, statuses, slept, renewals = CASES[case]

    async def act(scene):
        for fault in faults:
            await scene.twitch.fault("helix", **fault)
        if error:
            with pytest.raises(error):
                await who_is_here(scene.api)
        else:
            assert await who_is_here(scene.api) == HERE
        assert scene.statuses == statuses
        assert scene.clock.slept == slept
        assert scene.renewal.times == renewals

    visit(act)


PAGES: dict[str, Any] = {
    "an empty page is passed over": ({"fault": "emptypage"}, None, 3 + 2),
    "rows that are told twice count once": ({"fault": "repeat"}, None, 6),
    "a page that comes at the second try": ({"fault": "midpage", "times": 1}, None, 3 + 1),
    "without one of its pages there is no list": ({"fault": "midpage"}, TwitchAway, 1 + 4),
    "a token that dies between two pages": ({"fault": "unauthorized", "times": 1}, None, 3 + 1),
}


@pytest.mark.parametrize("case", PAGES)
def test_pages(case):
    fault, error, requests = PAGES[case]

    async def act(scene):
        scene.twitch.helix.largest_page = 3
        await scene.twitch.fault("helix", **fault)
        if error:
            with pytest.raises(error):
                await who_is_here(scene.api)
        else:
            assert sorted(await who_is_here(scene.api)) == HERE
        assert len(scene.statuses) == requests

    visit(act)


def test_an_answer_that_took_the_last_point_is_an_answer():
    async def act(scene):
        scene.twitch.helix.points_a_minute = 1
        return await who_is_here(scene.api), scene.clock.slept

    assert visit(act) == (HERE, [])


def test_silence_is_waited_for_only_so_long():
    async def act(scene):
        await scene.twitch.fault("helix", fault="slow", seconds=30)
        async with asyncio.timeout(2):
            with pytest.raises(TwitchAway, match="does not answer"):
                await who_is_here(scene.api)
        return scene.clock.slept

    assert visit(act, request_s=0.02) == [1, 2, 4]


def test_a_question_has_its_time_however_many_pages_it_has():
    async def act(scene):
        scene.twitch.helix.largest_page = 1
        await scene.twitch.fault("helix", fault="away", times=1)
        with pytest.raises(TwitchAway, match="trouble"):
            await who_is_here(scene.api)
        return scene.statuses

    assert visit(act, question_s=0.9) == [503]


def test_time_that_has_run_out_between_two_pages_ends_the_question():
    async def act(scene):
        scene.twitch.helix.largest_page = 3
        check = scene.twitch.oauth.check

        def slow_check(*header):
            scene.clock.now += 50
            return check(*header)

        scene.twitch.oauth.check = slow_check
        with pytest.raises(TwitchAway, match="too slow"):
            await who_is_here(scene.api)
        return scene.statuses

    assert visit(act, question_s=100) == [200, 200]


def test_nobody_listens():
    async def act(scene):
        with (
            override_settings(TWITCH_HELIX_URL="http://127.0.0.1:9/helix"),
            pytest.raises(TwitchAway, match="not answer"),
        ):
            await who_is_here(scene.api)

    visit(act)


def test_a_wrong_question_is_refused_with_twitchs_words():
    with pytest.raises(Refused, match="Missing required parameter") as refused:
        asked(lambda api: api.channel_emotes(""))
    assert refused.value.status == 400


def test_without_an_application_nothing_is_asked():
    async def act(scene):
        with override_settings(TWITCH_CLIENT_ID=""), pytest.raises(NotConfigured, match="TWITCH_CLIENT_ID"):
            await who_is_here(scene.api)
        return scene.statuses

    assert visit(act) == []


@pytest.mark.parametrize("error", [GrantDead("Connect again."), TwitchAway("Away.")])
def test_a_token_that_cannot_be_renewed_ends_the_question(error):
    async def act(scene):
        await scene.twitch.fault("helix", fault="unauthorized")
        with pytest.raises(type(error), match=str(error)):
            await who_is_here(scene.api)
        return scene.statuses

    assert visit(act, renewal=Renewal(error)) == [401]


def test_questions_at_the_same_time_renew_a_token_once():
    async def act(scene):
        await scene.twitch.fault("oauth", fault="expire")
        answers = await asyncio.gather(*(who_is_here(scene.api) for _ in range(5)))
        return [len(answer) for answer in answers], scene.renewal.times

    assert visit(act) == ([7] * 5, 1)


def test_questions_at_the_same_time_find_a_grant_dead_once():
    async def act(scene):
        await scene.twitch.fault("oauth", fault="expire")
        answers = await asyncio.gather(*(who_is_here(scene.api) for _ in range(5)), return_exceptions=True)
        return [str(answer) for answer in answers], scene.renewal.times

    assert visit(act, renewal=Renewal(GrantDead("Connect again."))) == (["Connect again."] * 5, 1)


def test_no_token_is_told():
    async def act(scene):
        await scene.twitch.fault("helix", fault="forbidden")
        with pytest.raises(NotAllowed) as error:
            await who_is_here(scene.api)
        return f"{error.value!r} {scene.api!r} {vars(error.value)}"

    token = owners_token()
    assert token.value not in visit(act, token=token)


# Answers of another make.


@asynccontextmanager
async def strange_twitch(answer):
    """A server that answers everything so."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    with override_settings(TWITCH_HELIX_URL=f"http://127.0.0.1:{runner.addresses[0][1]}/helix"):
        try:
            yield
        finally:
            await runner.cleanup()


def strangely_asked(answer, question=who_is_here):
    async def act(scene):
        async with strange_twitch(answer):
            return await question(scene.api)

    return visit(act)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"data": null}',
        '{"data": {}}',
        '{"data": ["7"]}',
        "[" * 100_000,
        '{"data": [{"user_id": ' + "9" * 10_000 + "}]}",
        "\x00",
    ],
)
def test_an_answer_that_makes_no_sense_is_no_empty_list(text):
    async def answer(_request):
        return web.Response(text=text, content_type="application/json")

    with pytest.raises(TwitchAway, match="no sense"):
        strangely_asked(answer)


def test_an_answer_without_end_is_not_read_to_its_end(monkeypatch):
    monkeypatch.setattr("streams.helixwire.MAX_BODY_BYTES", 100)

    async def answer(_request):
        return web.json_response({"data": [], "padding": "x" * 200})

    with pytest.raises(TwitchAway, match="no sense"):
        strangely_asked(answer)


def test_pages_that_go_in_a_circle_end():
    async def answer(_request):
        row = {"user_id": "1", "user_login": "one", "user_name": "One"}
        return web.json_response({"data": [row], "pagination": {"cursor": "again"}})

    with pytest.raises(TwitchAway, match="nowhere"):
        strangely_asked(answer)


def test_a_token_is_not_sent_elsewhere():
    seen = []

    async def answer(request):
        seen.append(request.path)
        return web.Response(status=302, headers={"Location": "/elsewhere"})

    with pytest.raises(Refused):
        strangely_asked(answer)
    assert seen == ["/helix/chat/chatters"]


def test_words_of_a_refusal_are_cut_and_cannot_fake_a_line_of_the_log():
    async def answer(request):
        return web.json_response({"message": "no\nno" if "global" in request.path else "n" * 5000}, status=400)

    with pytest.raises(Refused, match=r"^Twitch refused this \(status 400\)\.$"):
        strangely_asked(answer, lambda api: api.global_emotes())
    with pytest.raises(Refused, match=r"^Twitch refused this: n{200}\.$"):
        strangely_asked(answer, lambda api: api.channel_emotes("11"))


# Subscriptions.

REWARD = ("channel.channel_points_custom_reward_redemption.add", "1", {"broadcaster_user_id": "11"})


def subscribed(act):
    """Act with a session of EventSub that is open."""

    async def with_session(scene):
        where = scene.twitch.addresses["TWITCH_EVENTSUB_WS_URL"]
        async with ClientSession() as session, session.ws_connect(where) as socket:
            welcome = json.loads((await socket.receive()).data)
            return await act(scene, welcome["payload"]["session"]["id"])

    return visit(with_session)


def test_a_kind_of_event_is_subscribed_to_once_however_often_it_is_asked_for():
    async def act(scene, session_id):
        first = await scene.api.subscribe(*REWARD, session_id)
        again = await scene.api.subscribe(*REWARD, session_id)
        return first, again, await scene.api.subscriptions()

    first, again, everything = subscribed(act)
    assert (first.type, first.version, first.condition) == REWARD
    assert (first.status, first.cost) == ("enabled", 0)
    assert first == again
    assert everything == [first]


@pytest.mark.parametrize(("status", "error"), [(400, Refused), (403, NotAllowed), (409, Refused), (429, Refused)])
def test_a_subscription_that_twitch_refuses_says_so_at_once(status, error):
    async def act(scene, session_id):
        await scene.twitch.fault("eventsub", fault="refuse", type=REWARD[0], status=status)
        with pytest.raises(error) as refused:
            await scene.api.subscribe(*REWARD, session_id)
        return refused.value.status, scene.clock.slept

    assert subscribed(act) == (status, [])


# The budget.


def test_what_is_left_of_the_budget_is_kept_for_each_identity(redis_client):
    asked(lambda api: api.streams(["11"]))
    kept = budget.budgets(redis_client)
    assert kept == {"5": budget.Budget(limit=800, remaining=799, reset=int(EPOCH) + 1)}
    assert kept["5"].remaining_at(EPOCH) == 799
    assert kept["5"].remaining_at(EPOCH + 60) == 800


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"limit": "x", "remaining": 1, "reset": 1}', "\xff"])
def test_a_budget_that_cannot_be_read_is_none(redis_client, text):
    redis_client.hset(budget.KEY, "5", text)
    assert budget.budgets(redis_client) == {}


def test_questions_are_answered_without_redis():
    async def act(scene):
        return [user.id for user in await scene.api.users(ids=["12"])]

    with override_settings(REDIS_URL="redis://127.0.0.1:9/0"):
        assert visit(act) == ["12"]


# From code that is not async.


@pytest.mark.django_db
def test_a_token_that_ran_out_is_renewed_and_kept():
    with simulated_twitch(facts()) as twitch:
        grant = make_grant(OWNER, given=tokens(OWNER, SCOPES), channel=None)
        twitch.do(twitch.fault("oauth", fault="expire"))
        assert ask(token_of(grant), who_is_here) == HERE
    renewed = TwitchGrant.objects.get()
    assert renewed.access_token != grant.access_token
    assert renewed.state == TwitchGrant.State.VALID


@pytest.mark.django_db
def test_a_grant_that_was_taken_back_is_dead_from_then_on():
    with simulated_twitch(facts()) as twitch:
        grant = make_grant(OWNER, given=tokens(OWNER, SCOPES), channel=None)
        token = token_of(grant)
        twitch.do(twitch.fault("oauth", fault="revoke", user="11"))
        with pytest.raises(GrantDead, match="Connect again"):
            ask(token, who_is_here)
    assert TwitchGrant.objects.get().state == TwitchGrant.State.DEAD
