from datetime import UTC, datetime, timedelta

import pytest

from chat.emotesets import SetChange, apply_changes, apply_set, load_entries
from chat.ingest.emotes import SetRow
from chat.models import Emote, EmoteSet, EmoteSetEntry
from chat.providers import Added, Removed, Renamed, SetEntry
from streams.models import Channel

pytestmark = pytest.mark.django_db

AT = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
LATER = AT + timedelta(hours=1)
AT_MS, LATER_MS = (round(at.timestamp() * 1000) for at in (AT, LATER))


def entry(number, name="", **changes):
    facts = {"base_name": f"emote{number}", "image_url": f"https://cdn.example/{number}", **changes}
    return SetEntry("7tv", f"id{number}", name or f"emote{number}", **facts)


CAT, DOG = entry(1, "cat"), entry(2, "dog")


@pytest.fixture
def channel():
    return Channel.objects.create(login="example", twitch_id="1001")


def rows(channel):
    """(name, id, since, until) of all entries, past and present."""
    found = EmoteSetEntry.objects.filter(channel=channel).order_by("pk")
    return list(found.values_list("name", "emote__provider_id", "since", "until"))


def test_what_is_there_at_the_first_read_has_no_beginning(channel):
    apply_set(channel, "7tv", [CAT], AT)
    assert rows(channel) == [("cat", "id1", None, None)]


def test_what_appears_later_begins_then(channel):
    apply_set(channel, "7tv", [CAT], AT)
    apply_set(channel, "7tv", [CAT, DOG], LATER)
    assert rows(channel) == [("cat", "id1", None, None), ("dog", "id2", LATER, None)]


def test_what_appears_in_a_set_that_was_read_empty_begins_then(channel):
    apply_set(channel, "7tv", [], AT)
    apply_set(channel, "7tv", [CAT], LATER)
    assert rows(channel) == [("cat", "id1", LATER, None)]


def test_what_goes_ends_and_keeps_its_past(channel):
    apply_set(channel, "7tv", [CAT, DOG], AT)
    apply_set(channel, "7tv", [DOG], LATER)
    assert rows(channel) == [("cat", "id1", None, LATER), ("dog", "id2", None, None)]


def test_an_empty_set_ends_all(channel):
    apply_set(channel, "7tv", [CAT, DOG], AT)
    assert apply_set(channel, "7tv", [], LATER) == SetChange(removed=2)


def test_what_comes_back_begins_again(channel):
    apply_set(channel, "7tv", [CAT], AT)
    apply_set(channel, "7tv", [], LATER)
    apply_set(channel, "7tv", [CAT], LATER + timedelta(hours=1))
    assert rows(channel)[1] == ("cat", "id1", LATER + timedelta(hours=1), None)


def test_a_renamed_emote_is_another_entry_of_the_same_emote(channel):
    apply_set(channel, "7tv", [CAT], AT)
    apply_set(channel, "7tv", [entry(1, "kitty")], LATER)
    assert rows(channel) == [("cat", "id1", None, LATER), ("kitty", "id1", LATER, None)]
    assert Emote.objects.count() == 1


def test_a_name_may_pass_to_another_emote(channel):
    apply_set(channel, "7tv", [CAT], AT)
    apply_set(channel, "7tv", [entry(2, "cat")], LATER)
    assert rows(channel) == [("cat", "id1", None, LATER), ("cat", "id2", LATER, None)]


def test_two_emotes_may_swap_names(channel):
    apply_set(channel, "7tv", [CAT, DOG], AT)
    apply_set(channel, "7tv", [entry(1, "dog"), entry(2, "cat")], LATER)
    assert rows(channel)[2:] == [("dog", "id1", LATER, None), ("cat", "id2", LATER, None)]


def test_of_two_entries_with_one_name_the_later_counts(channel):
    apply_set(channel, "7tv", [CAT, entry(2, "cat")], AT)
    assert rows(channel) == [("cat", "id2", None, None)]


def test_an_emote_may_have_two_names(channel):
    apply_set(channel, "7tv", [CAT, entry(1, "kitty")], AT)
    assert [row[0] for row in rows(channel)] == ["cat", "kitty"]


def test_an_emote_is_named_as_its_maker_named_it(channel):
    apply_set(channel, "7tv", [CAT], AT)
    assert Emote.objects.get().name == "emote1"


def test_what_is_new_of_a_known_emote_is_taken_over(channel):
    apply_set(channel, "7tv", [CAT], AT)
    new = entry(1, "cat", base_name="new", image_url="https://cdn.example/new", is_animated=True)
    assert apply_set(channel, "7tv", [new], LATER) == SetChange(updated=1)
    emote = Emote.objects.get()
    assert (emote.name, emote.image_url, emote.is_animated) == ("new", "https://cdn.example/new", True)


