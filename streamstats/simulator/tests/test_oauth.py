import asyncio
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import ClientSession, CookieJar

from streamstats.simulator.addresses import CLIENT_ID, CLIENT_SECRET
from streamstats.simulator.facts import Account, StatedFacts
from streamstats.simulator.oauth import DEVICE_GRANT, issue
from streamstats.simulator.server import SimulatedTwitch

BACK = "http://localhost:8000/connect/callback/"
ASKED = {"client_id": CLIENT_ID, "redirect_uri": BACK, "response_type": "code", "scope": "bits:read", "state": "s1"}
CLIENT = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
ANN = Account("11", "ann", "Ann<b>")


class Visitor:
    """Asks the server, redirects not followed."""

    def __init__(self, twitch, session):
        self.twitch = twitch
        self.session = session

    async def get(self, path, **query):
        headers = {"Authorization": query.pop("authorization")} if "authorization" in query else {}
        where = f"{self.twitch.base_url}/oauth2/{path}"
        async with self.session.get(where, params=query, headers=headers, allow_redirects=False) as answer:
            return answer, await answer.text()

    async def post(self, path, **form):
        where = f"{self.twitch.base_url}/oauth2/{path}"
        async with self.session.post(where, data=form, allow_redirects=False) as answer:
            text = await answer.text()
            return answer, await answer.json() if answer.content_type == "application/json" else text

    async def code(self, **asked):
        answer, _ = await self.get("authorize", **{**ASKED, "user": "ann", **asked})
        return told(answer)["code"]

    async def validate(self, token):
        answer, _ = await self.get("validate", authorization=f"OAuth {token}")
        return answer.status


def told(answer):
    """The parameters of a redirect."""
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["Location"]).query).items()}


def visit(scene, facts=None):
    facts = facts or StatedFacts([ANN, Account("12", "ben", "Ben")])

    async def run():
        # Cookies of a numeric host are kept only by a jar that is told to.
        jar = CookieJar(unsafe=True)
        async with SimulatedTwitch(facts=facts) as twitch, ClientSession(cookie_jar=jar) as session:
            return await scene(Visitor(twitch, session))

    return asyncio.run(run())


def test_the_page_lets_one_pick_an_account_and_shows_what_is_asked_for():
    _, page = visit(lambda me: me.get("authorize", **ASKED))
    assert "bits:read" in page
    assert "Ann&lt;b&gt; (ann)" in page


@pytest.mark.parametrize(("scope", "first"), [("", "ann"), ("bits:read", "lantern")])
def test_viewers_are_the_first_to_log_in_and_streamers_to_allow_something(scope, first):
    streamer, mod = Account("12", "lantern", "Lantern", broadcaster_type="partner"), Account("13", "mod", "Mod")
    facts = StatedFacts([streamer, mod, ANN], mods={"12": ["13"]})
    _, page = visit(lambda me: me.get("authorize", **{**ASKED, "scope": scope}), facts=facts)
    groups = re.findall(r'<optgroup label="(\w+)"><option value="\d+">[^(]*\((\w+)\)</option></optgroup>', page)
    assert dict(groups) == {"Viewers": "ann", "Moderators": "mod", "Streamers": "lantern"}
    assert groups[0][1] == first


def test_the_page_says_who_owns_a_channel_and_who_moderates_which():
    streamer, mod = Account("12", "lantern", "Lantern", broadcaster_type="partner"), Account("13", "mod", "Mod")
    facts = StatedFacts([streamer, mod, ANN], mods={"12": ["13"]})
    _, page = visit(lambda me: me.get("authorize", **ASKED), facts=facts)
    assert "Lantern, owns a channel (lantern)" in page
    assert "Mod, moderates Lantern (mod)" in page


def test_allowing_sends_back_a_code_and_the_state():
    answer, _ = visit(lambda me: me.post("authorize", **ASKED, user="11", answer="allow"))
    assert answer.status == 302
    assert told(answer)["state"] == "s1"
    assert told(answer)["scope"] == "bits:read"
    assert answer.headers["Location"].startswith(f"{BACK}?code=")


