"""Twitch's authorization server: the page where one allows, and the tokens that come of it.

Tokens are self-contained and signed, so that a simulator that was started again still honours them. What was taken
back is remembered for as long as the server lives.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape
from http import HTTPStatus
from typing import Any, NoReturn
from urllib.parse import urlencode, urlsplit

from aiohttp import web

from streamstats.simulator.addresses import CLIENT_ID, CLIENT_SECRET
from streamstats.simulator.facts import Account, Facts

FAULTS = {
    "oauth": "let the authorization server fail (?fault=expire: all access tokens so far are dead;"
    " revoke: whatever ?user= allowed is; refuse-refresh: no token is renewed; error: answer 500;"
    " slow: hold every answer back, ?seconds=10; mend: answer as ever)",
}
KEY = b"signs what the simulated Twitch hands out; opens nothing else"
LIFETIME_S = 4 * 60 * 60
APP_LIFETIME_S = 60 * 24 * 60 * 60
CODE_LIFETIME_S = 10 * 60
DEVICE_LIFETIME_S = 30 * 60
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
USER_CODE_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"  # no vowels, so no words
COOKIE = "simulated_twitch_user"
LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Tokens:
    """What somebody's consent is worth."""

    access_token: str
    refresh_token: str
    expires_in: int
    scopes: tuple[str, ...]


@dataclass(frozen=True)
class Identity:
    """Whose token it is; nobody's (None) for one of the application itself."""

    user_id: str | None
    scopes: frozenset[str]
    client_id: str


@dataclass
class Device:
    """Something without a browser that waits for somebody to enter its code."""

    user_code: str
    scopes: tuple[str, ...]
    client_id: str
    expires_at: float
    user_id: str | None = None
    is_denied: bool = False


def issue(user_id: str, scopes: Iterable[str], *, now: datetime | None = None, lifetime_s: int = LIFETIME_S) -> Tokens:
    """Tokens as if this account had just allowed our application these scopes."""
    return _issue(user_id, tuple(scopes), secrets.token_hex(8), now or datetime.now(UTC), lifetime_s)


def _issue(user_id: str, scopes: tuple[str, ...], consent: str, now: datetime, lifetime_s: int) -> Tokens:
    told = {"user": user_id, "scopes": scopes, "consent": consent, "client": CLIENT_ID, "at": now.timestamp()}
    access = _seal({**told, "kind": "access", "until": now.timestamp() + lifetime_s})
    return Tokens(access, _seal({**told, "kind": "refresh"}), lifetime_s, scopes)


def _seal(told: Mapping[str, Any]) -> str:
    """Sign what a token tells. No two are the same, even of the same moment."""
    body = base64.urlsafe_b64encode(json.dumps({**told, "nonce": secrets.token_hex(8)}).encode()).rstrip(b"=")
    return f"{body.decode()}.{_signature(body)}"


def _unseal(text: str, kind: str) -> dict[str, Any] | None:
    """What a token tells; None where it is not ours, or of another kind."""
    body, _, signature = text.encode().partition(b".")
    if not hmac.compare_digest(_signature(body).encode(), signature):
        return None
    told: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + b"=" * (-len(body) % 4)))
    return told if told["kind"] == kind else None


def _signature(body: bytes) -> str:
    return hmac.new(KEY, body, hashlib.sha256).hexdigest()[:32]


@dataclass
class _Wrong:
    """What does not work at the moment."""

    error: bool = False
    refuse_refresh: bool = False
    until: asyncio.Event | None = None


