"""Summaries that are computed from numbers."""

from datetime import date, timedelta

import pytest
from django.utils import timezone

from chat.models import ViewerEmote
from chat.summaries import checks, digest, reading
from chat.tests.crowd import make_emote, make_message
from chat.tests.portraits import at, make_day, make_stream, make_visit
from streams.tests.cast import make_channel
from viewers.choices import WORDING
from viewers.models import Claim, Consent, ViewerTotal
from viewers.tests.cast import make_viewer

pytestmark = pytest.mark.django_db

SATURDAY = date(2026, 5, 2)


@pytest.fixture
def channel():
    return make_channel()


@pytest.fixture
def ann(channel):
    viewer = make_viewer(channel, "ann", messages=120)
    Consent.objects.create(viewer=viewer, kind=Consent.Kind.SUMMARY, wording=WORDING[Consent.Kind.SUMMARY])
    make_day(viewer, channel, SATURDAY, messages=90)
    make_day(viewer, channel, SATURDAY + timedelta(days=1), messages=30)
    return viewer


def told(channel, viewer):
    return digest.of_viewer(channel, viewer, reading.of_viewer(channel, viewer, 4000))


def texts(channel, viewer, part=None):
    return [draft.text for draft in told(channel, viewer) if part in {None, draft.part}]


def write(channel, viewer, *lines, **fields):
    for hours, line in enumerate(lines, 1):
        make_message(channel, viewer, timezone.now() - timedelta(hours=hours), text=line, **fields)


def test_it_says_since_when_how_much_and_when(channel, ann):
    assert texts(channel, ann) == [
        "They have been around since 1 January 2026 and have written 120 messages on 2 days.",
        "They write most on Saturdays, when 75 % of their messages were sent (days are UTC days).",
    ]


def test_who_never_wrote_has_none(channel):
    bob = make_viewer(channel, "bob", messages=0)
    assert told(channel, bob) == []
    with pytest.raises(checks.Refused, match="not enough"):
        checks.checked([], reading.Sample([], channel_id=channel.pk))


def test_it_says_which_streams_they_came_to(channel, ann):
    for day in ("2026-05-02", "2026-05-03"):
        make_visit(make_stream(channel, at(day), categories="Chess"), ann, 2)
    make_stream(channel, at("2026-05-04"))
    assert "They came to 2 of 3 streams." in texts(channel, ann, Claim.Part.PORTRAIT)
    assert texts(channel, ann, Claim.Part.INTEREST) == ["They watched streams about Chess for 4 h."]


def test_it_names_favourite_emotes_with_messages_that_use_them(channel, ann):
    emote = make_emote("PartyTime")
    ViewerEmote.objects.create(channel=channel, viewer=ann, emote=emote, uses=31, first_day=SATURDAY, last_day=SATURDAY)
    write(channel, ann, "this is so good PartyTime", emotes=[emote.pk])
    write(channel, ann, "and here is one without it")
    (draft,) = [draft for draft in told(channel, ann) if draft.part == Claim.Part.INTEREST]
    assert draft.text == "PartyTime is the emote they use most, 31 times so far."
    assert [read.text for read in draft.sources] == ["this is so good PartyTime"]


def test_it_counts_how_they_write_in_what_was_read(channel, ann):
    write(channel, ann, *[f"is this number {number} of the series" for number in range(6)])
    write(channel, ann, *[f"can we see number {number} of them?" for number in range(6)])
    (draft,) = [draft for draft in told(channel, ann) if draft.part == Claim.Part.TONE]
    assert draft.text == "The messages that were read have 7 words on average, and about half ask something."
    assert all("?" in read.text for read in draft.sources)
    assert len(draft.sources) == 6


def test_answers_are_counted(channel, ann):
    write(channel, ann, *[f"this is number {number} of the series" for number in range(6)])
    write(channel, ann, *[f"we have seen number {number} of them" for number in range(3)], reply_to_id="other")
    assert "Of the messages that were read, about one in 3 answers somebody else." in texts(channel, ann)


def test_it_passes_the_checks(channel, ann):
    emote = make_emote("PartyTime")
    ViewerEmote.objects.create(channel=channel, viewer=ann, emote=emote, uses=9, first_day=SATURDAY, last_day=SATURDAY)
    make_visit(make_stream(channel, at("2026-05-02"), categories="Chess,Art"), ann, 2)
    write(channel, ann, *[f"WHO WANTS TO SEE NUMBER {number}?!" for number in range(9)], reply_to_id="other")
    sample = reading.of_viewer(channel, ann, 4000)
    drafts = digest.of_viewer(channel, ann, sample)
    assert checks.checked(drafts, sample) == checks.Checked(drafts, {})
    assert {draft.part for draft in drafts} == {"portrait", "interest", "tone"}


def test_the_same_numbers_give_the_same_digest(channel, ann):
    write(channel, ann, *[f"can we see number {number} of them?" for number in range(9)])
    assert told(channel, ann) == told(channel, ann)


def test_it_takes_few_queries(channel, ann, django_assert_max_num_queries):
    make_visit(make_stream(channel, at("2026-05-02"), categories="Chess,Art"), ann, 2)
    sample = reading.of_viewer(channel, ann, 4000)
    with django_assert_max_num_queries(6):
        digest.of_viewer(channel, ann, sample)


def test_a_viewer_with_no_days_left_is_told_by_the_total(channel):
    bob = make_viewer(channel, "bob", messages=3)
    assert ViewerTotal.objects.get(viewer=bob).messages == 3
    assert texts(channel, bob) == ["They have been around since 1 January 2026 and have written 3 messages."]
