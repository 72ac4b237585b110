"""Cursors, times, and how long the log of changes is kept."""

from base64 import urlsafe_b64decode
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from streams import changekeeping, sync
from streams.models import Change, ChangeMark, Channel
from streams.sync import Choice, Cursor, Departure, Place
from streams.tests.cast import make_channel

pytestmark = pytest.mark.django_db(transaction=True)

HOUR = timedelta(hours=1)


def now() -> datetime:
    return datetime.now(UTC)


def changed(since: Cursor, channel: Channel | None = None, resource: str = "things", most: int = 100) -> sync.Changes:
    return sync.changed(channel.pk if channel else None, resource, since, most)


def log(*keys: str, **fields: object) -> None:
    for key in keys:
        Change.objects.create(**{"resource": "things", "key": key, **fields})


def test_what_is_there_already_is_not_told_and_what_comes_is_told_once():
    log("before")
    first = changed(sync.begin())
    log("b", "a")
    second = changed(first.next)
    assert (first.keys, second.keys, changed(second.next).keys) == ([], ["b", "a"], [])


def test_pages_go_on_within_one_transaction():
    cursor = sync.begin()
    Change.objects.bulk_create([Change(resource="things", key=f"k{n}") for n in range(5)])
    pages = [changed(cursor, most=2)]
    while not pages[-1].is_all:
        pages.append(changed(pages[-1].next, most=2))
    assert [page.keys for page in pages] == [["k0", "k1"], ["k2", "k3"], ["k4"]]


def test_a_row_that_changed_often_is_told_once_a_page():
    cursor = sync.begin()
    log(*("a", "b") * 10)
    assert changed(cursor).keys == ["a", "b"]


def test_a_page_of_a_busy_row_always_goes_on():
    cursor = sync.begin()
    log(*["a"] * 30, "b")
    keys: list[str] = []
    is_all = False
    for _ in range(20):
        page = changed(cursor, most=2)
        keys, is_all, cursor = keys + page.keys, page.is_all, page.next
        if is_all:
            break
    assert is_all
    assert set(keys) == {"a", "b"}


def test_other_channels_and_resources_are_none_of_it():
    here, there = make_channel("here"), make_channel("there")
    cursor = sync.begin()
    log("ours", channel=here)
    log("theirs", channel=there)
    log("everywhere")
    log("another", channel=here, resource="others")
    assert changed(cursor, here).keys == ["ours"]


@pytest.mark.parametrize(
    "text", ["", "x", "AAAA", "é", "A" * 5000, "2026-01-01", "W10", "-" * 40, "eyJhbGciOiJIUzI1NiJ9.e30.abc"]
)
def test_what_is_no_cursor_is_invalid(text):
    with pytest.raises(sync.Invalid):
        Cursor.read(text, 1, "things")


def test_a_cursor_is_of_one_list():
    text = sync.begin().written(1, "things")
    assert Cursor.read(text, 1, "things").place == sync.begin().place
    for channel, resource in ((2, "things"), (1, "others"), (None, "things")):
        with pytest.raises(sync.Invalid):
            Cursor.read(text, channel, resource)


def test_a_cursor_that_was_changed_is_invalid():
    text = sync.begin().written(1, "things")
    for place in range(0, len(text), 7):
        changed_text = text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]
        with pytest.raises(sync.Invalid):
            Cursor.read(changed_text, 1, "things")


def test_nobody_reads_in_a_cursor_which_row_it_stands_at():
    begun = sync.begin()
    texts = [begun._replace(place=Place(9, key, "things")).written(1, "things") for key in ("1001:77", "1002:778899")]
    assert not [text for text in texts if b"100" in urlsafe_b64decode(text + "==")]
    assert len({len(text) for text in texts}) == 1


def test_the_same_place_is_the_same_cursor():
    begun = sync.begin()
    assert begun.written(1, "things") == begun.written(1, "things")


def test_a_cursor_of_another_database_asks_to_sync_anew():
    with pytest.raises(sync.SyncAnew, match="restored"):
        changed(sync.begin()._replace(database="another"))


def test_a_cursor_of_the_future_is_invalid():
    cursor = sync.begin()
    with pytest.raises(sync.Invalid):
        changed(cursor._replace(place=Place(cursor.place.xid + 1000)))


