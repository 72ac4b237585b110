"""What moves on a page, and what is drawn by scripts from what stands there without them."""

import pytest
from playwright.sync_api import expect

from streamstats.tests.browser.meanwhile import meanwhile
from streamstats.tests.browser.world import CHANNEL
from viewers import choices
from viewers.models import Viewer

pytestmark = pytest.mark.django_db
C = f"/c/{CHANNEL}"


def test_who_hides_vanishes_from_open_pages_and_comes_back(visitors):
    reader = visitors()
    page = reader.open(f"{C}/")
    expect(page.get_by_text("updating live")).to_be_visible()
    named = page.locator("[data-now] #leaders + ol bdi")
    name = named.first.inner_text()
    viewer = meanwhile(lambda: Viewer.objects.get(display_name=name))
    meanwhile(lambda: choices.hide(viewer))
    try:
        expect(page.locator("[data-now]").get_by_text(name, exact=True)).to_have_count(0, timeout=2000)
        assert named.count()
    finally:
        meanwhile(lambda: choices.show(viewer))
    expect(named.first).to_have_text(name)


def test_the_uses_of_an_emote_are_drawn_from_their_table(visitors, world):
    page = visitors().open(f"{C}/emotes/{world.emote}/")
    figure = page.locator("[data-chart]")
    expect(figure.locator("canvas")).to_be_visible()
    expect(figure.locator("table")).to_be_hidden()
    box = figure.locator("canvas").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(figure.locator("[data-reading]")).to_contain_text("use")
    figure.get_by_text("Show as table").click()
    expect(figure.locator("table")).to_be_visible()


def test_an_evening_says_the_minute_under_the_pointer(visitors):
    page = visitors().open(f"{C}/")
    picture = page.locator(".activity .picture")
    picture.hover()
    expect(page.locator(".activity [data-reading]")).to_contain_text("a minute")
