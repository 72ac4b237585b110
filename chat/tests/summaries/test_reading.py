"""Which messages are read for a summary, and what of them is handed on."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chat.models import Message
from chat.summaries import reading
from chat.tests.crowd import make_emote, make_message
from chat.tests.summaries.plans import plans_in_a_crowd, reads_the_crowd
from streams.models import Channel
from streams.tests.cast import make_channel
from viewers.choices import WORDING
from viewers.models import Consent, Profile, ViewerName, ViewerTotal
from viewers.tests.cast import make_viewer

pytestmark = pytest.mark.django_db

NOW = timezone.now()
PLENTY = 100_000


def agree(viewer, kind=Consent.Kind.SUMMARY, **fields):
    return Consent.objects.create(**{"viewer": viewer, "kind": kind, "wording": WORDING[kind], **fields})


@pytest.fixture
def channel():
    return make_channel()


@pytest.fixture
def ann(channel):
    viewer = make_viewer(channel, "ann")
    agree(viewer)
    return viewer


def wrote(viewer, text, hours=1.0, channel=None, **fields):
    channel = channel or Channel.objects.get(login="lantern")
    return make_message(channel, viewer, NOW - timedelta(hours=hours), text=text, **fields)


def texts(channel, viewer, most_tokens=PLENTY):
    return [read.text for read in reading.of_viewer(channel, viewer, most_tokens).messages]


def test_messages_are_read_in_order_of_time(channel, ann):
    wrote(ann, "the second thing I said", 1)
    wrote(ann, "the first thing I said", 2)
    sample = reading.of_viewer(channel, ann, PLENTY)
    assert [(read.alias, read.text) for read in sample.messages] == [
        ("m1", "the first thing I said"),
        ("m2", "the second thing I said"),
    ]


def test_nothing_is_read_of_who_does_not_agree(channel, ann):
    bob = make_viewer(channel, "bob")
    wrote(bob, "I never agreed to anything")
    assert texts(channel, bob) == []


@pytest.mark.parametrize(
    "consent",
    [
        {"withdrawn_at": NOW},
        {"wording": "other words than those of today"},
        {"kind": Consent.Kind.RECAP, "wording": WORDING[Consent.Kind.RECAP]},
    ],
)
def test_only_present_consent_to_this_in_the_words_of_today_counts(channel, consent):
    bob = make_viewer(channel, "bob")
    agree(bob, **consent)
    wrote(bob, "I do not agree to this any more")
    assert texts(channel, bob) == []


@pytest.mark.parametrize(
    "text",
    [
        "!song please play another one",
        "/me waves at everybody here",
        "look at this https://example.com/page",
        "come to evil.example now",
        "lol",
        "?????????????",
        "@bob ok",
    ],
)
def test_commands_links_and_what_is_too_short_are_left_out(channel, ann, text):
    wrote(ann, text)
    assert texts(channel, ann) == []


def test_what_a_moderator_removed_is_not_read(channel, ann):
    wrote(ann, "this was removed by somebody", removed_at=NOW)
    assert texts(channel, ann) == []


def test_copies_of_a_shared_chat_are_not_read(channel, ann):
    wrote(ann, "written in another channel", source_channel_id="77")
    assert texts(channel, ann) == []


def test_what_is_past_retention_is_not_read(channel, ann):
    wrote(ann, "written a long time ago", 24 * 91)
    assert texts(channel, ann) == []


def test_what_was_written_in_another_channel_is_not_read(channel, ann):
    wrote(ann, "written somewhere else", channel=make_channel("elsewhere"))
    assert texts(channel, ann) == []


def test_emotes_alone_are_left_out(channel, ann):
    emote = make_emote("PogChampion")
    wrote(ann, "PogChampion PogChampion", emotes=[emote.pk] * 2)
    wrote(ann, "what a PogChampion play", emotes=[emote.pk])
    assert texts(channel, ann) == ["what a PogChampion play"]


def test_what_is_written_again_and_again_is_read_once(channel, ann):
    for hours, text in enumerate(
        ("I LOVE this game!!", "i love this game", "I loooove this game :)", "i hate this game")
    ):
        wrote(ann, text, hours + 1)
    assert sorted(texts(channel, ann)) == ["I LOVE this game!!", "i hate this game"]


def test_the_sample_is_of_the_whole_time_not_of_the_last_day(channel, ann):
    for number in range(300):
        wrote(ann, f"today I write line number {number:03} of very many", number / 100)
    for days in range(5, 60, 10):
        wrote(ann, f"one line {days} days ago, in a quieter time", days * 24)
    sample = reading.of_viewer(channel, ann, 1500)
    assert sum("quieter time" in read.text for read in sample.messages) == 6


def test_replies_and_longer_texts_come_first(channel, ann):
    wrote(ann, "short one here", 1.0)
    wrote(ann, "a much longer text, which says more of whoever wrote it", 1.0)
    wrote(ann, "short answer here", 1.0, reply_to_id="gone")
    sample = reading.of_viewer(channel, ann, 70)
    assert [read.text for read in sample.messages] == ["short answer here"]


def test_the_same_rows_give_the_same_sample(channel, ann):
    for number in range(80):
        wrote(ann, f"message number {number} of them all", number)
    assert reading.of_viewer(channel, ann, 900) == reading.of_viewer(channel, ann, 900)


@pytest.mark.parametrize("most", [0, 40, 400, 4000])
@pytest.mark.parametrize("letter", ["a", "\u0436", "\u732b", "\U0001f600"])
def test_the_sample_stays_within_the_budget(channel, ann, most, letter):
    for number in range(60):
        wrote(ann, f"{number} some words {letter * 80}", number)
    read = reading.of_viewer(channel, ann, most).messages
    assert sum(reading.tokens(one.text) + reading.AROUND_EACH for one in read) <= most
    assert bool(read) == (most > 300)


def test_as_many_rows_are_read_as_are_bounded(channel, ann, monkeypatch):
    monkeypatch.setattr(reading, "MOST_ROWS", 5)
    for number in range(9):
        wrote(ann, f"message number {number} of them all", number + 1)
    assert len(texts(channel, ann)) == 5


# What is answered


@pytest.fixture
def bob(channel):
    return make_viewer(channel, "bob", display_name="Bob")


def answer(channel, ann, bob):
    asked = wrote(bob, "what is your favourite game then", 2)
    wrote(ann, "@Bob chess, by a long way", reply_to_id=asked.pk, reply_to_viewer_id=bob.pk)
    return reading.of_viewer(channel, ann, PLENTY).messages[0]


def test_what_is_answered_is_given_if_its_author_agreed_too(channel, ann, bob):
    agree(bob)
    assert answer(channel, ann, bob).context == "what is your favourite game then"


def test_what_is_answered_is_not_given_without_consent(channel, ann, bob):
    assert answer(channel, ann, bob).context == ""


def hidden(channel, bob):
    bob.hidden_at = NOW
    bob.save()


def hidden_here(channel, bob):
    Profile.objects.create(channel=channel, viewer=bob, visibility=Profile.Visibility.HIDDEN)


def stopped(channel, bob):
    bob.stopped_at = NOW
    bob.save()


def withdrawn(channel, bob):
    Consent.objects.filter(viewer=bob).update(withdrawn_at=NOW)


def agreed_to_other_words(channel, bob):
    Consent.objects.filter(viewer=bob).update(wording="something else")


def removed(channel, bob):
    Message.objects.filter(viewer=bob).update(removed_at=NOW)


@pytest.mark.parametrize("choice", [hidden, hidden_here, stopped, withdrawn, agreed_to_other_words])
def test_what_is_answered_is_not_given_of_who_chose_against_it(channel, ann, bob, choice):
    agree(bob)
    choice(channel, bob)
    assert answer(channel, ann, bob).context == ""


def test_what_is_answered_is_not_given_once_it_was_removed(channel, ann, bob):
    agree(bob)
    asked = wrote(bob, "what is your favourite game then", 2, removed_at=NOW)
    wrote(ann, "chess, by a long way", reply_to_id=asked.pk)
    assert reading.of_viewer(channel, ann, PLENTY).messages[0].context == ""


def test_what_is_answered_in_another_channel_is_not_given(channel, ann, bob):
    agree(bob)
    asked = wrote(bob, "what is your favourite game then", 2, channel=make_channel("elsewhere"))
    wrote(ann, "chess, by a long way", reply_to_id=asked.pk)
    assert reading.of_viewer(channel, ann, PLENTY).messages[0].context == ""


# Names


def test_who_is_addressed_or_answered_is_masked_everywhere(channel, ann, bob):
    carol = make_viewer(channel, "carol99", formerly="oldcarol")
    carol.names.filter(login="carol99").update(display_name="\u30ad\u30e3\u30ed\u30eb")
    wrote(ann, "@carol99 that was fun yesterday", 3)
    wrote(ann, "oldcarol plays better than Bob does", 2, reply_to_viewer_id=bob.pk)
    wrote(ann, "\u30ad\u30e3\u30ed\u30eb is the best of us all", 1)
    sample = reading.of_viewer(channel, ann, PLENTY)
    assert [read.text for read in sample.messages] == [
        "@someone that was fun yesterday",
        "@someone plays better than @someone does",
        "@someone is the best of us all",
    ]
    assert {"carol99", "oldcarol", "bob", "\u30ad\u30e3\u30ed\u30eb"} <= sample.others


def test_who_is_known_in_the_channel_is_masked_without_an_at(channel, ann):
    make_viewer(channel, "marcus")
    wrote(ann, "Marcus is so funny today")
    assert texts(channel, ann) == ["@someone is so funny today"]


def test_words_that_are_somebodys_login_elsewhere_stay(channel, ann):
    make_viewer(make_channel("elsewhere"), "music", messages=500)
    wrote(ann, "I like the music tonight")
    assert texts(channel, ann) == ["I like the music tonight"]


def test_the_viewers_own_names_are_not_among_the_others(channel):
    viewer = make_viewer(channel, "ann_now", display_name="Ann_Now", formerly="annbefore", messages=100)
    agree(viewer)
    wrote(viewer, "@ann_now talks to annbefore a lot")
    assert reading.of_viewer(channel, viewer, PLENTY).others == frozenset()


def test_an_at_before_a_common_word_names_nobody(channel, ann):
    wrote(ann, "hello @chat and @everyone in here")
    assert reading.of_viewer(channel, ann, PLENTY).others == frozenset()


def test_a_name_that_nobody_has_is_masked_too(channel, ann):
    wrote(ann, "@never_seen_here should have been here")
    sample = reading.of_viewer(channel, ann, PLENTY)
    assert sample.others == {"never_seen_here"}


def test_names_in_what_is_answered_are_masked(channel, ann, bob):
    agree(bob)
    asked = wrote(bob, "does dora_x play chess as well", 2)
    ViewerTotal.objects.filter(viewer=make_viewer(channel, "dora_x")).update(messages=99)
    wrote(ann, "she does play chess, yes", reply_to_id=asked.pk)
    read = reading.of_viewer(channel, ann, PLENTY).messages[0]
    assert read.context == "does @someone play chess as well"


# How much is asked of the database


@pytest.mark.parametrize("messages", [1, 40])
def test_a_sample_takes_three_queries(channel, ann, bob, messages):
    agree(bob)
    for number in range(messages):
        asked = wrote(bob, f"what about number {number} then", 2)
        wrote(ann, f"@bob and @friend{number} answer number {number}", number + 1, reply_to_id=asked.pk)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        reading.of_viewer(channel, ann, PLENTY)
    assert len(queries) == 3


def test_however_many_wrote_an_index_finds_the_messages(channel, ann, bob):
    agree(bob)
    answer(channel, ann, bob)
    plans = plans_in_a_crowd(channel, NOW, lambda: reading.of_viewer(channel, ann, PLENTY))
    own, parents, _ = plans
    assert "viewer_id_sent_at_idx" in own
    assert "_pkey" in parents
    assert not any(map(reads_the_crowd, plans))


def test_nobody_is_named_for_how_many_names_others_had(channel, ann):
    many = [f"ann_{number}" for number in range(2100)]
    ViewerName.objects.bulk_create(
        ViewerName(viewer=ann, login=name, display_name=name, first_seen_at=NOW, last_seen_at=NOW) for name in many
    )
    make_viewer(channel, "zoe_z")
    wrote(ann, "I, ann_1, think that zoe_z knows all of it")
    assert "zoe_z" not in reading.of_viewer(channel, ann, PLENTY).messages[0].text