def test_another_page_policy_asks_everybody_to_sync_anew():
    channel = make_channel()
    cursor = sync.begin()
    Channel.objects.filter(pk=channel.pk).update(page_policy="opt-in")
    with pytest.raises(sync.SyncAnew, match="everybody"):
        changed(cursor, channel, "streams")
    assert changed(sync.begin(), channel, "streams").keys == []


def test_a_time_means_what_was_committed_after_it():
    log("before")
    sync.mark()
    moment = now()
    log("after")
    assert changed(sync.at(moment, now())).keys == ["after"]


def test_a_time_before_anything_is_known_asks_to_sync_anew():
    sync.mark()
    with pytest.raises(sync.SyncAnew):
        sync.at(now() - HOUR, now())


def test_a_time_in_the_future_is_invalid():
    with pytest.raises(sync.Invalid, match="future"):
        sync.at(now() + HOUR, now())


def marked(ago: timedelta) -> None:
    """A mark as it would have been made then."""
    sync.mark()
    ChangeMark.objects.filter(pk=ChangeMark.objects.latest("at").pk).update(at=now() - ago)


def test_after_an_hour_only_the_last_change_of_a_row_is_kept():
    log("a", "a", "b")
    marked(ago=HOUR)
    log("a", "a")
    assert changekeeping.thin(now(), 2 * HOUR) == 1
    assert list(Change.objects.order_by("pk").values_list("key", flat=True)) == ["a", "b", "a", "a"]


def test_thinned_changes_are_told_all_the_same():
    marked(ago=2 * HOUR)
    cursor = sync.begin()
    log("a", "b", "a")
    marked(ago=HOUR)
    changekeeping.thin(now(), 2 * HOUR)
    assert set(changed(cursor).keys) == {"a", "b"}


def test_sealed_changes_are_not_thinned():
    log("a", "a", sealed="x")
    marked(ago=HOUR)
    assert changekeeping.thin(now(), 2 * HOUR) == 0


def test_changes_are_forgotten_after_thirty_days_and_who_comes_from_before_is_told_to_sync_anew():
    cursor = sync.begin()
    log("old")
    marked(ago=timedelta(days=30, hours=1))
    later = sync.begin()
    log("new")
    assert changekeeping.forget(now()) == 1
    assert changed(later).keys == ["new"]
    with pytest.raises(sync.SyncAnew, match="too long ago"):
        changed(cursor)


def test_numbers_of_a_restored_copy_are_dropped():
    ahead = sync.begin().place.xid + 1_000_000
    ChangeMark.objects.create(at=now() - HOUR, xid=ahead)
    log("foreign", xid=ahead)
    sync.mark()
    assert not Change.objects.exists()
    assert ChangeMark.objects.get().xid < ahead


def test_a_page_is_four_queries(django_assert_max_num_queries):
    channel = make_channel()
    cursor = sync.begin()
    log(*(str(n) for n in range(50)), channel=channel)
    with django_assert_max_num_queries(4), connection.cursor():
        assert len(sync.changed(channel.pk, "things", cursor, 200, lambda *_: []).keys) == 50


def test_a_viewer_who_is_shown_again_brings_all_of_their_rows_page_by_page():
    channel = make_channel()
    cursor = sync.begin()
    log("ann", channel=channel, resource="visibility")
    log("later", channel=channel)
    log("ann", resource="visibility")
    rows = [f"row{n}" for n in range(5)]

    def of_viewer(viewer: str, _choice: Choice, after: str, most: int) -> list[str]:
        assert viewer == "ann"
        return [row for row in rows if row > after][:most]

    pages: list[sync.Changes] = []
    while not pages or not pages[-1].is_all:
        cursor = pages[-1].next if pages else cursor
        pages.append(sync.changed(channel.pk, "things", cursor, 2, of_viewer))
    assert [key for page in pages for key in page.keys] == [*rows, "later", *rows]


def test_many_who_choose_at_once_take_more_pages_and_not_more_queries(django_assert_max_num_queries):
    channel = make_channel()
    cursor = sync.begin()
    log(*(f"v{n:02}" for n in range(20)), channel=channel, resource="visibility")
    told: list[str] = []
    is_all = False
    while not is_all:
        with django_assert_max_num_queries(12):
            page = sync.changed(channel.pk, "things", cursor, 100, lambda viewer, *_: [f"of-{viewer}"])
        told, is_all, cursor = told + page.keys, page.is_all, page.next
    assert told == [f"of-v{n:02}" for n in range(20)]


