"""Places say what days and streams add up to, whatever changed since, and however late."""

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from itertools import count
from threading import Event

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections, transaction
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from chat import folds, standings
from chat.ingest.store import Store
from chat.models import EmoteDay, EmoteTotal, EmoteUsage, EmoteYear, ViewerEmote
from chat.rollups import rebuild_day
from chat.standings import again, rank
from chat.tasks import rank as rank_job
from chat.tests.crowd import make_emote
from chat.tests.factories import EntryFactory
from chat.tests.lines import DAY, NOON, privmsg, read
from streams.marks import MARK_DAYS
from streams.models import Channel, ChannelDay, Stream
from streams.tests.cast import make_channel
from viewers.models import Standing, Viewer, ViewerDay, ViewerStream
from viewers.tests.cast import make_viewer
from viewers.tests.presence import Evening, at, said

MONDAY = date(2026, 3, 16)
NEW_YEAR = date(2026, 1, 1)  # a Thursday: its week began in the year before


@pytest.fixture
def channel(db):
    return make_channel()


@pytest.fixture
def ann(channel):
    return make_viewer(channel, "ann")


def add(channel, viewer, day, **numbers):
    """Change what was counted of a viewer on a day, as whoever counts does."""
    row, _ = ViewerDay.objects.get_or_create(channel=channel, viewer=viewer, day=day)
    ViewerDay.objects.filter(pk=row.pk).update(**{name: F(name) + number for name, number in numbers.items()})
    mark(channel, day)


def use(channel, viewer, emote, day, uses):
    for model, whose in ((EmoteUsage, {"viewer": viewer}), (EmoteDay, {})):
        row, _ = model.objects.get_or_create(channel=channel, emote=emote, day=day, **whose)
        model.objects.filter(pk=row.pk).update(uses=F("uses") + uses)
    mark(channel, day)


def mark(channel, day):
    with connection.cursor() as cursor:
        cursor.execute(MARK_DAYS.format(days=f"(SELECT {channel.pk} AS channel_id, date '{day}' AS day) days"))


def places(viewer, measure="messages"):
    return dict(Standing.objects.filter(viewer=viewer).order_by("period").values_list("period", measure))


def uses(model=ViewerEmote):
    return {row.emote.name: (row.uses, row.first_day, row.last_day) for row in model.objects.select_related("emote")}


def years():
    return {row.year: (row.uses, row.first_day, row.last_day) for row in EmoteYear.objects.all()}


# What adds up to what


def test_a_day_counts_in_its_week_month_year_and_all_time(channel, ann):
    add(channel, ann, MONDAY, messages=3)
    rank()
    assert places(ann) == {"2026": 3, "2026-03": 3, "2026-W12": 3, "all": 3}


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        pytest.param([0, 6], {"2026-W12": 2, "2026-03": 2}, id="Monday and Sunday are one week"),
        pytest.param([0, 7], {"2026-W12": 1, "2026-W13": 1, "2026-03": 2}, id="the next Monday is another"),
        pytest.param([0, 16], {"2026-W12": 1, "2026-W14": 1, "2026-03": 1, "2026-04": 1}, id="another month"),
        pytest.param([14, 16], {"2026-W14": 2, "2026-03": 1, "2026-04": 1}, id="a week of two months"),
    ],
)
def test_days_add_up(channel, ann, days, expected):
    for after in days:
        add(channel, ann, MONDAY + timedelta(days=after), messages=1)
    rank()
    assert places(ann) == {**expected, "2026": len(days), "all": len(days)}


def test_a_week_goes_over_new_year_and_a_year_does_not(channel, ann):
    add(channel, ann, NEW_YEAR - timedelta(days=1), messages=1)
    add(channel, ann, NEW_YEAR, messages=2)
    rank()
    assert places(ann) == {"2025": 1, "2025-12": 1, "2026": 2, "2026-01": 2, "2026-W01": 3, "all": 3}


