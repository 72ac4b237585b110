"""A moderator's evening, from the first login to being none any more."""

import re
from datetime import UTC, datetime

import pytest
from playwright.sync_api import expect

from chat.ingest.store import Store
from chat.models import Message
from chat.tests.frames import told
from chat.tests.lines import NOON, read
from streams.models import AuditEntry, Channel
from streamstats.tests.browser.meanwhile import meanwhile
from streamstats.tests.browser.world import ANN, CHANNEL, CLEO, OWNER
from viewers.models import Note, ViewerName

pytestmark = pytest.mark.django_db
FORMER = "lanternlad"
HELLO = "where did that lantern go"


def twitch_tells(kind):
    """That Cleo is made a moderator, or no longer is one: as EventSub tells it, through what the ingest calls."""
    people = {
        "broadcaster_user_id": OWNER.id,
        "broadcaster_user_login": CHANNEL,
        "user_id": CLEO.id,
        "user_login": CLEO.login,
        "user_name": CLEO.display_name,
    }
    store = Store()
    store.load_all_sets()
    store.write(read(told(kind, at=(datetime.now(UTC) - NOON).total_seconds(), **people), kind="eventsub"))


def ann_had_another_name():
    now = datetime.now(UTC)
    ViewerName.objects.create(
        viewer_id=ANN.id, login=FORMER, display_name="LanternLad", first_seen_at=now, last_seen_at=now
    )
    message = Message.objects.filter(channel__login=CHANNEL, viewer=ANN.id).order_by("-sent_at")[3]
    Message.objects.filter(pk=message.pk).update(text=HELLO)


def test_a_moderator_finds_reads_notes_hides_and_is_out_when_removed(visitors):
    meanwhile(ann_had_another_name)
    meanwhile(lambda: twitch_tells("channel.moderator.add"))
    cleo, stranger = visitors(), visitors()
    ann = f"/c/{CHANNEL}/viewers/{ANN.login}/"
    stranger.open(ann)

    # In, with Twitch.
    page = cleo.open("/admin/")
    page.get_by_role("button", name="Log in with Twitch").click()
    page.get_by_label("As").select_option(CLEO.id)
    page.get_by_role("button", name="Allow").click()
    expect(page).to_have_url(f"{cleo.site}/admin/")

    # Found by a name of before.
    cleo.open(f"/admin/viewers/viewer/?q={FORMER}")
    page.get_by_role("link", name=ANN.display_name).first.click()
    expect(page.get_by_role("heading", name=ANN.display_name, level=2)).to_be_visible()
    expect(page.get_by_text("LanternLad").first).to_be_visible()

    # What was said, and around it.
    page.get_by_label("Words in what they wrote").fill("lantern")
    page.locator("#messages").get_by_role("button", name="Search").click()
    messages = page.locator("#messages li")
    expect(messages).to_have_count(1)
    messages.get_by_role("link").first.click()
    expect(page.locator('[aria-current="true"]')).to_contain_text(HELLO)
    assert page.locator(".file-message").count() > 20
    page.go_back()

    # A note.
    page.get_by_label("What should other moderators know?").fill("Lost a lantern once. <b>Be kind.</b>")
    page.get_by_role("button", name="Add note").click()
    expect(page.locator("#notes")).to_contain_text("Lost a lantern once. <b>Be kind.</b>")

    # The page is hidden, once that is confirmed.
    page.get_by_role("button", name="Hide the page").click()
    expect(page.get_by_role("heading", name="Hide the page?")).to_be_visible()
    stranger.open(ann)
    page.get_by_role("button", name="Hide the page").click()
    expect(page.get_by_text(re.compile("Page hidden by a moderator"))).to_be_visible()
    stranger.open(ann, status=404)
    expect(page.locator("#log")).to_contain_text("hid the page of")

    # No moderator any more: out with the next click, in the session that is open.
    meanwhile(lambda: twitch_tells("channel.moderator.remove"))
    cleo.expects(403)
    page.get_by_label("What should other moderators know?").fill("One more.")
    page.get_by_role("button", name="Add note").click()
    expect(page.locator("#notes")).to_have_count(0)
    assert "lantern" not in page.content()
    assert page.context.request.get(f"/admin/viewers/viewer/{ANN.id}/change/").status == 403
    channel = meanwhile(lambda: Channel.objects.get(login=CHANNEL))
    assert meanwhile(lambda: Note.objects.filter(channel=channel).count()) == 1
    deeds = meanwhile(lambda: list(AuditEntry.objects.order_by("pk").values_list("action", "role")))
    assert deeds == [("note.write", "moderator"), ("page.hide", "moderator")]
