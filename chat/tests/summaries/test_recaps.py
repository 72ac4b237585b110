"""Recaps of streams: which are due, what is read for them, and what they say of whom."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from chat.models import ChatEvent, ChatMinute, EmoteStream, Message
from chat.summaries import asking, due, making, page, recapfacts, recapreading, recaps
from chat.summaries.skeleton import readings
from chat.tests.crowd import make_emote, make_message
from chat.tests.summaries.injections import INJECTIONS
from chat.tests.summaries.plans import plans_in_a_crowd, reads_the_crowd
from chat.tests.summaries.providers_server import UNTOLD
from streams.models import Channel, Stream, StreamSegment
from streams.tests.cast import make_channel
from viewers import choices
from viewers.choices import WORDING
from viewers.models import Claim, Consent, Profile, Summary, SummaryPolicy, Viewer, ViewerStream
from viewers.summaries import told_in
from viewers.tests.cast import make_viewer

pytestmark = pytest.mark.django_db

NOW = timezone.now().replace(second=0, microsecond=0)
START = NOW - timedelta(hours=4)
PLENTY = 100_000
NOTHING = recapfacts.Facts([])
SAID = [
    "the bridge is going to fall down again, watch it",
    "that was the closest finish I have seen in this race",
    "who brought the rubber duck to the boss fight",
]


@pytest.fixture
def channel():
    channel = make_channel()
    SummaryPolicy.objects.create(channel=channel, has_recaps=True)
    return channel


@pytest.fixture
def stream(channel):
    """It ended an hour ago, after three hours."""
    known = {"messages": 1204, "chatters": 87, "peak_viewers": 300, "average_viewers": 210}
    stream = Stream.objects.create(
        pk="s1", channel=channel, started_at=START, ended_at=START + timedelta(hours=3), title="Race night",
        new_viewers=12, returning_viewers=75, counted_at=NOW, **known,
    )  # fmt: skip
    for hour, category in enumerate(("Chess", "Art", "Art")):
        start = START + timedelta(hours=hour)
        StreamSegment.objects.create(
            stream=stream, started_at=start, ended_at=start + timedelta(hours=1), category=category, title=f"t{hour}"
        )
    return stream


def join(stream, login, *texts, agrees=True, **fields):
    """Somebody who wrote in a stream, one message every ten minutes."""
    viewer = make_viewer(stream.channel, login, **fields)
    if agrees:
        Consent.objects.create(viewer=viewer, kind="recap", wording=WORDING[Consent.Kind.RECAP])
    ViewerStream.objects.create(channel=stream.channel, stream=stream, viewer=viewer, messages=max(len(texts), 1))
    for number, text in enumerate(texts, 1):
        make_message(stream.channel, viewer, START + timedelta(minutes=10 * number), text=text)
    return viewer


@pytest.fixture
def marcus(stream):
    return join(stream, "marcus", *SAID, display_name="Marcus")


@pytest.fixture
def dora(stream):
    """She did not agree."""
    text = f"nobody may read this {UNTOLD}"
    return join(stream, "dora_x", *[f"{number} {text}" for number in range(3)], agrees=False, display_name="Dora_X")


def minute(stream, number, messages, chatters=5):
    at = stream.started_at + timedelta(minutes=number)
    ChatMinute.objects.create(channel=stream.channel, minute=at, messages=messages, chatters=chatters)
    return at


def use(stream, **uses):
    for name, count in uses.items():
        EmoteStream.objects.create(channel=stream.channel, stream=stream, emote=make_emote(name), uses=count)


# Which are due


def test_a_stream_that_ended_is_due(stream):
    assert recaps.due(NOW) == [stream]


def still_live(stream):
    stream.ended_at = None


def just_ended(stream):
    stream.ended_at = NOW - timedelta(minutes=19)


def long_over(stream):
    stream.ended_at = stream.counted_at = NOW - timedelta(hours=49)


def quiet(stream):
    stream.messages = 49


def not_counted(stream):
    stream.counted_at = None


def counted_before_its_end(stream):
    stream.counted_at = stream.ended_at - timedelta(minutes=1)


@pytest.mark.parametrize("case", [still_live, just_ended, long_over, quiet, not_counted, counted_before_its_end])
def test_others_are_not_due(stream, case):
    case(stream)
    stream.save()
    assert recaps.due(NOW) == []


def test_none_is_due_where_they_are_switched_off(stream):
    SummaryPolicy.objects.update(has_recaps=False, is_on=True)
    assert recaps.due(NOW) == []


def test_none_is_due_of_a_channel_that_decided_nothing(stream):
    SummaryPolicy.objects.all().delete()
    assert recaps.due(NOW) == []


def test_a_stream_with_a_recap_is_not_due_again(stream):
    (begun,) = recaps.give_out(NOW)
    assert Summary.objects.get(pk=begun).stream == stream
    assert recaps.due(NOW) == []
    assert recaps.give_out(NOW) == []


def test_what_is_due_takes_one_query(stream, django_assert_num_queries):
    with django_assert_num_queries(1):
        assert [one.channel.login for one in recaps.due(NOW)] == ["lantern"]


# Facts


def texts(stream):
    return [fact.text for fact in recapfacts.of_stream(stream).facts]


def test_facts_are_sentences(stream):
    use(stream, Kappa=310, LUL=200)
    assert texts(stream) == [
        "The stream lasted 3 h.",
        "It was about Chess, then Art.",
        "87 chatters wrote 1,204 messages.",
        "Up to 300 viewers watched at once, 210 on average.",
        "Its last title was \u201cRace night\u201d.",
        "Kappa was the emote of the stream, used 310 times; then came LUL (200).",
        "12 viewers were here for the first time, 75 had been here before.",
    ]


def test_peaks_are_busy_minutes_apart(stream):
    for number in range(0, 180, 2):
        minute(stream, number, 4)
    busiest = minute(stream, 75, 120, 45)
    minute(stream, 77, 110)
    later = minute(stream, 141, 60, 30)
    peaks = [fact for fact in recapfacts.of_stream(stream).facts if fact.part == Claim.Part.PEAK]
    assert [fact.at for fact in peaks] == [busiest, later]
    told = f"Chat was at its busiest at {busiest.astimezone(UTC):%H:%M} UTC, 1 h 15 m in: 120 messages from 45 chatters"
    assert peaks[0].text == f"{told} within a minute."
    assert peaks[1].text.startswith("Chat was busy at ")


def test_an_even_chat_has_no_peaks(stream):
    for number in range(0, 180, 2):
        minute(stream, number, 4)
    assert not [fact for fact in recapfacts.of_stream(stream).facts if fact.part == Claim.Part.PEAK]


def test_raids_are_told_without_who_raided(stream, marcus):
    ChatEvent.objects.create(
        id="r1", channel=stream.channel, viewer=marcus, kind="raid", amount=50, occurred_at=START + timedelta(hours=2)
    )
    (raid,) = [fact for fact in recapfacts.of_stream(stream).facts if fact.part == Claim.Part.MOMENT]
    assert raid.text.startswith("A raid brought 50 viewers at ")
    assert "arcus" not in raid.text


def test_facts_take_few_queries(stream, django_assert_max_num_queries):
    use(stream, **{f"Emote{number}": number for number in range(1, 9)})
    with django_assert_max_num_queries(6):
        recapfacts.of_stream(stream)


# What is read


def read(stream):
    return recapreading.of_stream(stream.channel, stream, NOTHING, PLENTY)


def test_only_those_who_agreed_are_read(stream, marcus, dora):
    reading = read(stream)
    assert [one.text for one in reading.sample.messages] == SAID
    assert reading.people == {marcus.pk: "Marcus"}


def hidden(viewer):
    viewer.hidden_at = NOW
    viewer.save()


def stopped(viewer):
    viewer.stopped_at = NOW
    viewer.save()


def a_bot(viewer):
    viewer.is_bot = True
    viewer.save()


def hidden_here(viewer):
    channel = Channel.objects.get(login="lantern")
    Profile.objects.create(channel=channel, viewer=viewer, visibility=Profile.Visibility.HIDDEN)


def no_longer_agreeing(viewer):
    Consent.objects.filter(viewer=viewer).update(withdrawn_at=NOW)


def agreeing_to_other_words(viewer):
    Consent.objects.filter(viewer=viewer).update(wording="others")


def agreeing_to_summaries_only(viewer):
    Consent.objects.filter(viewer=viewer).update(kind="summary", wording=WORDING[Consent.Kind.SUMMARY])


CHOICES = [
    hidden, stopped, a_bot, hidden_here, no_longer_agreeing, agreeing_to_other_words, agreeing_to_summaries_only,
]  # fmt: skip


@pytest.mark.parametrize("choice", CHOICES)
def test_nobody_is_read_who_chose_against_it(stream, marcus, choice):
    choice(marcus)
    assert read(stream).sample.messages == []


def test_messages_are_those_of_the_stream_that_nobody_removed(stream, marcus):
    make_message(stream.channel, marcus, START - timedelta(minutes=1), text="written before the stream began")
    make_message(stream.channel, marcus, stream.ended_at, text="written after the stream was over")
    make_message(stream.channel, marcus, START, text="removed by a moderator again", removed_at=NOW)
    make_message(stream.channel, marcus, START, text="written in another channel", source_channel_id="9")
    make_message(make_channel("elsewhere"), marcus, START, text="written in another channel, too")
    assert [one.text for one in read(stream).sample.messages] == SAID


def test_names_of_others_are_masked_and_of_those_who_agreed_are_not(stream, marcus, dora):
    join(stream, "ella", "Marcus and Dora_X are in the lead together", display_name="Ella")
    (text,) = [one.text for one in read(stream).sample.messages if "lead" in one.text]
    assert text == "Marcus and @someone are in the lead together"


def test_what_is_answered_is_read_of_who_agreed(stream, marcus, dora):
    asked = Message.objects.get(viewer=dora, text__startswith="0")
    answered = Message.objects.get(text=SAID[0])
    ella = join(stream, "ella", display_name="Ella")
    for number, parent in enumerate((asked, answered)):
        make_message(
            stream.channel, ella, START + timedelta(hours=1), text=f"is that so, number {number}",
            reply_to_id=parent.pk, reply_to_viewer_id=parent.viewer_id,
        )  # fmt: skip
    sample = read(stream).sample
    assert {one.text: one.context for one in sample.messages if one.viewer_id == ella.pk} == {
        "is that so, number 0": "",
        "is that so, number 1": SAID[0],
    }
    assert sample.writers == {ella.pk, marcus.pk}


def test_what_was_written_at_a_peak_is_read_first(stream):
    join(stream, "marcus", *[f"this is a line of the evening, number {number}" for number in range(17)])
    peak = START + timedelta(minutes=40)
    fact = recapfacts.Fact("f1", Claim.Part.PEAK, "Chat was busy.", peak)
    make_message(
        stream.channel, Viewer.objects.get(login="marcus"), peak + timedelta(seconds=70), text="what a finish, wow"
    )
    reading = recapreading.of_stream(stream.channel, stream, recapfacts.Facts([fact]), 80)
    assert [one.text for one in reading.sample.messages] == [
        "this is a line of the evening, number 3", "what a finish, wow",
    ]  # fmt: skip


@pytest.mark.parametrize("people", [1, 12])
def test_reading_takes_four_queries(stream, people, django_assert_max_num_queries):
    for number in range(people):
        join(stream, f"viewer_{number}", *[f"{text} {number}" for text in SAID])
    with django_assert_max_num_queries(4):
        assert len(read(stream).sample.messages) == 3 * people


def test_however_many_wrote_an_index_finds_the_messages(stream, marcus):
    plans = plans_in_a_crowd(stream.channel, NOW, lambda: read(stream))
    assert "viewer_id_sent_at_idx" in plans[1]
    assert not any(map(reads_the_crowd, plans))


# How one is written


def begin(stream):
    (summary,) = recaps.give_out(NOW)
    return summary


@pytest.fixture
def served(redis_client, providers, settings):
    settings.AI_PROVIDERS = ["openai:gpt-4o"]
    return providers


def claims(summary):
    return list(Claim.objects.filter(summary=summary).order_by("position"))


ANSWER = {
    "happened": [{"text": "A long race night that ended with a close finish.", "sources": ["f1", "m2"]}],
    "people": [{"text": "12 viewers came for the first time, and 75 came back.", "sources": ["f6"]}],
    "moments": [{"text": "Marcus wondered who had brought a duck.", "sources": ["m3"]}],
}


def test_a_recap_says_what_rests_on_facts_and_messages(stream, marcus, dora, served):
    served.answer("openai", ANSWER)
    summary = begin(stream)
    assert recaps.make(summary, NOW) == "3 claims, 0 dropped, shown"
    happened, people, moment = claims(summary)
    third = Message.objects.get(text=SAID[2])
    assert (moment.text, moment.source_ids, moment.at) == (
        "Marcus wondered who had brought a duck.", [third.pk], third.sent_at,
    )  # fmt: skip
    assert [one.pk for one in moment.people.all()] == [marcus.pk]
    assert [one.pk for one in happened.people.all()] == [marcus.pk]
    assert not people.people.exists()
    assert people.source_ids == []


def test_only_facts_and_words_of_who_agreed_are_given(stream, marcus, dora, served):
    served.answer("openai", ANSWER)
    recaps.make(begin(stream), NOW)
    document = json.loads(served.received[0].content)
    assert [message["by"] for message in document["messages"]] == ["Marcus"] * 3
    assert [message["text"] for message in document["messages"]] == SAID
    assert document["facts"][0] == {"id": "f1", "about": "what happened", "text": "The stream lasted 3 h."}
    assert "dora" not in served.received[0].words.lower()
    assert UNTOLD not in served.received[0].words


@pytest.mark.parametrize(
    ("part", "text", "sources", "why"),
    [
        ("moments", "Dora_X fell off the bridge at the end.", ["m1"], "names others"),
        ("moments", "Somebody called @Marcus fell off the bridge.", ["m1"], "names others"),
        ("moments", "Somebody fell off the bridge in the end.", [], "no source"),
        ("moments", "Somebody fell off the bridge in the end.", ["f1"], "no source"),
        ("moments", "Somebody fell off the bridge in the end.", ["f99", "m99"], "no source"),
        ("happened", "Marcus was the one who won it all.", ["f1"], "no source"),
        ("happened", "The streamer was caught cheating in the last race.", ["f1"], "no source"),
        ("happened", "No less than 5,000 messages were written.", ["f3"], "made-up number"),
        ("people", "13 viewers were here for the first time.", ["f6"], "made-up number"),
        ("moments", "It happened 9 times that the bridge fell.", ["m1"], "made-up number"),
        ("moments", "The bridge is going to fall down again, watch it.", ["m1"], "quotes at length"),
        ("moments", "Marcus told that they live in Oslo.", ["m1"], "sensitive"),
        ("happened", "The stream lasted, see stream.example now.", ["f1"], "link"),
    ],
)
def test_what_rests_on_nothing_or_names_others_is_dropped(stream, marcus, dora, served, part, text, sources, why):
    said = {**ANSWER, part: [*ANSWER[part], {"text": text, "sources": sources}]}
    served.answer("openai", said)
    summary = begin(stream)
    recaps.make(summary, NOW)
    assert text not in [claim.text for claim in claims(summary)]
    assert Summary.objects.get(pk=summary).dropped == {why: 1}


@pytest.mark.parametrize(
    ("part", "text", "sources"),
    [
        ("happened", "1,204 messages in 3 hours: it was lively.", ["f1", "f3"]),
        ("peaks", "Chat wrote most when the bridge fell.", ["m1"]),
        ("emotes", "Kappa was everywhere, with 310 uses.", ["f6"]),
        ("happened", "They played Chess, and there was Art after it.", ["f2"]),
    ],
)
def test_what_the_facts_tell_may_be_said_in_other_words(stream, marcus, served, part, text, sources):
    use(stream, Kappa=310)
    answer = {"happened": ANSWER["happened"], "moments": ANSWER["moments"]}
    answer[part] = [*answer.get(part, []), {"text": text, "sources": sources}]
    served.answer("openai", answer)
    summary = begin(stream)
    recaps.make(summary, NOW)
    assert text in [claim.text for claim in claims(summary)]


@pytest.mark.parametrize("spelled", ["Marcus", "MARCUS's duck", "M\u0430rcus"])
def test_who_is_named_is_among_the_people_however_spelled(stream, marcus, served, spelled):
    ella = join(stream, "ella", "somebody should have seen that jump", display_name="Ella")
    Message.objects.filter(viewer=ella).update(sent_at=START)
    moment = {"text": f"Somebody saw the jump of {spelled} there.", "sources": ["m1"]}
    served.answer("openai", {"happened": ANSWER["happened"], "moments": [moment]})
    summary = begin(stream)
    recaps.make(summary, NOW)
    assert {one.pk for one in claims(summary)[1].people.all()} == {ella.pk, marcus.pk}


def test_only_the_name_that_is_shown_is_used(stream, served):
    join(stream, "hidden_login", *SAID, display_name="\u732b\u3061\u3083\u3093")
    said = [
        {"text": f"The best finish was that of {name}.", "sources": ["m2"]}
        for name in ("hidden_login", "\u732b\u3061\u3083\u3093")
    ]
    served.answer("openai", {"happened": ANSWER["happened"], "moments": said})
    summary = begin(stream)
    recaps.make(summary, NOW)
    assert [claim.text for claim in claims(summary)[1:]] == [said[1]["text"]]
    assert Summary.objects.get(pk=summary).dropped == {"names others": 1}


def test_a_peak_is_when_the_numbers_say(stream, marcus, served):
    for number in range(0, 180, 2):
        minute(stream, number, 4)
    busiest = minute(stream, 75, 120, 45)
    (fact,) = [fact for fact in recapfacts.of_stream(stream).facts if fact.part == Claim.Part.PEAK]
    peak = {"text": "Chat went wild over the bridge.", "sources": [fact.alias, "m1"]}
    served.answer("openai", {**ANSWER, "people": [], "peaks": [peak]})
    summary = begin(stream)
    recaps.make(summary, NOW)
    assert [claim.at for claim in claims(summary) if claim.part == Claim.Part.PEAK] == [busiest]


@pytest.mark.usefixtures("redis_client")
def test_without_a_model_it_is_made_of_the_facts(stream, marcus):
    use(stream, Kappa=310)
    minute(stream, 75, 120, 45)
    summary = begin(stream)
    recaps.make(summary, NOW)
    assert [claim.text for claim in claims(summary)] == texts(stream)[:4] + texts(stream)[5:]
    assert Summary.objects.get(pk=summary).made_by == Summary.Source.DIGEST


def test_where_nobody_agreed_no_model_is_asked(stream, dora, served):
    summary = begin(stream)
    recaps.make(summary, NOW)
    assert served.received == []
    assert Summary.objects.get(pk=summary).made_by == Summary.Source.DIGEST


@pytest.mark.usefixtures("redis_client")
def test_a_title_that_may_not_be_shown_is_left_out(stream):
    for title in ("watch https://evil.example", "hello @dora_x", "<b>bold</b>", "my depression story"):
        Summary.objects.all().delete()
        Stream.objects.update(title=title)
        summary = begin(stream)
        recaps.make(summary, NOW)
        assert not [claim for claim in claims(summary) if "title" in claim.text]
        assert len(claims(summary)) == 5


@pytest.mark.usefixtures("redis_client")
def test_a_recap_waits_for_a_moderator_where_that_is_wanted(stream, marcus):
    SummaryPolicy.objects.update(needs_review=True)
    summary = begin(stream)
    recaps.make(summary, NOW)
    assert Summary.objects.get(pk=summary).state == Summary.State.REVIEW
    assert page.of_stream(stream.channel, stream) is None


@pytest.mark.usefixtures("redis_client")
def test_nothing_is_made_once_they_are_switched_off(stream):
    summary = begin(stream)
    SummaryPolicy.objects.update(has_recaps=False)
    assert recaps.make(summary, NOW) == making.GONE
    assert not Summary.objects.exclude(state=Summary.State.WAITING).exists()


def test_who_no_longer_agrees_while_it_is_written_is_in_none(stream, marcus, served, monkeypatch):
    """Nobody is asked, nothing is kept, and the next one is made without them."""
    summary = begin(stream)
    ask = asking.ask

    def withdrawing(*args, **kwargs):
        choices.withdraw(marcus, "recap")
        return ask(*args, **kwargs)

    monkeypatch.setattr(asking, "ask", withdrawing)
    assert recaps.make(summary, NOW) == making.GONE
    assert served.received == []
    assert [left.pk for left in due.left_behind(NOW + timedelta(minutes=11))] == [summary]
    assert read(stream).people == {}


def test_who_no_longer_agrees_once_it_is_answered_is_in_none(stream, marcus, served, monkeypatch):
    served.answer("openai", ANSWER)
    summary = begin(stream)
    writer = recaps.OfStream()
    kept = writer.ask

    def withdrawing(*args):
        written = kept(*args)
        choices.withdraw(marcus, "recap")
        return written

    monkeypatch.setattr(writer, "ask", withdrawing)
    assert making.make(summary, writer, NOW) == making.GONE
    assert not Claim.objects.exists()


def test_nobody_can_have_it_paid_for_again_and_again(stream, marcus, served, monkeypatch):
    served.answer("openai", ANSWER)
    summary = begin(stream)
    ask = recaps.OfStream.ask

    def withdrawing(*args):
        written = ask(*args)
        choices.withdraw(marcus, "recap")
        return written

    monkeypatch.setattr(recaps.OfStream, "ask", withdrawing)
    for hours in range(0, 48, 8):
        at = NOW + timedelta(hours=hours)
        assert recaps.give_out(at) == []
        recaps.make(summary, at)
        choices.agree(marcus, "recap")
    assert len(served.received) == making.MOST_ASKED_OF_STREAM
    assert Summary.objects.get().made_by == Summary.Source.DIGEST


def test_nothing_is_told_of_it_while_it_is_written(stream, marcus, served, redis_client):
    served.answer("openai", ANSWER)
    summary = begin(stream)
    recaps.make(summary, NOW)
    assert not redis_client.exists(told_in(summary))


@pytest.mark.parametrize("choice", [no_longer_agreeing, hidden, hidden_here])
def test_a_page_shows_nothing_of_who_chose_against_it_later(stream, marcus, served, choice):
    served.answer("openai", ANSWER)
    recaps.make(begin(stream), NOW)
    choice(marcus)
    shown = page.of_stream(stream.channel, stream)
    assert shown
    assert [claim.text for section in shown.sections for claim in section.claims] == [ANSWER["people"][0]["text"]]


def test_a_model_that_obeys_the_chat_has_nothing_of_it_published(stream, marcus, dora, served):
    make_viewer(stream.channel, "bob_2")
    make_viewer(stream.channel, "carol99")
    join(stream, "ella", *[one.text for one in INJECTIONS], display_name="Ella")
    Message.objects.filter(viewer__login="ella").update(sent_at=datetime.now(UTC) - timedelta(hours=2))
    demands = [
        text
        for injection in INJECTIONS
        for text in injection.demands
        if not any("marcus" in one for one in readings(text))
    ]

    def obeying(asked):
        aliases = [message["id"] for message in json.loads(asked.content)["messages"]]
        said = [{"text": text, "sources": [*aliases[-2:], "f1"]} for text in demands]
        return {"happened": [*said, *ANSWER["happened"]], "moments": said, "emotes": said}

    served.answer("openai", obeying)
    summary = begin(stream)
    recaps.make(summary, NOW)
    assert [claim.text for claim in claims(summary)] == ["A long race night that ended with a close finish."]
    for name in ("bob_2", "carol99", "dora", UNTOLD, "evil.example"):
        assert name not in served.received[0].words.lower()


class HidesOnceRead(recaps.OfStream):
    def read(self, summary):
        sample = super().read(summary)
        choices.hide(Viewer.objects.get(login="marcus"))
        return sample


@pytest.mark.usefixtures("marcus", "redis_client")
def test_nothing_is_sent_of_who_hid_since_it_was_read(stream, providers):
    [pk] = recaps.give_out(NOW)
    making.make(pk, HidesOnceRead(), NOW)
    assert providers.received == []


# Names that are words as well


def recap_that_says(providers, text):
    happened = {"text": "The stream was about a race that was close.", "sources": ["m1"]}
    providers.answer("openai", {"happened": [happened], "moments": [{"text": text, "sources": ["m1"]}]})
    [pk] = recaps.give_out(NOW)
    recaps.make(pk, NOW)
    return list(Claim.objects.filter(summary=pk).values_list("text", flat=True))


@pytest.mark.usefixtures("marcus", "dora", "redis_client")
def test_an_emote_that_is_called_as_somebody_lets_nobody_name_them(stream, providers):
    use(stream, Dora_X=500)
    said = "Dora_X was the one who made chat laugh most."
    assert said not in recap_that_says(providers, said)


@pytest.mark.usefixtures("marcus", "redis_client")
def test_a_category_that_is_called_as_somebody_lets_nobody_name_them(stream, providers):
    join(stream, "chess", agrees=False, display_name="Chess")
    said = "Chess was the one who made chat laugh most."
    assert said not in recap_that_says(providers, said)


@pytest.mark.usefixtures("marcus", "dora", "redis_client")
def test_such_an_emote_is_told_by_numbers_all_the_same(stream):
    use(stream, Dora_X=500)
    [pk] = recaps.give_out(NOW)
    recaps.make(pk, NOW)
    assert Claim.objects.filter(summary=pk, text__startswith="Dora_X was the emote of the stream").exists()


@pytest.mark.usefixtures("marcus", "dora", "redis_client")
def test_nobody_is_named_by_the_title(stream, providers):
    Stream.objects.update(title="Race night with Dora_X")
    recap_that_says(providers, "Somebody saw the bridge fall there.")
    assert "Dora_X" not in providers.received[0].content


def test_the_title_says_whose_channel_it_is(stream):
    Stream.objects.update(title="Lantern races")
    stream.refresh_from_db()
    assert "Its last title was \u201cLantern races\u201d." in [fact.text for fact in recapfacts.of_stream(stream).facts]