@pytest.mark.parametrize("measure", ["watch_seconds", "messages", "emotes", "points"])
def test_every_measure_is_folded(channel, ann, measure):
    add(channel, ann, MONDAY, **{measure: 5})
    rank()
    assert set(places(ann, measure).values()) == {5}


def test_who_did_nothing_that_is_ranked_has_no_place(channel, ann):
    add(channel, ann, MONDAY, subs=1)
    rank()
    assert places(ann) == {}


def test_channels_are_apart(channel, ann):
    other = make_channel("other")
    add(channel, ann, MONDAY, messages=3)
    add(other, ann, MONDAY, messages=5)
    rank()
    assert set(Standing.objects.filter(period="all").values_list("channel", "messages")) == {
        (channel.pk, 3),
        (other.pk, 5),
    }


def test_one_channel_can_be_ranked_alone(channel, ann):
    add(channel, ann, MONDAY, messages=3)
    other = make_channel("other")
    add(other, ann, MONDAY, messages=5)
    rank(channel)
    assert set(Standing.objects.values_list("channel", flat=True)) == {channel.pk}


# What changes afterwards


def test_a_second_run_has_nothing_to_do(channel, ann):
    add(channel, ann, MONDAY, messages=3)
    rank()
    assert rank().startswith("0 days of 0 channels folded; streaks of 0 streams")


def test_what_comes_later_is_added(channel, ann):
    for _ in range(2):
        add(channel, ann, MONDAY, messages=3)
        rank()
    assert set(places(ann).values()) == {6}


def test_a_late_line_for_an_old_day_makes_old_periods_right(channel, ann):
    for day in (date(2024, 5, 1), date(2024, 5, 2), MONDAY):
        add(channel, ann, day, messages=1)
    rank()
    add(channel, ann, date(2024, 5, 1), messages=10)
    rank()
    assert places(ann) == {
        "2024": 12, "2024-05": 12, "2024-W18": 12, "2026": 1, "2026-03": 1, "2026-W12": 1, "all": 13,
    }  # fmt: skip


def test_what_is_taken_back_is_lower(channel, ann):
    add(channel, ann, MONDAY, messages=5)
    rank()
    add(channel, ann, MONDAY, messages=-2)
    rank()
    assert set(places(ann).values()) == {3}


def test_what_falls_to_nothing_is_gone(channel, ann):
    add(channel, ann, MONDAY, messages=5)
    rank()
    add(channel, ann, MONDAY, messages=-5)
    rank()
    assert places(ann) == {}


def test_what_falls_to_nothing_in_one_period_stays_in_the_others(channel, ann):
    add(channel, ann, MONDAY, messages=5)
    add(channel, ann, date(2025, 3, 1), messages=2)
    rank()
    add(channel, ann, MONDAY, messages=-5)
    rank()
    assert places(ann) == {"2025": 2, "2025-03": 2, "2025-W09": 2, "all": 2}


def test_only_the_days_that_changed_are_folded(channel, ann):
    add(channel, ann, MONDAY, messages=5)
    rank()
    ViewerDay.objects.update(messages=50)  # nobody said so
    add(channel, ann, MONDAY + timedelta(days=40), messages=1)
    rank()
    assert places(ann)["2026-03"] == 5


def test_everything_is_folded_again_on_demand(channel, ann):
    add(channel, ann, MONDAY, messages=5)
    rank()
    Standing.objects.update(messages=77)
    again(channel)
    rank()
    assert set(places(ann).values()) == {5}


def test_what_is_unchanged_is_not_written(channel, ann):
    add(channel, ann, MONDAY, messages=5)
    rank()
    before = set(Standing.objects.extra(select={"version": "xmin::text"}).values_list("version", flat=True))
    mark(channel, MONDAY)
    rank()
    assert set(Standing.objects.extra(select={"version": "xmin::text"}).values_list("version", flat=True)) == before


# Who


