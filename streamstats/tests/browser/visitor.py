"""Somebody with a browser."""

import re
from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Browser, ConsoleMessage, Page, Route, expect
from social_django.models import UserSocialAuth

from streamstats.simulator.facts import Account
from streamstats.tests.browser.meanwhile import meanwhile

# The smallest picture there is, in the place of emotes that other servers have.
PICTURE = b'<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4"><rect width="4" height="4" fill="#888"/></svg>'
ELSEWHERE = re.compile(r"^https?://(?!(localhost|127\.0\.0\.1)[:/])")
PATIENCE_MS = 10_000
expect.set_options(timeout=PATIENCE_MS)
WATCH = """
window.wrong = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.wrong.push(`policy: ${event.violatedDirective} ${event.blockedURI}`);
});
window.shifted = 0;
new PerformanceObserver((list) => {
  for (const shift of list.getEntries()) if (!shift.hadRecentInput) window.shifted += shift.value;
}).observe({ type: "layout-shift", buffered: true });
"""


def _session_of(account: Account) -> str:
    user, _ = User.objects.get_or_create(username=account.id, defaults={"password": make_password(None)})
    UserSocialAuth.objects.get_or_create(user=user, provider="twitch", uid=account.id, id_key="id")
    client = Client()
    client.force_login(user, settings.AUTHENTICATION_BACKENDS[-1])
    return client.cookies[settings.SESSION_COOKIE_NAME].value


class Visitor:
    """A context of its own, and one page in it. Pages reach this machine alone; pictures of elsewhere are ours."""

    def __init__(self, browser: Browser, site: str, **options: Any) -> None:
        self.site = site
        self.problems: list[str] = []
        self._may_say = ""
        self.context = browser.new_context(base_url=site, **options)
        self.context.set_default_timeout(PATIENCE_MS)
        self.context.route(ELSEWHERE, self._answer_for_others)
        if options.get("java_script_enabled", True):
            self.context.add_init_script(WATCH)
        self.page: Page = self.context.new_page()
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.problems.append(f"script: {error}"))

    def close(self) -> None:
        self.context.close()
        assert not self.problems, "\n".join(self.problems)

    def take_problems(self) -> list[str]:
        """What went wrong so far; from now on it is somebody else's."""
        taken, self.problems = self.problems, []
        return taken

    def open(self, address: str, status: int = 200) -> Page:
        self.expects(status)
        answer = self.page.goto(address)
        assert answer is not None
        assert answer.status == status, (address, answer.status)
        return self.page

    def expects(self, status: int) -> None:
        """What Chromium says on its console about an answer of this status is no problem."""
        self._may_say = f"status of {status} " if status >= 400 else ""

    def log_in(self, account: Account) -> None:
        """As a person does it: on our page, then at Twitch."""
        self.open("/login/twitch/")
        self.page.get_by_role("button", name="Continue to Twitch").click()
        self.page.get_by_label("As").select_option(account.id)
        self.page.get_by_role("button", name="Allow").click()
        expect(self.page).to_have_url(f"{self.site}/account/")

    def is_logged_in(self, account: Account) -> None:
        """The same without the way there, for tests that are about what comes after."""
        cookie = meanwhile(lambda: _session_of(account))
        self.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": self.site}])

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not (self._may_say and self._may_say in message.text):
            self.problems.append(f"{self.page.url}: {message.text}")

    def _answer_for_others(self, route: Route) -> None:
        if route.request.resource_type == "image":
            route.fulfill(body=PICTURE, content_type="image/svg+xml")
        else:
            self.problems.append(f"asked elsewhere: {route.request.url}")
            route.abort()