def test_denying_sends_back_why():
    answer, _ = visit(lambda me: me.post("authorize", **ASKED, user="11", answer="deny"))
    assert told(answer) == {
        "error": "access_denied",
        "error_description": "The user denied you access",
        "state": "s1",
    }


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"client_id": "other"}, "invalid client"),
        ({"response_type": "token"}, "response_type must be code"),
        ({"redirect_uri": "http://example.org/"}, "Parameter redirect_uri does not match registered URI"),
        ({"user": "nobody"}, "nobody is called nobody"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_without_a_redirect(wrong, message):
    answer, text = visit(lambda me: me.get("authorize", **{**ASKED, **wrong}))
    assert (answer.status, message in text) == (400, True)


def test_who_allowed_it_before_is_asked_again_only_when_told_to():
    async def scene(me):
        await me.code()
        again, _ = await me.get("authorize", **ASKED)
        verified, _ = await me.get("authorize", **ASKED, force_verify="true")
        more, _ = await me.get("authorize", **{**ASKED, "scope": "bits:read chat:read"})
        return again.status, verified.status, more.status

    assert visit(scene) == (302, 200, 200)


def test_a_code_becomes_tokens_once():
    async def scene(me):
        code = await me.code()
        form = {**CLIENT, "grant_type": "authorization_code", "code": code, "redirect_uri": BACK}
        return await me.post("token", **form), await me.post("token", **form)

    (first, tokens), (second, refusal) = visit(scene)
    assert (first.status, tokens["scope"], tokens["token_type"]) == (200, ["bits:read"], "bearer")
    assert (second.status, refusal) == (400, {"status": 400, "message": "Invalid authorization code"})


@pytest.mark.parametrize(
    ("wrong", "status", "message"),
    [
        ({"redirect_uri": BACK.rstrip("/")}, 400, "Parameter redirect_uri does not match registered URI"),
        ({"client_secret": "x"}, 403, "invalid client secret"),
        ({"client_id": "x"}, 400, "invalid client"),
        ({"client_id": ""}, 400, "missing client id"),
        ({"code": "x"}, 400, "Invalid authorization code"),
        ({"grant_type": "x"}, 400, "missing grant type"),
    ],
)
def test_a_wrong_exchange_is_refused_in_twitchs_words(wrong, status, message):
    async def scene(me):
        form = {**CLIENT, "grant_type": "authorization_code", "code": await me.code(), "redirect_uri": BACK}
        return await me.post("token", **{**form, **wrong})

    assert visit(scene)[1] == {"status": status, "message": message}


async def refreshed(me, tokens):
    return await me.post("token", **CLIENT, grant_type="refresh_token", refresh_token=tokens.refresh_token)


@pytest.mark.parametrize("rotates", [False, True])
def test_a_refresh_gives_a_new_token_and_sometimes_a_new_refresh_token(rotates):
    async def scene(me):
        me.twitch.oauth.rotates = rotates
        tokens = issue("11", ["bits:read"])
        _, new = await refreshed(me, tokens)
        again, _ = await refreshed(me, tokens)
        return new["refresh_token"] != tokens.refresh_token, again.status, await me.validate(new["access_token"])

    assert visit(scene) == (rotates, 400 if rotates else 200, 200)


def test_the_application_gets_a_token_of_nobody():
    async def scene(me):
        _, tokens = await me.post("token", **CLIENT, grant_type="client_credentials")
        return "refresh_token" in tokens, me.twitch.oauth.check(f"Bearer {tokens['access_token']}", CLIENT_ID)

    has_refresh, identity = visit(scene)
    assert not has_refresh
    assert identity.user_id is None


def test_validating_tells_whose_token_it_is():
    async def scene(me):
        answer = await me.session.get(
            f"{me.twitch.base_url}/oauth2/validate",
            headers={"Authorization": f"OAuth {issue('11', ['bits:read']).access_token}"},
        )
        return await answer.json()

    found = visit(scene)
    assert found.pop("expires_in") in range(14390, 14401)
    assert found == {"client_id": CLIENT_ID, "login": "ann", "user_id": "11", "scopes": ["bits:read"]}


@pytest.mark.parametrize("token", ["", "x", "e30.x", issue("11", []).refresh_token, issue("11", []).access_token[:-1]])
def test_what_is_no_access_token_of_ours_is_refused(token):
    answer, text = visit(lambda me: me.get("validate", authorization=f"OAuth {token}"))
    assert (answer.status, text) == (401, '{"status": 401, "message": "invalid access token"}')


def test_a_token_dies_when_its_time_is_over():
    late = issue("11", [], now=datetime.now(UTC) - timedelta(hours=5))
    assert visit(lambda me: me.validate(late.access_token)) == 401


def test_another_server_honours_what_was_issued_before():
    tokens = issue("11", ["bits:read"])
    assert visit(lambda me: me.validate(tokens.access_token)) == 200


def test_a_token_that_was_given_back_is_dead_with_its_refresh_token_but_no_other_is():
    async def scene(me):
        tokens, other = issue("11", []), issue("11", [])
        given, _ = await me.post("revoke", client_id=CLIENT_ID, token=tokens.access_token)
        again, _ = await me.post("revoke", client_id=CLIENT_ID, token=tokens.access_token)
        alien, _ = await me.post("revoke", client_id="x", token=tokens.access_token)
        refresh, _ = await refreshed(me, tokens)
        alive = await me.validate(other.access_token)
        return given.status, again.status, alien.status, await me.validate(tokens.access_token), refresh.status, alive

    assert visit(scene) == (200, 400, 404, 401, 400, 200)


def test_a_device_waits_until_somebody_enters_its_code():
    async def scene(me):
        _, device = await me.post("device", client_id=CLIENT_ID, scopes="bits:read")
        form = {"client_id": CLIENT_ID, "grant_type": DEVICE_GRANT, "device_code": device["device_code"]}
        _, pending = await me.post("token", **form)
        code = device["user_code"]
        await me.post("activate", **{"device-code": code[:4] + "-" + code[4:].lower()}, user="ann", answer="allow")
        _, tokens = await me.post("token", **form)
        _, again = await me.post("token", **form)
        return device, pending, tokens, again

    device, pending, tokens, again = visit(scene)
    assert (device["expires_in"], device["interval"], len(device["user_code"])) == (1800, 5, 8)
    assert pending == {"status": 400, "message": "authorization_pending"}
    assert tokens["scope"] == ["bits:read"]
    assert again == {"status": 400, "message": "invalid device code"}


def test_the_page_of_a_device_asks_for_a_code_that_is_known():
    async def scene(me):
        _, device = await me.post("device", client_id=CLIENT_ID, scopes="bits:read")
        _, unknown = await me.get("activate", **{"device-code": "X"})
        _, known = await me.get("activate", **{"device-code": device["user_code"]})
        return unknown, known

    unknown, known = visit(scene)
    assert "not known" in unknown
    assert "bits:read" in known


def test_a_device_that_was_denied_gets_nothing():
    async def scene(me):
        _, device = await me.post("device", client_id=CLIENT_ID, scopes="")
        await me.post("activate", **{"device-code": device["user_code"]}, answer="deny")
        form = {"client_id": CLIENT_ID, "grant_type": DEVICE_GRANT, "device_code": device["device_code"]}
        return (await me.post("token", **form))[1]["message"]

    assert visit(scene) == "invalid device code"


def test_all_tokens_so_far_can_expire_and_be_renewed():
    async def scene(me):
        tokens = issue("11", [])
        await me.twitch.fault("oauth", fault="expire")
        _, new = await refreshed(me, tokens)
        return await me.validate(tokens.access_token), await me.validate(new["access_token"])

    assert visit(scene) == (401, 200)


def test_what_one_account_allowed_can_be_taken_back():
    async def scene(me):
        ann, ben = issue("11", []), issue("12", [])
        await me.twitch.fault("oauth", fault="revoke", user="ann")
        refresh, _ = await refreshed(me, ann)
        return await me.validate(ann.access_token), refresh.status, await me.validate(ben.access_token)

    assert visit(scene) == (401, 400, 200)


def test_refusals_and_errors_last_until_mended():
    async def scene(me):
        tokens = issue("11", [])
        await me.twitch.fault("oauth", fault="refuse-refresh")
        refused, _ = await refreshed(me, tokens)
        await me.twitch.fault("oauth", fault="error")
        broken = await me.validate(tokens.access_token)
        await me.twitch.fault("oauth", fault="mend")
        mended, _ = await refreshed(me, tokens)
        return refused.status, broken, mended.status

    assert visit(scene) == (400, 500, 200)


def test_a_slow_server_answers_when_it_is_mended():
    async def scene(me):
        await me.twitch.fault("oauth", fault="slow", seconds=60)
        waiting = asyncio.create_task(me.validate(issue("11", []).access_token))
        await asyncio.wait({waiting}, timeout=0.05)
        is_waiting = not waiting.done()
        await me.twitch.fault("oauth", fault="mend")
        return is_waiting, await waiting

    assert visit(scene) == (True, 200)


@pytest.mark.parametrize(
    "options", [{}, {"fault": "x"}, {"fault": "revoke", "user": "x"}, {"fault": "slow", "seconds": "nan"}]
)
def test_what_is_no_fault_is_refused(options):
    with pytest.raises(ValueError, match=r"no fault|user must|seconds must"):
        visit(lambda me: me.twitch.fault("oauth", **options))
