"""Which emotes a text shows, and which set was valid when it was sent."""

import pytest

from chat.ingest.emotes import EmoteIndex, EmoteKey, SetRow, find_emotes

ROOM = "1001"
CHANNEL_SETS = ["ffz", "bttv", "7tv"]


def row(
    name: str, provider: str = "7tv", *, id_: str = "", since: int | None = None, until: int | None = None
) -> SetRow:
    return SetRow(provider, id_ or f"{provider}-{name}", name, since, until)


def index_of(*, here: list[SetRow] | None = None, everywhere: list[SetRow] | None = None) -> EmoteIndex:
    index = EmoteIndex()
    index.load(None, everywhere or [])
    index.load(ROOM, here or [])
    return index


NAMES = {name: ("7tv", f"id-{name}", name) for name in ("Emote", "Other", "D:", "7tv❤", "Ünïcode")}


def names_in(text: str, ranges: tuple[tuple[int, int, str], ...] = ()) -> list[str]:
    """Names of third-party emotes, and ids of Twitch's and of emoji."""
    return [name if provider == "7tv" else id_ for provider, id_, name in find_emotes(text, ranges, NAMES)]


# Words


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("Emote", ["Emote"], id="alone"),
        pytest.param("an Emote here", ["Emote"], id="among words"),
        pytest.param("Emote Emote Other Emote", ["Emote", "Emote", "Other", "Emote"], id="once per use, in order"),
        pytest.param("Emote  Other", ["Emote", "Other"], id="two spaces"),
        pytest.param("  Emote ", ["Emote"], id="spaces around"),
        pytest.param("myEmote", [], id="end of a word"),
        pytest.param("Emotes", [], id="beginning of a word"),
        pytest.param("Emote,", [], id="with a comma"),
        pytest.param("emote EMOTE", [], id="other case"),
        pytest.param("Emote\tOther", [], id="a tab is no space"),
        pytest.param("Emote\u00a0Other", [], id="a no-break space is no space"),
        pytest.param("D: xD:", ["D:"], id="punctuation in the name"),
        pytest.param("Ünïcode", ["Ünïcode"], id="a name beyond ASCII"),
        pytest.param("", [], id="nothing"),
        pytest.param(" ", [], id="only a space"),
        pytest.param("你好 Emote 世界", ["Emote"], id="among CJK words"),
        pytest.param("你好Emote", [], id="joined to CJK"),
    ],
)
def test_only_whole_words_are_emotes(text, found):
    assert names_in(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("Emote \U000e0000", ["Emote"], id="after a space"),
        pytest.param("Emote\U000e0000", ["Emote"], id="at the word"),
        pytest.param("Emote \u034f", ["Emote"], id="the other filler"),
        pytest.param("Emote\u034f\U000e0000", ["Emote"], id="both"),
        pytest.param("Emote \U000e0000 Other", ["Emote", "Other"], id="between words"),
    ],
)
def test_an_invisible_filler_hides_no_emote(text, found):
    assert names_in(text) == found


# Emoji


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("🎉", ["🎉"], id="alone"),
        pytest.param("🎉🎉🎂", ["🎉", "🎉", "🎂"], id="several in a row"),
        pytest.param("wow🎉nice", ["🎉"], id="inside a word"),
        pytest.param("Emote❤", ["Emote", "❤"], id="an emote before it"),
        pytest.param("❤Emote", ["❤", "Emote"], id="an emote after it"),
        pytest.param("Emote❤Other", ["Emote", "❤", "Other"], id="between two emotes"),
        pytest.param("myEmote❤", ["❤"], id="a word that is no emote before it"),
        pytest.param("7tv❤", ["7tv❤"], id="as part of an emote's name"),
        pytest.param("❤️ ❤", ["❤", "❤"], id="with and without its variation selector"),
        pytest.param("👍🏽", ["👍🏽"], id="with a skin tone"),
        pytest.param("👨‍👩‍👧", ["👨‍👩‍👧"], id="a family is one"),
        pytest.param("🏳️‍🌈", ["🏳‍🌈"], id="a sequence with a variation selector"),
        pytest.param("🇩🇪🇫🇷", ["🇩🇪", "🇫🇷"], id="two flags"),
        pytest.param("1️⃣", ["1⃣"], id="a keycap"),
        pytest.param("1 2 # *", [], id="digits are no emoji"),
        pytest.param("é 你 ñ", [], id="letters are no emoji"),
    ],
)
def test_emoji_are_cut_out_of_words(text, found):
    assert names_in(text) == found


def test_an_emoji_is_named_in_words():
    assert find_emotes("🎉", (), {}) == [("emoji", "🎉", ":party_popper:")]


# Twitch's own