def test_a_picture_is_not_given_up_for_none(channel):
    apply_set(channel, "7tv", [CAT], AT)
    apply_set(channel, "7tv", [entry(1, "cat", image_url="")], LATER)
    assert Emote.objects.get().image_url == "https://cdn.example/1"


def test_sets_that_differ_about_an_overlay_do_not_overwrite_each_other(channel):
    overlay = entry(1, "cat", is_zero_width=True)
    apply_set(channel, "7tv", [overlay], AT)
    apply_set(None, "7tv", [CAT], AT)
    assert apply_set(channel, "7tv", [overlay], LATER) == SetChange()
    assert Emote.objects.get().is_zero_width


def test_channels_share_emotes_and_not_sets(channel):
    apply_set(channel, "7tv", [CAT], AT)
    apply_set(None, "7tv", [CAT], AT)
    apply_set(None, "7tv", [], LATER)
    assert (Emote.objects.count(), rows(channel)) == (1, [("cat", "id1", None, None)])


def test_providers_do_not_touch_each_others_sets(channel):
    apply_set(channel, "7tv", [CAT], AT)
    apply_set(channel, "bttv", [], AT)
    assert rows(channel) == [("cat", "id1", None, None)]


@pytest.mark.parametrize(
    ("change", "present"),
    [
        pytest.param(Added(entry(3, "emu")), {"cat": "id1", "dog": "id2", "emu": "id3"}, id="added"),
        pytest.param(Added(entry(1, "kitty")), {"kitty": "id1", "dog": "id2"}, id="added under another name"),
        pytest.param(Renamed("id1", "kitty"), {"kitty": "id1", "dog": "id2"}, id="renamed"),
        pytest.param(Renamed("id1", "dog"), {"dog": "id1"}, id="renamed to what another had"),
        pytest.param(Removed("id1"), {"dog": "id2"}, id="removed"),
        pytest.param(Removed("id9"), {"cat": "id1", "dog": "id2"}, id="removed what is not there"),
    ],
)
def test_live_changes_change_the_set(channel, change, present):
    apply_set(channel, "7tv", [CAT, DOG], AT)
    apply_changes(channel, "7tv", [change], LATER)
    assert {name: emote for name, emote, _, until in rows(channel) if until is None} == present


def test_a_live_rename_keeps_what_is_known_of_the_emote(channel):
    overlay = entry(1, "cat", is_zero_width=True, is_animated=True)
    apply_set(channel, "7tv", [overlay], AT)
    apply_changes(channel, "7tv", [Renamed("id1", "kitty")], LATER)
    emote = Emote.objects.get()
    assert (emote.name, emote.is_zero_width, emote.is_animated) == ("emote1", True, True)


def test_a_live_change_that_is_no_change_writes_nothing(channel):
    apply_set(channel, "7tv", [CAT], AT)
    assert apply_changes(channel, "7tv", [Added(CAT)], LATER) == SetChange()


def test_a_set_that_was_never_read_waits_for_its_first_read(channel):
    assert apply_changes(channel, "7tv", [Added(CAT)], AT) == SetChange()
    assert not EmoteSet.objects.exists()


def test_the_index_is_loaded_with_its_past(channel):
    apply_set(channel, "7tv", [CAT], AT)
    apply_set(channel, "7tv", [DOG], LATER)
    assert load_entries(channel.pk) == [
        SetRow("7tv", "id1", "cat", None, LATER_MS),
        SetRow("7tv", "id2", "dog", LATER_MS, None),
    ]


def test_the_index_for_everybody_is_loaded_apart(channel):
    apply_set(channel, "7tv", [CAT], AT)
    apply_set(None, "7tv", [DOG], AT)
    assert load_entries(None) == [SetRow("7tv", "id2", "dog", None, None)]


def test_the_index_is_one_query(channel, django_assert_num_queries):
    apply_set(channel, "7tv", [entry(number) for number in range(50)], AT)
    with django_assert_num_queries(1):
        load_entries(channel.pk)


@pytest.mark.parametrize("size", [10, 1000])
def test_a_first_read_is_few_statements_however_many_emotes(channel, django_assert_max_num_queries, size):
    with django_assert_max_num_queries(12):
        apply_set(channel, "7tv", [entry(number) for number in range(size)], AT)


@pytest.mark.parametrize("size", [10, 1000])
def test_a_whole_new_set_is_few_statements(channel, django_assert_max_num_queries, size):
    apply_set(channel, "7tv", [entry(number) for number in range(size)], AT)
    with django_assert_max_num_queries(10):
        apply_set(channel, "7tv", [entry(number) for number in range(size, 2 * size)], LATER)


def test_an_unchanged_set_is_only_read(channel, django_assert_num_queries):
    entries = [entry(number) for number in range(50)]
    apply_set(channel, "7tv", entries, AT)
    with django_assert_num_queries(4) as asked:  # two of them open and close the savepoint
        apply_set(channel, "7tv", entries, LATER)
    assert not [query for query in asked.captured_queries if query["sql"].startswith(("INSERT", "UPDATE"))]