@dataclass
class OAuthServer:
    """Serves /oauth2. Tests look at `asked`: the kinds of tokens that were asked for, in order."""

    facts: Facts
    rotates: bool = False
    device_interval_s: int = 5
    asked: list[str] = field(default_factory=list)
    devices: dict[str, Device] = field(default_factory=dict)
    _wrong: _Wrong = field(default_factory=_Wrong)
    _expired_at: float = 0.0
    _revoked_at: dict[str, float] = field(default_factory=dict)
    _revoked: set[str] = field(default_factory=set)
    _used: set[str] = field(default_factory=set)
    _allowed: dict[str, set[str]] = field(default_factory=dict)

    def add_routes(self, app: web.Application) -> None:
        app.router.add_get("/oauth2/authorize", self._faulty(self._authorize))
        app.router.add_post("/oauth2/authorize", self._faulty(self._decide))
        app.router.add_post("/oauth2/token", self._faulty(self._token))
        app.router.add_get("/oauth2/validate", self._faulty(self._validate))
        app.router.add_post("/oauth2/revoke", self._faulty(self._revoke))
        app.router.add_post("/oauth2/device", self._faulty(self._device))
        app.router.add_get("/oauth2/activate", self._faulty(self._activate))
        app.router.add_post("/oauth2/activate", self._faulty(self._decide_device))

    async def fault(self, name: str, options: Mapping[str, str | float]) -> None:
        if name not in FAULTS:
            raise ValueError(f"no fault is named {name!r}")
        now = datetime.now(UTC).timestamp()
        match options.get("fault"):
            case "expire":
                self._expired_at = now
            case "revoke":
                user = str(options.get("user", ""))
                account = self.facts.account(user) or self.facts.account_named(user)
                if account is None:
                    raise ValueError("user must be the id or the login of somebody")
                self._revoked_at[account.id] = now
            case "refuse-refresh":
                self._wrong.refuse_refresh = True
            case "error":
                self._wrong.error = True
            case "slow":
                until = self._wrong.until = asyncio.Event()
                seconds = float(options.get("seconds", 10))
                if not 0 <= seconds < float("inf"):
                    raise ValueError("seconds must be a number from 0 on")
                asyncio.get_running_loop().call_later(seconds, until.set)
            case "mend":
                if self._wrong.until:
                    self._wrong.until.set()
                self._wrong = _Wrong()
            case unknown:
                raise ValueError(f"no fault of oauth is named {unknown!r}: {FAULTS['oauth']}")

    # What the other servers ask.

    def check(self, authorization: str, client_id: str) -> Identity | None:
        """Whose token is in an Authorization header; None (401) for a dead one, or another application's."""
        scheme, _, token = authorization.partition(" ")
        if scheme not in {"Bearer", "OAuth"}:
            return None
        told = self._told(token)
        if told is None or told["client"] != client_id:
            return None
        return Identity(told["user"], frozenset(told["scopes"]), told["client"])

    def _told(self, access_token: str) -> dict[str, Any] | None:
        """What a living access token tells."""
        told = _unseal(access_token, "access")
        now = datetime.now(UTC).timestamp()
        if told is None or told["until"] <= now or told["at"] <= self._expired_at or self._is_revoked(told):
            return None
        return told

    def _is_revoked(self, told: Mapping[str, Any]) -> bool:
        return told["consent"] in self._revoked or told["at"] <= self._revoked_at.get(told["user"] or "", 0.0)

    # Consent in a browser.

    async def _authorize(self, request: web.Request) -> web.Response:
        asked = dict(request.query)
        _check_asked(asked)
        account = self._chosen(asked.get("user"))
        known = request.cookies.get(COOKIE, "")
        has_allowed = set(asked.get("scope", "").split()) <= self._allowed.get(known, set())
        if account is None and known in self._allowed and has_allowed and asked.get("force_verify") != "true":
            account = self._chosen(known)
        if account is not None:
            return self._allow(asked, account)
        return self._consent_page("/oauth2/authorize", asked, asked.get("scope", ""))

    async def _decide(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        _check_asked(form)
        account = self._chosen(form.get("user"))
        if form.get("answer") == "allow" and account is not None:
            return self._allow(form, account)
        denied = {"error": "access_denied", "error_description": "The user denied you access"}
        return _send_back(form, denied)

    def _allow(self, asked: Mapping[str, str], account: Account) -> web.Response:
        scopes = asked.get("scope", "").split()
        self._allowed.setdefault(account.id, set()).update(scopes)
        now = datetime.now(UTC).timestamp()
        told = {"kind": "code", "user": account.id, "scopes": scopes, "redirect_uri": asked["redirect_uri"]}
        code = _seal({**told, "until": now + CODE_LIFETIME_S})
        answer = _send_back(asked, {"code": code, "scope": " ".join(scopes)})
        answer.set_cookie(COOKIE, account.id, httponly=True, samesite="Lax")
        return answer

    def _chosen(self, user: str | None) -> Account | None:
        """An account by id or login; None where nobody was named."""
        if not user:
            return None
        return self.facts.account(user) or self.facts.account_named(user) or _refuse(400, f"nobody is called {user}")

    # Consent for something without a browser.

    async def _device(self, request: web.Request) -> web.Response:
        form = await _form(request)
        _check_client(form, has_secret=False)
        user_code = "".join(secrets.choice(USER_CODE_LETTERS) for _ in range(8))
        device_code = secrets.token_hex(20)
        until = datetime.now(UTC).timestamp() + DEVICE_LIFETIME_S
        self.devices[device_code] = Device(user_code, tuple(form.get("scopes", "").split()), CLIENT_ID, until)
        page = f"{request.scheme}://{request.host}/oauth2/activate?public=true&device-code={user_code}"
        return web.json_response(
            {
                "device_code": device_code,
                "expires_in": DEVICE_LIFETIME_S,
                "interval": self.device_interval_s,
                "user_code": user_code,
                "verification_uri": page,
            }
        )

    async def _activate(self, request: web.Request) -> web.Response:
        code = request.query.get("device-code", "")
        device = self._waiting(code)
        if device is None:
            words = "<p>That code is not known, or no longer.</p>" if code else ""
            field = '<label>Code <input name="device-code" autocomplete="off" required></label>'
            form = f'<form action="/oauth2/activate">{field} <button>Continue</button></form>'
            return _page("Activate a device", words + form)
        return self._consent_page("/oauth2/activate", {"device-code": code}, " ".join(device.scopes))

    async def _decide_device(self, request: web.Request) -> web.Response:
        form = await _form(request)
        device = self._waiting(form.get("device-code", ""))
        account = self._chosen(form.get("user"))
        if device is None:
            return _refuse(400, "invalid device code")
        if form.get("answer") == "allow" and account is not None:
            device.user_id = account.id
            return _page("Done", "<p>The device is connected. You may close this page.</p>")
        device.is_denied = True
        return _page("Denied", "<p>The device was not connected. You may close this page.</p>")

    def _waiting(self, user_code: str) -> Device | None:
        code = user_code.strip().upper().replace("-", "")
        return next((device for device in self.devices.values() if code and device.user_code == code), None)

    # Tokens.

    async def _token(self, request: web.Request) -> web.Response:
        form = await _form(request)
        kind = form.get("grant_type", "")
        self.asked.append(kind)
        _check_client(form, has_secret=kind != DEVICE_GRANT)
        match kind:
            case "authorization_code":
                return self._exchange(form)
            case "refresh_token":
                return self._refresh(form)
            case "client_credentials":
                now = datetime.now(UTC).timestamp()
                told: dict[str, Any] = {"kind": "access", "user": None, "scopes": [], "consent": secrets.token_hex(8)}
                token = _seal({**told, "client": CLIENT_ID, "at": now, "until": now + APP_LIFETIME_S})
                return web.json_response({"access_token": token, "expires_in": APP_LIFETIME_S, "token_type": "bearer"})
            case unknown if unknown == DEVICE_GRANT:
                return self._poll(form)
            case _:
                return _refuse(400, "missing grant type")

    def _exchange(self, form: Mapping[str, str]) -> web.Response:
        told = _unseal(form.get("code", ""), "code")
        if told is None or told["nonce"] in self._used or told["until"] <= datetime.now(UTC).timestamp():
            return _refuse(400, "Invalid authorization code")
        if told["redirect_uri"] != form.get("redirect_uri"):
            return _refuse(400, "Parameter redirect_uri does not match registered URI")
        self._used.add(told["nonce"])
        return _granted(issue(told["user"], told["scopes"]))

    def _refresh(self, form: Mapping[str, str]) -> web.Response:
        told = _unseal(form.get("refresh_token", ""), "refresh")
        if told is None or told["nonce"] in self._used or self._wrong.refuse_refresh or self._is_revoked(told):
            return _refuse(400, "Invalid refresh token")
        tokens = _issue(told["user"], tuple(told["scopes"]), told["consent"], datetime.now(UTC), LIFETIME_S)
        if self.rotates:
            self._used.add(told["nonce"])
            return _granted(tokens)
        return _granted(Tokens(tokens.access_token, form["refresh_token"], tokens.expires_in, tokens.scopes))

    def _poll(self, form: Mapping[str, str]) -> web.Response:
        device = self.devices.get(form.get("device_code", ""))
        if device is None or device.is_denied or device.expires_at <= datetime.now(UTC).timestamp():
            return _refuse(400, "invalid device code")
        if device.user_id is None:
            return _refuse(400, "authorization_pending")
        del self.devices[form["device_code"]]
        return _granted(issue(device.user_id, device.scopes))

    async def _validate(self, request: web.Request) -> web.Response:
        told = self._told(request.headers.get("Authorization", "").partition(" ")[2])
        if told is None:
            return _refuse(401, "invalid access token")
        account = self.facts.account(told["user"]) if told["user"] else None
        left_s = int(told["until"] - datetime.now(UTC).timestamp())
        return web.json_response(
            {
                "client_id": told["client"],
                "login": account.login if account else None,
                "scopes": told["scopes"],
                "user_id": told["user"],
                "expires_in": left_s,
            }
        )

    async def _revoke(self, request: web.Request) -> web.Response:
        form = await _form(request)
        if form.get("client_id") != CLIENT_ID:
            return _refuse(404, "client does not exist")
        told = self._told(form.get("token", ""))
        if told is None:
            return _refuse(400, "Invalid token")
        self._revoked.add(told["consent"])
        return web.Response()

    # Pages, and bad days.

    def _consent_page(self, action: str, asked: Mapping[str, str], scope: str) -> web.Response:
        hidden = "".join(
            f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
            for name, value in asked.items()
            if name not in {"user", "answer"}
        )
        people = "".join(
            f'<optgroup label="{label}">{"".join(map(self._option, accounts))}</optgroup>'
            for label, accounts in self._by_role(is_login=not scope)
            if accounts
        )
        scopes = "".join(f"<li><code>{escape(name)}</code></li>" for name in scope.split()) or "<li>who you are</li>"
        return _page(
            "Allow StreamStats?",
            f"<p>An application with the client id <code>{CLIENT_ID}</code> wants to:</p><ul>{scopes}</ul>"
            f'<form method="post" action="{action}">{hidden}'
            f'<p><label>As <select name="user">{people}</select></label></p>'
            '<p><button name="answer" value="allow">Allow</button> <button name="answer" value="deny">Deny</button></p>'
            "</form>",
        )

    def _by_role(self, *, is_login: bool) -> list[tuple[str, list[Account]]]:
        """Whom one may be. Mostly viewers log in, and mostly streamers allow something."""
        accounts = list(self.facts.accounts())
        streamers = [account for account in accounts if account.broadcaster_type]
        trusted = {moderator.id for streamer in streamers for moderator in self.facts.moderators(streamer.id)}
        others = [account for account in accounts if account not in streamers]
        groups = [
            ("Viewers", [account for account in others if account.id not in trusted]),
            ("Moderators", [account for account in others if account.id in trusted]),
            ("Streamers", streamers),
        ]
        return groups if is_login else groups[::-1]

    def _option(self, account: Account) -> str:
        name = f"{account.display_name}{self._place(account)} ({account.login})"
        return f'<option value="{escape(account.id)}">{escape(name)}</option>'

    def _place(self, account: Account) -> str:
        """What somebody is in which channel, for who wants to see what that person may."""
        if account.broadcaster_type:
            return ", owns a channel"
        channels = [each for each in self.facts.accounts() if each.broadcaster_type]
        moderated = [each.display_name for each in channels if account in self.facts.moderators(each.id)]
        return f", moderates {' and '.join(moderated)}" if moderated else ""

    def _faulty(self, handler: Any) -> Any:
        async def handle(request: web.Request) -> web.StreamResponse:
            if self._wrong.until is not None:
                await self._wrong.until.wait()
            if self._wrong.error:
                return web.Response(status=500, text="<html>oh no</html>", content_type="text/html")
            answer: web.StreamResponse = await handler(request)
            return answer

        return handle


async def _form(request: web.Request) -> dict[str, str]:
    """Parameters in the body, or in the address: Twitch takes both."""
    body = await request.post()
    return {**request.query, **{name: str(value) for name, value in body.items()}}


def _check_asked(asked: Mapping[str, str]) -> None:
    if asked.get("client_id") != CLIENT_ID:
        _refuse(400, "invalid client")
    if asked.get("response_type") != "code":
        _refuse(400, "response_type must be code")
    place = urlsplit(asked.get("redirect_uri", ""))
    if place.scheme != "https" and not (place.scheme == "http" and place.hostname in LOCAL_HOSTS):
        _refuse(400, "Parameter redirect_uri does not match registered URI")


def _check_client(form: Mapping[str, str], *, has_secret: bool) -> None:
    if not form.get("client_id"):
        _refuse(400, "missing client id")
    if form["client_id"] != CLIENT_ID:
        _refuse(400, "invalid client")
    if has_secret and form.get("client_secret") != CLIENT_SECRET:
        _refuse(403, "invalid client secret")


def _granted(tokens: Tokens) -> web.Response:
    return web.json_response(
        {
            "access_token": tokens.access_token,
            "refresh_token": tokens.refresh_token,
            "expires_in": tokens.expires_in,
            "scope": list(tokens.scopes),
            "token_type": "bearer",
        }
    )


def _send_back(asked: Mapping[str, str], told: Mapping[str, str]) -> web.Response:
    """Redirect to where the application wants its answer."""
    state = {"state": asked["state"]} if "state" in asked else {}
    target = asked["redirect_uri"]
    mark = "&" if urlsplit(target).query else "?"
    return web.Response(status=HTTPStatus.FOUND, headers={"Location": f"{target}{mark}{urlencode({**told, **state})}"})


def _refuse(status: int, message: str) -> NoReturn:
    """Answer as Twitch's authorization server says no."""
    text = json.dumps({"status": status, "message": message})
    kind = next(
        kind
        for kind in (web.HTTPBadRequest, web.HTTPUnauthorized, web.HTTPForbidden, web.HTTPNotFound)
        if kind.status_code == status
    )
    raise kind(text=text, content_type="application/json")


def _page(title: str, body: str) -> web.Response:
    return web.Response(
        text=f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)} · simulated Twitch</title><style>body{{font:1rem/1.5 system-ui;max-width:40rem;"
        f"margin:3rem auto;padding:0 1rem;color-scheme:light dark}}</style>"
        f"<p><small>This is not Twitch: it is the simulator.</small></p><h1>{escape(title)}</h1>{body}</html>",
        content_type="text/html",
    )
