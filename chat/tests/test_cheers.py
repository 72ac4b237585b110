"""Words that give bits are no emotes, whatever else they name; Twitch's own emotes are not looked for in words."""

import pytest

from chat.emotesets import load_cheers, load_entries
from chat.ingest.emotes import EmoteIndex, SetRow, find_emotes, is_cheer
from chat.ingest.store import Store
from chat.models import Cheermote, EmoteUsage
from chat.tests.factories import ChannelFactory, EntryFactory
from chat.tests.lines import number_of, privmsg, read

ROOM = "1001"
PREFIXES = ["cheer", "lantern", "4head", "level2"]


@pytest.mark.parametrize(
    ("word", "gives_bits"),
    [
        ("Cheer100", True),
        ("cheer1", True),
        ("CHEER5", True),
        ("4Head100", True),
        ("level2100", True),
        ("lantern25", True),
        ("Cheer", False),
        ("level2", False),
        ("Cheer0", False),
        ("Cheer010", False),
        ("Cheer100!", False),
        ("aCheer100", False),
        ("Pog100", False),
        ("Cheer\u0661", False),
        ("", False),
    ],
)
def test_a_cheer_is_a_known_word_with_a_number(word, gives_bits):
    assert is_cheer(word, PREFIXES) is gives_bits


def names_in(text, *, is_cheer=True):
    index = EmoteIndex()
    index.load(None, [SetRow("7tv", "1", "Cheer100", None, None), SetRow("7tv", "2", "Pog5", None, None)], ["Pog"])
    index.load(ROOM, [SetRow("7tv", "3", "Lantern5", None, None)], ["Lantern"])
    names = index.names_beside_cheers(ROOM, 1, text) if is_cheer else index.names(ROOM, 1)
    return [name for _, _, name in find_emotes(text, (), names)]


def test_a_word_that_gave_bits_is_no_emote():
    assert names_in("Cheer100 Pog5 Lantern5 hi") == []


def test_without_bits_the_same_word_is_one():
    assert names_in("Cheer100 Pog5 Lantern5 hi", is_cheer=False) == ["Cheer100", "Pog5", "Lantern5"]


def test_other_emotes_of_a_cheer_still_are():
    index = EmoteIndex()
    index.load(None, [SetRow("7tv", "1", "Pog", None, None), SetRow("7tv", "2", "Cheer1", None, None)])
    names = index.names_beside_cheers(ROOM, 1, "Cheer1 Pog")
    assert [name for _, _, name in find_emotes("Cheer1 Pog", (), names)] == ["Pog"]


@pytest.mark.django_db
def test_words_of_a_channel_and_of_everywhere_are_loaded_apart():
    channel = ChannelFactory.create()
    Cheermote.objects.create(channel=None, prefix="Cheer")
    Cheermote.objects.create(channel=channel, prefix="Lantern")
    assert load_cheers(None) == ["Cheer"]
    assert load_cheers(channel.pk) == ["Lantern"]


@pytest.mark.django_db
def test_twitchs_own_emotes_are_left_out_of_the_index():
    entry = EntryFactory.create(provider="twitch", emote__provider="twitch", name="Kappa")
    assert load_entries(entry.channel_id) == []


@pytest.mark.django_db(transaction=True)
def test_a_stored_cheer_counts_its_emotes_and_not_its_cheers():
    channel = ChannelFactory.create(login="example", twitch_id=number_of("example"))
    for name in ("Cheer1", "Lantern5", "Pog"):
        EntryFactory.create(channel=channel, name=name)
    Cheermote.objects.create(channel=channel, prefix="Lantern")
    store = Store()
    store.load_all_sets()
    store.write(read(privmsg("Cheer1 Lantern5 Pog", bits="6"), privmsg("Cheer1 Pog", at=5)))
    used = {usage.emote.name: usage.uses for usage in EmoteUsage.objects.select_related("emote")}
    assert used == {"Cheer1": 1, "Pog": 2}
