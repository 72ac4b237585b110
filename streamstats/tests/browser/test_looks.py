"""Every page in light and dark, on a phone and on a desk: nothing cut, nothing moving, nothing that axe finds wrong."""

import re
from collections import Counter
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import resolve
from playwright.sync_api import Browser, Page

from streamstats.simulator.tests.threaded import ThreadedTwitch
from streamstats.tests.browser.markup import faults
from streamstats.tests.browser.sights import SIGHTS, Sight, looked_at, unseen
from streamstats.tests.browser.visitor import Visitor
from streamstats.tests.browser.world import ANN, NEWCOMER, OWNER, World

pytestmark = pytest.mark.django_db
LINK = re.compile(r'<a [^>]*href="([^"#]+)')
OF_A_KIND = 3
# Where only the owner of a receipt or a moderator comes, where Twitch sends people back to, and where strangers log in.
OF_MODERATORS = {"chat:stream_recap", "chat:summary_queue"}
NOT_BY_CLICKING = {"chat:erased", "social:begin", "social:complete", *OF_MODERATORS}
ACCOUNTS = {"ann": ANN, "newcomer": NEWCOMER}
THEMES = ("light", "dark")
DESK, PHONE, SMALL_PHONE = (1280, 800), (375, 740), (320, 640)
LOOKS = (Path(__file__).parent / "looks.js").read_text()
MOST_SHIFT = 0.01
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
ALL_RULES = {"runOnly": {"type": "tag", "values": WCAG}, "resultTypes": ["violations"]}
OF_COLOR = ["color-contrast", "link-in-text-block"]
COLORS = {"runOnly": {"type": "rule", "values": OF_COLOR}, "resultTypes": ["violations"]}
# Until fonts are there and two frames are drawn.
DRAWN = """
() => document.fonts.ready.then(
  () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))
)
"""


@pytest.fixture(scope="module")
def people(browser: Browser, site: str, twitch: ThreadedTwitch) -> Iterator[dict[str, Visitor]]:
    """Who looks: nobody, and people who are logged in."""
    people = {who: Visitor(browser, site) for who in {sight.who for sight in SIGHTS}}
    for who, visitor in people.items():
        if who == "owner":
            visitor.log_in(OWNER)  # which tells who they are: no message of theirs did
        elif who:
            visitor.is_logged_in(ACCOUNTS[who])
    yield people
    for visitor in people.values():
        visitor.close()


@pytest.mark.parametrize("sight", SIGHTS, ids=lambda sight: sight.name)
def test_a_page_looks_as_it_should(
    sight: Sight, people: dict[str, Visitor], world: World, pictures: Path | None
) -> None:
    visitor = people[sight.who]
    page = visitor.page
    page.set_viewport_size({"width": DESK[0], "height": DESK[1]})
    page.emulate_media(color_scheme="light")
    visitor.open(sight.at(world), sight.status)
    page.evaluate(DRAWN)
    wrong = [f"it moved by {shift}"] if (shift := page.evaluate("window.shifted")) > MOST_SHIFT else []
    for theme in THEMES:
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        is_first = theme == THEMES[0]
        wrong += [f"{theme}: {what}" for what in by_axe(page, ALL_RULES if is_first else COLORS, is_first=is_first)]
        for size in (DESK, PHONE):
            resize(page, size)
            wrong += [f"{theme}, {size[0]}: {what}" for what in page.evaluate(LOOKS)]
            if pictures:
                page.screenshot(path=pictures / f"{sight.name}-{theme}-{size[0]}.png", full_page=True)
    resize(page, SMALL_PHONE)
    wrong += [f"{SMALL_PHONE[0]}: {what}" for what in page.evaluate(LOOKS)]
    wrong += page.evaluate("window.wrong") + visitor.take_problems()
    assert not wrong, "\n".join(wrong[:8])


@pytest.mark.parametrize("sight", SIGHTS, ids=lambda sight: sight.name)
def test_a_page_is_html_as_the_standard_has_it(sight: Sight, people: dict[str, Visitor], world: World) -> None:
    answer = people[sight.who].context.request.get(sight.at(world))
    assert answer.status == sight.status
    assert faults(answer.text()) == []


def test_every_page_is_found_by_clicking_from_the_front_page(people: dict[str, Visitor]) -> None:
    """As somebody who is logged in: a few pages of each kind are opened, and all that they link to is looked at."""
    ask = people["ann"].context.request
    seen: Counter[str] = Counter()
    waiting, known = ["/"], {"/"}
    while waiting:
        address = waiting.pop()
        view = resolve(address.partition("?")[0]).view_name
        seen[view] += 1
        if seen[view] > OF_A_KIND:
            continue
        answer = ask.get(address)
        assert answer.status == 200, address
        links = [urljoin(address, unescape(link)) for link in LINK.findall(answer.text())]
        new = [link for link in dict.fromkeys(links) if link.startswith("/") and link not in known]
        waiting += new
        known.update(new)
    assert looked_at() - set(seen) == NOT_BY_CLICKING


def resize(page: Page, size: tuple[int, int]) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.evaluate(DRAWN)


def by_axe(page: Page, options: dict[str, Any], *, is_first: bool) -> list[str]:
    """What axe finds. Its script stays in the page."""
    axe = Axe() if is_first else Axe(axe_script="")
    found = axe.run(page, options=options).response["violations"]
    return [
        f"{rule['id']}: {node['html'][:200]} {node['failureSummary']}" for rule in found for node in rule["nodes"][:3]
    ]


def test_every_address_is_looked_at() -> None:
    assert unseen() == set()
