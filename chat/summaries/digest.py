"""A summary without a language model: what the numbers say of a viewer, and what can be counted in what they wrote.

It is as dull as it is right. What is counted in messages names them, as a claim of a model does.
"""

from collections.abc import Iterator
from datetime import UTC, timedelta

from django.utils import timezone

from chat.models.emote import Provider
from chat.portrait import facts, lists
from chat.portrait.facts import Favourite
from chat.portrait.lists import Lists
from chat.portrait.person import Person
from chat.portrait.stretch import Stretch
from chat.streaks import streaks
from chat.summaries.checks import MOST_SOURCES, Draft
from chat.summaries.reading import Read, Sample
from streams.models import Channel
from streamstats.lib.durations import spoken
from streamstats.lib.numbers import counted, grouped
from streamstats.lib.periods import ALL_TIME
from streamstats.lib.week import LONG_DAYS
from viewers.models import Claim, Viewer, ViewerDay, ViewerTotal

FEW = 20
"""Fewer messages than this have no habits."""
FEW_READ = 8
CATEGORIES = 2
EMOTES = 3
OFTEN = 3
"""How often somebody used an emote that they like."""


def of_viewer(channel: Channel, viewer: Viewer, sample: Sample) -> list[Draft]:
    """What is said of a viewer in a channel; nothing of one who never wrote there."""
    total = ViewerTotal.objects.filter(channel=channel, viewer=viewer).first()
    if total is None or not total.messages:
        return []
    person = Person(channel, viewer, total, None, [], is_shown=True)
    listed = lists.read(person, None, None, timezone.now())
    favourites = facts.favourites(person, Stretch(ALL_TIME, timezone.now().astimezone(UTC).date()))
    return [
        *_habits(person),
        *_came(channel, viewer, listed),
        *_answers(sample),
        *_categories(listed),
        *_emotes(favourites, sample),
        *_tone(sample),
    ]


def _numbers(part: Claim.Part, text: str) -> Draft:
    return Draft(part, text, [], is_counted=True, is_ours=True)


def _habits(person: Person) -> Iterator[Draft]:
    rows = ViewerDay.objects.filter(channel=person.channel, viewer=person.viewer, messages__gt=0)
    days = list(rows.values_list("day", "messages"))
    first = person.total.first_seen_at
    since = f"They have been around since {first:%-d %B %Y}"
    wrote = f"have written {counted(person.total.messages, 'message')}"
    on = f" on {counted(len(days), 'day')}" if days else ""
    yield _numbers(Claim.Part.PORTRAIT, f"{since} and {wrote}{on}.")
    by_weekday = [sum(messages for day, messages in days if day.weekday() == weekday) for weekday in range(7)]
    if sum(by_weekday) < FEW:
        return
    most = by_weekday.index(max(by_weekday))
    share = round(100 * by_weekday[most] / sum(by_weekday))
    text = f"They write most on {LONG_DAYS[most]}s, when {share} % of their messages were sent (days are UTC days)."
    yield _numbers(Claim.Part.PORTRAIT, text)


def _came(channel: Channel, viewer: Viewer, listed: Lists) -> Iterator[Draft]:
    if not listed.attended_streams:
        return
    best = streaks(channel, viewer).best
    came = f"They came to {grouped(listed.attended_streams)} of {counted(listed.known_streams, 'stream')}"
    row = f", {grouped(best)} of them in a row at best" if best > 1 else ""
    yield _numbers(Claim.Part.PORTRAIT, f"{came}{row}.")


def _answers(sample: Sample) -> Iterator[Draft]:
    answers = [read for read in sample.messages if read.is_reply]
    if len(sample.messages) >= FEW_READ and answers:
        how = _share(len(answers), len(sample.messages), "answers somebody else", "answer somebody else")
        yield Draft(Claim.Part.PORTRAIT, f"Of the messages that were read, {how}.", _latest(answers))


def _categories(listed: Lists) -> Iterator[Draft]:
    for category in listed.categories[:CATEGORIES]:
        watched = spoken(timedelta(seconds=category.seconds))
        yield _numbers(Claim.Part.INTEREST, f"They watched streams about {category.name} for {watched}.")


def _emotes(favourites: list[Favourite], sample: Sample) -> Iterator[Draft]:
    liked = [favourite for favourite in favourites if favourite.count >= OFTEN][:EMOTES]
    for place, favourite in enumerate(liked):
        used = [read for read in sample.messages if favourite.emote in read.emotes]
        often = counted(favourite.count, "time")
        name = _spoken(favourite)
        text = f"{name} is the emote they use most, {often} so far." if not place else f"They used {name} {often}."
        yield Draft(Claim.Part.INTEREST, text, _latest(used), is_counted=True, is_ours=True)


def _spoken(favourite: Favourite) -> str:
    """As `Emote.spoken`."""
    is_emoji = favourite.provider == Provider.EMOJI
    return favourite.name.strip(":").replace("_", " ").capitalize() if is_emoji else favourite.name


def _tone(sample: Sample) -> Iterator[Draft]:
    """The one thing about how they write that stands out most, or else how long it is."""
    read = sample.messages
    if len(read) < FEW_READ:
        return
    asking = [one for one in read if "?" in one.text]
    calling = [one for one in read if "!" in one.text]
    shouting = [one for one in read if _is_shouted(one.text)]
    words = round(sum(len(one.text.split()) for one in read) / len(read))
    kinds = [
        (shouting, 5, "is in capitals", "are in capitals"),
        (asking, 3, "asks something", "ask something"),
        (calling, 2, "has an exclamation mark", "have exclamation marks"),
    ]
    found, _, *verbs = max(kinds, key=lambda kind: len(kind[0]) * kind[1])
    length = f"The messages that were read have {counted(words, 'word')} on average"
    if not found:
        yield Draft(Claim.Part.TONE, f"{length}.", _latest(read))
        return
    yield Draft(Claim.Part.TONE, f"{length}, and {_share(len(found), len(read), *verbs)}.", _latest(found))


def _is_shouted(text: str) -> bool:
    letters = [char for char in text if char.isalpha() and char.lower() != char.upper()]
    return len(letters) >= FEW_READ and sum(char.isupper() for char in letters) > 0.7 * len(letters)


def _share(part: int, whole: int, one_does: str, many_do: str) -> str:
    """(3, 9, "asks", "ask") -> "about one in 3 asks"."""
    share = part / whole
    if share >= 0.9:
        return f"nearly all {many_do}"
    if share >= 0.6:
        return f"most {many_do}"
    return f"about half {many_do}" if share >= 0.4 else f"about one in {round(whole / part)} {one_does}"


def _latest(messages: list[Read]) -> list[Read]:
    return messages[-MOST_SOURCES:]
