"""What people come to do, done as they do it."""

import json
import re
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from django.conf import settings
from playwright.sync_api import expect
from redis import Redis

from chat import tasks
from chat.ingest import live
from chat.ingest.store import Store
from chat.summaries import making, progress
from chat.tests.lines import privmsg, read
from streams.models import Channel
from streamstats.tests.browser.meanwhile import meanwhile
from streamstats.tests.browser.world import ANN, BOB, CHANNEL, CLEO, DORA, OPT_IN, OWNER
from viewers.models import Summary, Viewer

pytestmark = pytest.mark.django_db
C = f"/c/{CHANNEL}"
PAGES = [f"{C}/viewers/", f"{C}/leaderboards/", f"{C}/viewers/?q={{login}}", "/sitemap-viewers-volume.xml"]


def page_of(account):
    return f"{C}/viewers/{account.login}/"


def names(visitor, account):
    """The pages on which a stranger finds somebody, asked without a cache of the browser's own."""
    found = []
    for address in (page.format(login=account.login) for page in PAGES):
        answer = visitor.context.request.get(address)
        assert answer.status == 200, address
        if re.search(rf"/viewers/{account.login}/", answer.text()):
            found.append(address)
    return found


def test_logging_in_and_out_again(visitors):
    ann = visitors()
    ann.open(f"{C}/streams/").get_by_role("link", name="Log in").click()
    ann.page.get_by_role("button", name="Continue to Twitch").click()
    ann.page.get_by_label("As").select_option(ANN.id)
    ann.page.get_by_role("button", name="Allow").click()
    expect(ann.page).to_have_url(f"{ann.site}{C}/streams/")
    expect(ann.page.get_by_role("link", name="Account")).to_be_visible()
    ann.page.get_by_role("button", name="Log out").click()
    expect(ann.page.get_by_role("link", name="Log in")).to_be_visible()
    assert ann.page.context.request.get("/account/", max_redirects=0).status == 302


def test_who_says_no_at_twitch_is_told_that_this_is_fine(visitors):
    ann = visitors()
    ann.open("/login/twitch/").get_by_role("button", name="Continue to Twitch").click()
    ann.expects(400)
    ann.page.get_by_role("button", name="Deny").click()
    expect(ann.page.get_by_role("heading", name="Not logged in")).to_be_visible()


def test_writing_about_oneself_and_bringing_an_older_text_back(visitors):
    bob, stranger = visitors(), visitors()
    stranger.open(page_of(BOB))
    bob.is_logged_in(BOB)
    for text in ("First words, **bold**.", "Second words."):
        bob.open(page_of(BOB)).get_by_role("link", name=re.compile("Write something|Edit this text")).click()
        bob.page.get_by_label("Text").fill(text)
        bob.page.get_by_role("button", name="Preview").click()
        expect(bob.page.get_by_role("heading", name="How it will look")).to_be_visible()
        bob.page.get_by_role("button", name="Save").click()
        expect(bob.page).to_have_url(re.compile(page_of(BOB)))
    expect(stranger.open(page_of(BOB)).get_by_text("Second words.")).to_be_visible()
    bob.open(page_of(BOB)).get_by_role("link", name="Its versions").click()
    bob.page.get_by_role("link", name="Version 1", exact=True).click()
    bob.page.get_by_role("button", name="Restore this version").click()
    stranger.open(page_of(BOB))
    expect(stranger.page.locator(".prose strong", has_text="bold")).to_be_visible()
    expect(stranger.page.get_by_text("Second words.")).to_have_count(0)


def test_a_viewer_who_hides_is_gone_for_strangers_at_once_and_can_come_back(visitors):
    cleo, stranger = visitors(), visitors()
    assert stranger.open(page_of(CLEO)).get_by_role("heading", name="Viewer2").count() == 1
    assert names(stranger, CLEO) == [page.format(login=CLEO.login) for page in PAGES]
    cleo.is_logged_in(CLEO)
    cleo.open("/account/")
    cleo.page.get_by_role("button", name="Hide all of them").click()
    expect(cleo.page.get_by_role("status").first).to_contain_text("All your pages are hidden now")
    stranger.open(page_of(CLEO), status=404)
    assert names(stranger, CLEO) == []
    cleo.open(page_of(CLEO))
    cleo.open("/account/").get_by_role("button", name="Show my pages again").click()
    expect(cleo.page.get_by_role("status").first).to_be_visible()
    stranger.open(page_of(CLEO))
    assert names(stranger, CLEO) == [page.format(login=CLEO.login) for page in PAGES]


def test_an_account_that_is_erased_is_gone_and_has_a_receipt(visitors):
    dora, stranger = visitors(), visitors()
    stranger.open(page_of(DORA))
    assert names(stranger, DORA)
    dora.is_logged_in(DORA)
    dora.open("/account/")
    dora.page.get_by_role("link", name="Erase…").click()
    dora.page.get_by_label(re.compile("type your login")).fill(DORA.login)
    dora.page.get_by_role("button", name="Erase everything").click()
    expect(dora.page.get_by_role("heading", name=re.compile("Erased|Being erased"))).to_be_visible()
    expect(dora.page.get_by_role("link", name="Log in")).to_be_visible()
    stranger.open(page_of(DORA), status=404)
    assert names(stranger, DORA) == []
    assert not meanwhile(lambda: Viewer.objects.filter(pk=DORA.id).exists())