def test_what_is_nobodys_has_no_place(channel):
    ViewerDay.objects.create(channel=channel, viewer_id="", day=MONDAY, messages=5)
    EmoteUsage.objects.create(channel=channel, viewer_id="", emote=make_emote(), day=MONDAY, uses=5)
    mark(channel, MONDAY)
    rank()
    assert not Standing.objects.exists()
    assert not ViewerEmote.objects.exists()


def test_whose_account_is_gone_gets_no_place_back(channel, ann):
    add(channel, ann, MONDAY, messages=5)
    use(channel, ann, make_emote(), MONDAY, 5)
    ann.names.all().delete()
    Viewer.objects.filter(pk=ann.pk)._raw_delete("default")
    rank()
    assert not Standing.objects.exists()
    assert not ViewerEmote.objects.exists()


def test_bots_and_the_hidden_are_folded_for_they_may_be_none_tomorrow(channel):
    bot = make_viewer(channel, "bot", is_bot=True)
    add(channel, bot, MONDAY, messages=5)
    rank()
    assert places(bot)["all"] == 5


def test_what_nothing_stands_behind_is_swept_away(channel, ann):
    emote = make_emote()
    add(channel, ann, MONDAY, messages=5)
    use(channel, ann, emote, MONDAY, 5)
    rank()
    for model in (ViewerDay, EmoteUsage, EmoteDay):
        model.objects.all().delete()
    again(channel)
    assert not any(model.objects.exists() for model in (Standing, ViewerEmote, EmoteTotal, EmoteYear))


# Emotes


def test_uses_of_an_emote_are_added_up(channel, ann):
    emote, bob = make_emote("Kappa"), make_viewer(channel, "bob")
    use(channel, ann, emote, MONDAY, 2)
    use(channel, ann, emote, MONDAY + timedelta(days=3), 1)
    use(channel, bob, emote, MONDAY - timedelta(days=3), 4)
    rank()
    assert uses(EmoteTotal) == {"Kappa": (7, MONDAY - timedelta(days=3), MONDAY + timedelta(days=3))}
    of_ann = ViewerEmote.objects.get(viewer=ann)
    assert (of_ann.uses, of_ann.first_day, of_ann.last_day) == (3, MONDAY, MONDAY + timedelta(days=3))


def test_uses_of_an_emote_are_added_up_by_year(channel, ann):
    emote, last, first = make_emote("Kappa"), date(2025, 12, 31), date(2026, 1, 1)
    for day, number in ((last, 2), (first, 3), (MONDAY, 4)):
        use(channel, ann, emote, day, number)
    rank()
    assert years() == {2025: (2, last, last), 2026: (7, first, MONDAY)}


def test_a_year_whose_only_use_is_gone_goes_too(channel, ann):
    emote = make_emote("Kappa")
    use(channel, ann, emote, date(2025, 12, 31), 2)
    use(channel, ann, emote, MONDAY, 4)
    rank()
    EmoteDay.objects.filter(day=date(2025, 12, 31)).update(uses=0)
    mark(channel, date(2025, 12, 31))
    rank()
    assert set(years()) == {2026}


@pytest.mark.parametrize("seed", range(8))
def test_uses_are_right_in_whatever_order_they_come(channel, ann, seed, monkeypatch):
    """Days long past are not added up each time; that must not show."""
    monkeypatch.setattr(standings, "MANY_DAYS", 2)
    chance = iter((seed * 7919 + number * 104729) % 1009 for number in count(1))
    emotes = [make_emote("Kappa"), make_emote("Clap")]
    told: dict[tuple[str, date], int] = defaultdict(int)
    for _ in range(12):
        for _ in range(next(chance) % 3 + 1):
            day = MONDAY + timedelta(days=next(chance) % 40)
            emote = emotes[next(chance) % 2]
            number = next(chance) % 5 + 1
            use(channel, ann, emote, day, number)
            told[emote.name, day] += number
        rank()
        for name in {name for name, _ in told}:
            days = [day for known, day in told if known == name]
            expected = sum(told[name, day] for day in days), min(days), max(days)
            assert uses()[name] == uses(EmoteTotal)[name] == uses(EmoteYear)[name] == expected