def test_who_was_erased_is_gone_where_it_says_that_they_hid(django_assert_max_num_queries):
    """First, last or in the middle of a transaction, here or everywhere, in one part or two."""
    channel = make_channel()
    people = [f"v{number:02}" for number in range(20)]
    cursor = sync.begin()
    Change.objects.bulk_create(Change(channel=channel, resource="visibility", key=key) for key in people)
    log(*people, resource="visibility")

    def of_viewer(viewer: str, _choice: Choice, after: str, most: int) -> list[str]:
        return [row for row in (f"{viewer} a", f"{viewer} b") if row > after][:most]

    def pages(most: int) -> list[tuple[list[str], frozenset[str], Place | None]]:
        """Which rows each tells, who is gone or is to be looked for, and where it ended."""
        told: list[sync.Changes] = []
        while not told or not told[-1].is_all:
            with django_assert_max_num_queries(12):
                since = told[-1].next if told else cursor
                told.append(sync.changed(channel.pk, "things", since, most, of_viewer))
        return [
            (page.keys, page.written.gone | page.written.chosen.keys(), None if page.is_all else page.next.place)
            for page in told
        ]

    sizes = (1, 3, 100)
    before = [pages(most) for most in sizes]
    for viewer in ("v07", "v00", "v06", "v19", "v05"):
        for entry in Change.objects.filter(key=viewer):
            arm = "visibility" if entry.channel_id else "visibility*"
            for number, row in enumerate("ba"):
                departure = Departure("" if number else viewer, {"things": [f"{viewer} {row}"]}, viewer, arm)
                fields = {"xid": entry.xid, "at": entry.at, "resource": "visibility", "channel": channel}
                Change.objects.create(**fields, key=f"~{viewer} {number}", sealed=departure.sealed())
            if entry.channel_id or viewer != "v06":  # of who was purged, it stays that they hid everywhere
                entry.delete()
        assert [pages(most) for most in sizes] == before, viewer


def test_many_who_are_purged_at_once_are_told_page_by_page(django_assert_max_num_queries):
    channel = make_channel()
    begun = cursor = sync.begin()
    people = [f"v{number:02}" for number in range(30)]
    for some in (people[:20], people[20:]):
        Change.objects.bulk_create(
            Change(channel=channel, resource="visibility", key=f"~{99 - number}", sealed=Departure(viewer, {}).sealed())
            for number, viewer in enumerate(some)
        )
    told: list[str] = []
    is_all = False
    while not is_all:
        with django_assert_max_num_queries(12):
            page = sync.changed(channel.pk, "things", cursor, 1, lambda *_: [])
        assert len(page.written.gone) <= sync.EXPANDED_AT_ONCE
        told, is_all, cursor = [*told, *sorted(page.written.gone)], page.is_all, page.next
    assert told == people
    assert sync.changed(channel.pk, "things", begun, 100, lambda *_: []).keys == []


def test_who_left_is_told_in_full_before_what_came_later():
    channel = make_channel()
    cursor = sync.begin()
    people = [f"v{number:02}" for number in range(9)]
    for viewer in people:
        Change.objects.bulk_create(
            Change(channel=channel, resource="visibility", key=f"~{part}", sealed=Departure(name, {}, viewer).sealed())
            for part, name in enumerate((viewer, "", ""))
        )
    log("later", channel=channel)
    told: list[str] = []
    is_all = False
    while not is_all:
        page = sync.changed(channel.pk, "things", cursor, 1, lambda *_: [])
        told += [*sorted(page.written.gone), *page.keys]
        is_all, cursor = page.is_all, page.next
    assert told == [*people, "later"]


def test_it_is_told_whose_deleted_rows_were_and_who_chose_something():
    channel = make_channel()
    cursor = sync.begin()
    log("row1", channel=channel, whose="ann")
    log("bea", channel=channel, resource="visibility")
    log("bea", resource="visibility")
    log("cid", resource="visibility")
    written = sync.changed(channel.pk, "things", cursor, 100, lambda *_: []).written
    assert written.whose == {"row1": "ann"}
    of_bea = Change.objects.filter(key="bea").order_by("at").values_list("at", flat=True)
    of_cid = Change.objects.get(key="cid").at
    assert written.chosen == {"bea": Choice(*of_bea), "cid": Choice(everywhere=of_cid)}