def test_the_owner_of_a_channel_makes_its_pages_opt_in(visitors):
    owner, stranger = visitors(), visitors()
    owner.log_in(OWNER)
    stranger.open(page_of(ANN))
    try:
        owner.page.get_by_label("Only viewers who ask for one").check()
        owner.page.get_by_role("button", name="Save who has a page").click()
        expect(owner.page.get_by_role("status").first).to_be_visible()
        stranger.open(page_of(ANN), status=404)
    finally:
        meanwhile(lambda: Channel.objects.filter(login=CHANNEL).update(page_policy=Channel.PagePolicy.OPEN))


def test_asking_for_a_summary_and_seeing_it_come_in(visitors, monkeypatch):
    bob, stranger = visitors(), visitors()
    asked: list[int] = []
    monkeypatch.setattr(tasks, "write_summary", SimpleNamespace(delay=asked.append))
    bob.is_logged_in(BOB)
    bob.open("/account/").get_by_role("button", name="I agree to summaries").click()
    page = bob.open(page_of(BOB))
    meanwhile(lambda: Summary.objects.filter(viewer=BOB.id).delete())
    page.reload()
    page.get_by_role("link", name="Ask for one now").click()
    page.get_by_role("button", name="Write a fresh one").click()
    status = page.locator("[data-coming-state]")
    expect(status).to_have_text("It waits for its turn.")
    meanwhile(lambda: progress.tell(asked[0], "reading", messages=40))
    expect(status).to_have_text("Reading 40 messages.")
    meanwhile(lambda: progress.tell(asked[0], "claim", part="portrait", text="They <b>ask</b>."))
    expect(page.get_by_text("They <b>ask</b>.", exact=True)).to_be_visible()
    meanwhile(lambda: making.make(asked[0], making.OfViewer(), datetime.now(UTC)))
    expect(page.get_by_text("on the page")).to_be_visible()
    summary = stranger.open(page_of(BOB)).get_by_role("region", name="in a few words")
    expect(summary).to_contain_text("no language model")


def test_a_sentence_that_is_wrong_is_gone_for_everybody(visitors):
    ann, stranger = visitors(), visitors()
    said = "Maps, the older the better."
    expect(stranger.open(page_of(ANN)).get_by_text(said)).to_be_visible()
    ann.is_logged_in(ANN)
    ann.open(page_of(ANN)).get_by_role("link", name="Something is wrong").click()
    ann.page.get_by_role("button", name=re.compile(f"This is wrong.*{said}")).click()
    expect(ann.page.get_by_role("status").first).to_contain_text("shown to nobody any more")
    expect(ann.page.get_by_text(said, exact=True)).to_have_count(0)
    expect(stranger.open(page_of(ANN)).get_by_text(said)).to_have_count(0)


def said(channel, text):
    """Somebody writes, as the ingest has it: stored first, told afterwards."""
    now = datetime.now(UTC)
    sent = {"room-id": channel.twitch_id, "tmi-sent-ts": str(int(now.timestamp() * 1000)), "user-id": BOB.id}
    store = Store()
    store.load_all_sets()
    stored = store.write(read(privmsg(text, user=BOB.login, channel=CHANNEL, **sent)))
    with Redis.from_url(settings.REDIS_URL) as redis:
        live.publish(redis, stored.channels, now)
        return redis.pubsub_numsub(*redis.pubsub_channels())


def test_an_open_page_moves_when_somebody_writes(visitors):
    reader = visitors()
    page = reader.open(f"{C}/")
    expect(page.get_by_text("updating live")).to_be_visible()
    count = page.locator('[data-live="today.messages"]').first
    before = int(count.get_attribute("value") or 0)
    channel = meanwhile(lambda: Channel.objects.get(login=CHANNEL))
    heard = meanwhile(lambda: said(channel, "hello from here"))
    assert heard, "no page listens"
    expect(count).to_have_attribute("value", str(before + 1))
    expect(page.locator("[data-heard]").first).to_have_text("just now")
    assert "hello from here" not in page.content()


def test_the_feed_names_nobody_and_says_nothing_of_what_was_written(visitors):
    reader = visitors()
    page = reader.open(f"{C}/")
    page.evaluate(
        """() => {
          window.heard = [];
          const feed = new EventSource(document.querySelector("[data-feed]").dataset.feed);
          feed.addEventListener("live", (event) => window.heard.push(event.data));
          return new Promise((done) => { feed.onopen = done; });
        }"""
    )
    channel = meanwhile(lambda: Channel.objects.get(login=CHANNEL))
    meanwhile(lambda: said(channel, "a secret word"))
    page.wait_for_function("window.heard.length > 0")
    told = json.dumps(page.evaluate("window.heard"))
    assert "secret" not in told
    assert BOB.login not in told


def test_in_an_opt_in_channel_a_viewer_asks_for_a_page(visitors):
    bob, stranger = visitors(), visitors()
    address = f"/c/{OPT_IN}/viewers/{BOB.login}/"
    stranger.open(address, status=404)
    bob.is_logged_in(BOB)
    bob.open("/account/")
    bob.page.get_by_role("button", name="Ask for a page").click()
    stranger.open(address)


def test_a_time_is_that_of_the_reader_and_says_utc_under_the_pointer(visitors):
    reader = visitors(timezone_id="Pacific/Auckland", locale="en-NZ")
    time = reader.open(f"{C}/").locator('time[data-as="moment"]').first
    at = datetime.fromisoformat(time.get_attribute("datetime"))
    assert f"{at:%H:%M}" not in time.inner_text()
    assert "UTC" in time.get_attribute("title")