# Streaks


def test_the_longest_streak_reached_in_a_period_stands_in_it(channel, ann):
    for number, day in enumerate([date(2026, 2, 27), date(2026, 2, 28), date(2026, 3, 1), date(2026, 3, 9)]):
        held(channel, f"s{number}", day, [] if number == 3 else [ann])
    rank()
    assert places(ann, "streak") == {
        "2026": 3, "2026-02": 2, "2026-03": 3, "2026-W09": 3, "all": 3,
    }  # fmt: skip


def held(channel, pk, day, viewers, hour=18):
    """A stream of two hours in which these viewers were."""
    began = datetime(day.year, day.month, day.day, hour, tzinfo=UTC)
    stream = Stream.objects.create(
        id=pk, channel=channel, started_at=began, ended_at=began + timedelta(hours=2), presence_at=began,
        counted_at=began + timedelta(hours=3),
    )  # fmt: skip
    for viewer in viewers:
        ViewerStream.objects.create(channel=channel, stream=stream, viewer=viewer, watch_seconds=60)
        add(channel, viewer, (began + timedelta(hours=1)).date(), watch_seconds=60)
    return stream


def test_a_stream_over_midnight_counts_in_the_period_it_began_in(channel, ann):
    held(channel, "s1", date(2026, 3, 31), [], hour=23)
    stream = Stream.objects.get()
    ViewerStream.objects.create(channel=channel, stream=stream, viewer=ann, watch_seconds=60)
    add(channel, ann, date(2026, 4, 1), watch_seconds=60)
    rank()
    assert places(ann, "streak")["2026-03"] == 1
    assert places(ann, "streak")["2026-04"] == 0


# Days that are marked, by whoever changes them


def changes():
    return dict(ChannelDay.objects.values_list("day", "changes"))


@pytest.mark.django_db(transaction=True)
def test_a_line_marks_its_day():
    store = Store()
    store.write(read(privmsg("one")))
    first = changes()
    store.write(read(privmsg("two"), privmsg("two days later", at=2 * DAY)))
    assert first == {NOON.date(): 1}
    assert changes() == {NOON.date(): 2, NOON.date() + timedelta(days=2): 1}


@pytest.mark.django_db(transaction=True)
def test_what_a_line_counts_for_has_a_place():
    EntryFactory.create(name="Emote")
    store = Store()
    store.load_all_sets()
    store.write(read(privmsg("Emote"), privmsg("hello")))
    rank()
    assert Standing.objects.filter(period="all").values_list("messages", "emotes").get() == (2, 1)
    assert uses() == uses(EmoteTotal) == {"Emote": (1, NOON.date(), NOON.date())}


def test_a_poll_marks_its_day_though_nobody_wrote(db):
    evening = Evening()
    evening.poll(1, "ann")
    assert changes() == {}
    evening.poll(6, "ann")
    assert changes() == {at(0).date(): 1}
    evening.poll(11, "ann")
    assert changes() == {at(0).date(): 2}


def test_words_that_bridge_a_silence_mark_their_day(db):
    evening = Evening()
    evening.poll(1, "ann")
    evening.poll(61, speech=said(ann=(30, 33)))
    assert changes() == {at(0).date(): 1}


def test_an_evening_over_midnight_marks_both_days(db):
    evening = Evening()
    for minutes in range(1, 302, 5):
        evening.poll(minutes, "ann")
    assert set(changes()) == {at(0).date(), at(300).date()}


def test_sessions_that_are_settled_mark_their_day(db):
    evening = Evening()
    for minutes in (1, 6, 11):
        evening.poll(minutes, "ann")
    before = changes()
    evening.off_air(8)
    evening.settle()
    assert changes()[at(0).date()] == before[at(0).date()] + 1


