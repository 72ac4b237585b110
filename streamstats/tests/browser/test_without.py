"""The site without a mouse, and without JavaScript."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from streamstats.tests.browser.world import BOB, CHANNEL, CLEO

pytestmark = pytest.mark.django_db
C = f"/c/{CHANNEL}"
MOST_STOPS = 400
FOCUSED = """() => {
  const element = document.activeElement;
  if (!element || element === document.body) return null;
  const style = getComputedStyle(element);
  const box = element.getBoundingClientRect();
  const name = element.getAttribute("aria-label") || element.textContent || element.name || "";
  return {
    what: `${element.tagName} ${name.trim().slice(0, 40)}`,
    ring: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
    seen: box.width > 0 && box.height > 0 && box.bottom > 0 && box.top < innerHeight,
    number: [...document.querySelectorAll("*")].indexOf(element),
  };
}"""
CAN_BE_USED = """() => {
  const all = [...document.querySelectorAll("*")];
  const kinds = "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']";
  return [...document.querySelectorAll(kinds)]
    .filter((element) => element.checkVisibility({ visibilityProperty: true }) && !element.disabled)
    .filter((element) => element.tabIndex >= 0 && (element.type !== "radio" || element.checked))
    .map((element) => all.indexOf(element));
}"""


def stops(page: Page) -> list[dict[str, Any]]:
    """Everything the Tab key comes to, in order, until it leaves the page."""
    seen: list[dict[str, Any]] = []
    for _ in range(MOST_STOPS):
        page.keyboard.press("Tab")
        here = page.evaluate(FOCUSED)
        if here is None or any(here["number"] == stop["number"] for stop in seen):
            return seen
        seen.append(here)
    raise AssertionError("no end of it")


# Without a mouse

PLACES = ["/", f"{C}/", f"{C}/streams/", f"{C}/viewers/", f"{C}/viewers/viewer0/", f"{C}/emotes/", f"{C}/leaderboards/"]


@pytest.mark.parametrize("address", PLACES)
def test_the_tab_key_comes_to_everything_and_says_where_it_is(visitors, address):
    visitor = visitors()
    page = visitor.open(address)
    wanted = page.evaluate(CAN_BE_USED)
    found = stops(page)
    assert {stop["number"] for stop in found} == set(wanted)
    assert [stop["what"] for stop in found if not stop["ring"]] == []
    assert [stop["what"] for stop in found if not stop["seen"]] == []


@pytest.mark.parametrize("address", ["/account/", f"{C}/viewers/{CLEO.login}/wiki/edit/"])
def test_the_tab_key_comes_to_everything_of_ones_own(visitors, address):
    visitor = visitors()
    visitor.is_logged_in(CLEO)
    page = visitor.open(address)
    wanted = page.evaluate(CAN_BE_USED)
    found = stops(page)
    assert {stop["number"] for stop in found} == set(wanted)
    assert [stop["what"] for stop in found if not stop["ring"]] == []


def test_the_first_stop_leads_past_the_frame(visitors):
    page = visitors().open(f"{C}/")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.querySelector('main').contains(document.activeElement)")


def test_the_whole_way_by_keyboard(visitors):
    visitor = visitors()
    page = visitor.open(f"{C}/viewers/")
    page.get_by_role("searchbox").focus()
    page.keyboard.type("viewer1")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"\?q=viewer1$"))
    page.get_by_role("link", name="Viewer1", exact=True).first.focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/viewers/viewer1/$"))
    table = page.locator("summary").first
    table.focus()
    page.keyboard.press("Enter")
    expect(page.locator("details").first).to_have_attribute("open", "")
    page.get_by_role("link", name="Log in").focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Continue to Twitch").focus()
    page.keyboard.press("Enter")
    page.get_by_label("As").focus()
    page.get_by_label("As").select_option(BOB.id)
    page.get_by_role("button", name="Allow").focus()
    page.keyboard.press("Space")
    expect(page).to_have_url(re.compile("/viewers/viewer1/$"))


# Without JavaScript


@pytest.fixture
def plain(visitors):
    return visitors(java_script_enabled=False)


def test_every_page_is_found_by_clicking_from_the_front_page(plain):
    page = plain.open("/")
    page.get_by_role("link", name="Volume", exact=True).first.click()
    trail = page.get_by_role("navigation", name="Channel")
    for name in ("Streams", "Viewers", "Emotes", "Leaderboards"):
        trail.get_by_role("link", name=name).click()
        expect(trail.get_by_role("link", name=name)).to_have_attribute("aria-current", "page")
        expect(page.get_by_role("main").get_by_role("link").first).to_be_visible()
    page.get_by_role("link", name=re.compile("What is kept")).click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()


@pytest.mark.parametrize(
    "address", [f"{C}/", f"{C}/viewers/viewer0/", f"{C}/emotes/{{emote}}/", f"{C}/streams/{{stream}}/"]
)
def test_a_picture_has_a_table_that_opens(plain, world, address):
    page = plain.open(address.format(**world._asdict()))
    shown = 0
    for details in page.locator("details:has(table)").all():
        if details.get_attribute("open") is None:
            details.locator("summary").click()
        expect(details.locator("table").first).to_be_visible()
        shown += 1
    assert shown


def test_times_are_told_in_utc_and_say_so(plain):
    time = plain.open(f"{C}/").locator('time[data-as="moment"]').first
    assert time.inner_text().endswith("UTC")


def test_searching_and_reading_on_work(plain):
    page = plain.open(f"{C}/viewers/")
    page.get_by_role("link", name="Next page").click()
    expect(page.get_by_role("table").get_by_role("link").first).to_be_visible()
    page.get_by_role("searchbox").fill("viewer10")
    page.get_by_role("button", name="Find").click()
    expect(page.get_by_role("link", name="Viewer10", exact=True)).to_be_visible()


def test_writing_and_deciding_work(plain):
    plain.log_in(CLEO)
    page = plain.open(f"{C}/viewers/{CLEO.login}/wiki/edit/")
    page.get_by_label("Text").fill("Without any script.")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Without any script.")).to_be_visible()
    plain.open("/account/").get_by_role("button", name="Hide my page in Volume").click()
    expect(page.get_by_role("status").first).to_contain_text("hidden now")
    page.get_by_role("button", name="Show my page in Volume").click()
    expect(page.get_by_role("status").first).to_be_visible()