@pytest.mark.parametrize(
    ("text", "ranges", "found"),
    [
        pytest.param("Kappa hi", ((0, 5, "25"),), ["25"], id="alone"),
        pytest.param("Emote", ((0, 5, "25"),), ["25"], id="instead of a third-party emote"),
        pytest.param("Emote Kappa Other", ((6, 11, "25"),), ["Emote", "25", "Other"], id="between third-party emotes"),
        pytest.param("EmoteKappaOther", ((5, 10, "25"),), ["Emote", "25", "Other"], id="inside a word"),
        pytest.param("xKappay", ((1, 6, "25"),), ["25"], id="cut out of a word"),
        pytest.param("🎉Kappa🎂", ((1, 6, "25"),), ["🎉", "25", "🎂"], id="between emoji"),
        pytest.param("Kappa Kappa", ((0, 5, "25"), (6, 11, "25")), ["25", "25"], id="twice"),
        pytest.param("KappaKappa", ((0, 5, "25"), (5, 10, "25")), ["25", "25"], id="twice without a space"),
        pytest.param("Kappa", ((0, 5, "25"), (0, 5, "26")), ["25"], id="two in one place: the first"),
        pytest.param("KappaKeepo", ((0, 5, "25"), (3, 10, "26")), ["25"], id="overlapping: the first"),
        pytest.param("❤", ((0, 1, "25"),), ["25"], id="instead of an emoji"),
    ],
)
def test_a_twitch_range_wins(text, ranges, found):
    assert names_in(text, ranges) == found


def test_a_twitch_emote_is_named_as_it_was_typed():
    assert find_emotes("so Kappa", ((3, 8, "25"),), {}) == [("twitch", "25", "Kappa")]


# Which set


PRECEDENCE = [(place, provider) for place in ("here", "everywhere") for provider in CHANNEL_SETS]


@pytest.mark.parametrize("winner", range(len(PRECEDENCE)), ids=lambda n: " ".join(PRECEDENCE[n]))
def test_the_first_set_in_order_has_the_name(winner):
    sets: dict[str, list[SetRow]] = {"here": [], "everywhere": []}
    for place, provider in PRECEDENCE[winner:]:
        sets[place].append(row("Emote", provider, id_=f"{place} {provider}"))
    place, provider = PRECEDENCE[winner]
    assert index_of(**sets).names(ROOM, 1)["Emote"] == (provider, f"{place} {provider}", "Emote")


def names_at(moment: int, *rows: SetRow) -> dict[str, EmoteKey]:
    return dict(index_of(here=list(rows)).names(ROOM, moment))


@pytest.mark.parametrize(
    ("since", "until", "moment", "is_valid"),
    [
        pytest.param(None, None, 0, True, id="always"),
        pytest.param(None, 100, 99, True, id="before its end"),
        pytest.param(None, 100, 100, False, id="at its end"),
        pytest.param(100, None, 99, False, id="before its beginning"),
        pytest.param(100, None, 100, True, id="at its beginning"),
        pytest.param(100, 200, 99, False, id="before its time"),
        pytest.param(100, 200, 100, True, id="at the beginning of its time"),
        pytest.param(100, 200, 199, True, id="at the end of its time"),
        pytest.param(100, 200, 200, False, id="after its time"),
        pytest.param(100, 100, 100, False, id="a time without length"),
    ],
)
def test_a_name_is_valid_in_its_time(since, until, moment, is_valid):
    assert ("Emote" in names_at(moment, row("Emote", since=since, until=until))) == is_valid


def test_a_removed_emote_gives_its_name_to_the_next_in_order():
    rows = [row("Emote", "ffz", until=100), row("Emote", "7tv")]
    assert [names_at(moment, *rows)["Emote"][0] for moment in (99, 100)] == ["ffz", "7tv"]


def test_a_name_may_pass_to_another_emote_of_the_same_set():
    rows = [row("Emote", id_="old", until=100), row("Emote", id_="new", since=100)]
    assert [names_at(moment, *rows)["Emote"][1] for moment in (99, 100)] == ["old", "new"]


def test_a_renamed_emote_stays_one_emote():
    rows = [row("Before", id_="one", until=100), row("After", id_="one", since=100)]
    assert names_at(99, *rows) == {"Before": ("7tv", "one", "Before")}
    assert names_at(100, *rows) == {"After": ("7tv", "one", "After")}


def test_a_message_from_before_all_changes_is_read_as_it_was_then():
    index = index_of(here=[row("Old", until=100), row("New", since=200)], everywhere=[row("Global", since=150)])
    assert [sorted(index.names(ROOM, moment)) for moment in (50, 120, 170, 250)] == [
        ["Old"],
        [],
        ["Global"],
        ["Global", "New"],
    ]


# The index


def test_rooms_have_their_own_sets():
    index = index_of(here=[row("Emote")])
    index.load("2002", [row("Other")])
    assert [sorted(index.names(room, 1)) for room in (ROOM, "2002")] == [["Emote"], ["Other"]]


def test_a_room_that_is_not_known_has_what_is_everywhere():
    assert sorted(index_of(here=[row("Emote")], everywhere=[row("Global")]).names("404", 1)) == ["Global"]


def test_loading_a_room_again_replaces_its_sets():
    index = index_of(here=[row("Emote")])
    index.names(ROOM, 1)
    index.load(ROOM, [row("Other")])
    assert sorted(index.names(ROOM, 1)) == ["Other"]


def test_loading_everywhere_again_changes_every_room():
    index = index_of(here=[row("Emote")], everywhere=[row("Global")])
    index.names(ROOM, 1)
    index.load(None, [row("Newer")])
    assert [sorted(index.names(room, 1)) for room in (ROOM, "404")] == [["Emote", "Newer"], ["Newer"]]


def test_rooms_that_are_not_known_share_what_is_looked_up():
    index = index_of(everywhere=[row("Global")])
    assert index.names("404", 1) is index.names("405", 1)