@pytest.mark.django_db(transaction=True)
def test_a_recount_marks_the_days_that_were_wrong_and_no_others():
    store = Store()
    store.write(read(privmsg("one"), privmsg("later", at=2 * DAY)))
    channel = Channel.objects.get(login="example")
    rank()
    ViewerDay.objects.filter(day=NOON.date()).update(messages=9)
    for day in (NOON.date(), NOON.date() + timedelta(days=2)):
        rebuild_day(channel, day)
    assert set(ChannelDay.objects.exclude(changes=F("ranked")).values_list("day", flat=True)) == {NOON.date()}


@pytest.mark.django_db(transaction=True)
def test_a_dry_recount_marks_nothing():
    Store().write(read(privmsg("one")))
    rank()
    ViewerDay.objects.update(messages=9)
    rebuild_day(Channel.objects.get(login="example"), NOON.date(), dry_run=True)
    assert not ChannelDay.objects.exclude(changes=F("ranked")).exists()


@pytest.mark.django_db(transaction=True)
def test_a_recount_takes_back_emotes_that_nobody_used():
    EntryFactory.create(name="Emote")
    store = Store()
    store.load_all_sets()
    store.write(read(privmsg("Emote"), privmsg("Emote", at=DAY)))
    rank()
    channel, other = Channel.objects.get(login="example"), make_emote("Never")
    kept, wrong = EmoteUsage.objects.order_by("day")
    EmoteUsage.objects.create(channel=channel, viewer=kept.viewer, emote=other, day=kept.day, uses=3)
    ViewerEmote.objects.create(
        channel=channel, viewer=kept.viewer, emote=other, uses=3, first_day=kept.day, last_day=kept.day
    )
    with connection.cursor() as cursor:
        cursor.execute("UPDATE chat_message SET emotes = '{}' WHERE sent_at::date = %s", [wrong.day])
    for day in (kept.day, wrong.day):
        rebuild_day(channel, day)
    assert uses() == {"Emote": (1, kept.day, kept.day)}


# Two at once


@pytest.mark.django_db(transaction=True)
def test_what_changes_during_a_fold_is_folded_next_time(monkeypatch):
    channel = make_channel()
    ann = make_viewer(channel, "ann")
    add(channel, ann, MONDAY, messages=1)
    fold = standings._fold

    def fold_and_write(*args, **kwargs):
        fold(*args, **kwargs)
        with ThreadPoolExecutor() as pool:
            pool.submit(write_elsewhere).result()

    def write_elsewhere():
        try:
            add(channel, ann, MONDAY, messages=10)
        finally:
            connections.close_all()

    with monkeypatch.context() as patch:
        patch.setattr(standings, "_fold", fold_and_write)
        rank()
    assert places(ann)["all"] == 1
    rank()
    assert places(ann)["all"] == 11


@pytest.mark.django_db(transaction=True)
def test_a_fold_waits_for_no_writer_and_sees_what_it_wrote_next_time():
    """A writer has changed a day and not committed yet: the fold reads what was before, and the day stays marked."""
    channel = make_channel()
    ann = make_viewer(channel, "ann")
    add(channel, ann, MONDAY, messages=1)
    with ThreadPoolExecutor() as pool:

        def fold_elsewhere():
            try:
                standings._fold(channel, [MONDAY], with_uses=True)
            finally:
                connections.close_all()

        with transaction.atomic():
            add(channel, ann, MONDAY, messages=10)
            pool.submit(fold_elsewhere).result(timeout=20)
    assert places(ann)["all"] == 1
    rank()
    assert places(ann)["all"] == 11


@pytest.mark.django_db(transaction=True)
def test_who_is_taken_away_while_a_channel_is_held_is_not_brought_back():
    channel = make_channel()
    ann = make_viewer(channel, "ann")
    add(channel, ann, MONDAY, messages=1)
    rank()
    add(channel, ann, MONDAY, messages=1)
    is_waiting = Event()

    def fold_elsewhere():
        try:
            is_waiting.set()
            rank(channel)
        finally:
            connections.close_all()

    with ThreadPoolExecutor() as pool:
        with transaction.atomic(), connection.cursor() as cursor:
            folds.hold(cursor, [channel.pk])
            folding = pool.submit(fold_elsewhere)
            is_waiting.wait()
            ViewerDay.objects.all().delete()
            Standing.objects.all().delete()
        folding.result(timeout=20)
    assert places(ann) == {}


# How much at once


def test_a_run_that_has_no_time_leaves_the_rest_and_says_so(channel, ann):
    add(channel, ann, MONDAY, messages=1)
    assert "1 days left for the next time" in rank(enough_s=-1)
    assert places(ann) == {}
    rank()
    assert places(ann)["all"] == 1


def test_the_newest_days_come_first(channel, ann, monkeypatch):
    for day in (date(2025, 3, 1), MONDAY):
        add(channel, ann, day, messages=1)
    folded = []
    monkeypatch.setattr(standings, "_fold", lambda _channel, days, **_options: folded.append(days))
    rank()
    assert folded == [[MONDAY], [date(2025, 3, 1)]]


def test_who_has_most_to_do_comes_last(channel, ann, monkeypatch):
    for day in (date(2025, 3, 1), MONDAY):
        add(channel, ann, day, messages=1)
    other = make_channel("other")
    add(other, ann, MONDAY, messages=1)
    folded = []
    monkeypatch.setattr(standings, "_fold", lambda channel, _days, **_options: folded.append(channel))
    rank()
    assert folded == [other, channel, channel]


def test_progress_is_told(channel, ann):
    for day in (date(2025, 3, 1), MONDAY):
        add(channel, ann, day, messages=1)
    told = []
    rank(channel, show=lambda done, days: told.append((done, days)))
    assert told == [(1, 2), (2, 2)]


@pytest.mark.parametrize("days", [1, 20])
def test_a_fold_takes_as_many_statements_for_many(channel, ann, days, monkeypatch):
    monkeypatch.setattr("chat.awards.award", lambda *_asked, **_more: 0)
    for after in range(days):
        add(channel, ann, date(2026, 3, 1) + timedelta(days=after), messages=1)
    with CaptureQueriesContext(connection) as queries:
        rank(channel)
    assert len(queries) == 31


def test_finding_who_did_anything_on_a_day_uses_its_index(channel):
    Viewer.objects.bulk_create(
        Viewer(twitch_id=f"v{number}", login=f"v{number}", named_at=NOON) for number in range(2000)
    )
    ViewerDay.objects.bulk_create(
        ViewerDay(channel=channel, viewer_id=f"v{number % 2000}", day=MONDAY + timedelta(days=number // 100))
        for number in range(20_000)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE viewers_viewerday, viewers_viewer")
        cursor.execute(f"EXPLAIN {standings.WHO.partition(' AS')[2]}", {"channel": channel.pk, "days": [MONDAY]})
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "viewerday_of_day" in plan


# By hand, and by the clock


def run(*args, **options):
    out = StringIO()
    call_command("rank", *args, stdout=out, **options)
    return out.getvalue()


def test_the_command_ranks_every_channel(channel, ann):
    make_channel("other")
    add(channel, ann, MONDAY, messages=1)
    said = run()
    assert "Lantern: 1 days of 1 channels folded" in said
    assert said.endswith("Done.\n")
    assert places(ann)["all"] == 1


def test_the_command_ranks_one_channel_by_any_spelling(channel, ann):
    make_channel("other")
    assert "Other" not in run("Lantern")


def test_the_command_says_which_channel_it_does_not_know(channel):
    with pytest.raises(CommandError, match="No channel named 'nobody' is known"):
        run("nobody")


def test_the_command_folds_everything_again(channel, ann):
    add(channel, ann, MONDAY, messages=5)
    rank()
    Standing.objects.update(messages=77)
    run(all=True)
    assert set(places(ann).values()) == {5}


def test_the_job_says_what_it_did(channel, ann, redis_client):
    add(channel, ann, MONDAY, messages=5)
    assert rank_job() == "1 days of 1 channels folded; streaks of 0 streams; 1 levels awarded"
