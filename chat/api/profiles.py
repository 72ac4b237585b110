"""Pages of viewers in words, what they earned, and who is ahead: as the API tells of them."""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from django.db.models import CharField, Q, QuerySet, Value
from django.db.models.functions import Cast, Concat
from django.utils import timezone
from django_filters import CharFilter, ChoiceFilter
from rest_framework import serializers

from chat.achievements import ACHIEVEMENTS
from chat.boards import MEASURES, Board, Mark
from chat.summaries import page as summaries
from streams.api.fields import are_numbers, known_ids
from streams.api.problems import invalid
from streams.api.resources import Filters, OfTable, Order, Page, Place, Row, moment
from streams.models import Channel
from streams.rowvalues import are_given
from streams.statement import GivenChannel, Statement
from streamstats.lib import periods
from streamstats.lib.periods import ALL_TIME, Period
from viewers.api import LONGEST_ID, VIEWER, OfViewers
from viewers.models import Award, Claim, Profile, Standing, Summary, WikiRevision
from viewers.visibility import people_in, shown_in


class TextSerializer(serializers.Serializer[Any]):
    markdown = serializers.CharField()
    version = serializers.IntegerField()
    written_at = serializers.DateTimeField()
    written_as = serializers.ChoiceField(WikiRevision.Role.choices)


class ClaimSerializer(serializers.Serializer[Any]):
    part = serializers.ChoiceField(Claim.Part.choices)
    text = serializers.CharField()


class SummarySerializer(serializers.Serializer[Any]):
    version = serializers.IntegerField()
    made_at = serializers.DateTimeField(allow_null=True)
    made_by = serializers.ChoiceField(Summary.Source.choices, help_text="`digest`: computed, without a language model.")
    claims = ClaimSerializer(many=True)


class ProfileSerializer(serializers.Serializer[Any]):
    viewer = serializers.CharField(help_text=VIEWER)
    text = TextSerializer(allow_null=True, help_text="What the viewer or a moderator wrote about them.")
    summary = SummarySerializer(allow_null=True, help_text="Of viewers who agreed to one.")


class Profiles(OfViewers):
    name = "profiles"
    about = "The pages of viewers that have words: a text, a summary, or both, as the page shows them."
    serializer = ProfileSerializer
    order = (Order("viewer_id"),)
    has_bots = True
    id_field = "viewer"
    example: ClassVar[Row] = {
        "viewer": "1001",
        "text": {
            "markdown": "Bakes *rye*.",
            "version": 1,
            "written_at": "2026-05-01T12:00:00Z",
            "written_as": "viewer",
        },
        "summary": {
            "version": 1,
            "made_at": "2026-05-01T13:00:00Z",
            "made_by": "digest",
            "claims": [{"part": "portrait", "text": "Asks a lot about bread."}],
        },
    }

    def page(self, channel: Channel, asked: Filters, after: Place | None, most: int) -> Page:
        """Texts and summaries lie in two indexes, so they are two questions, and their answers are one list."""
        found: set[str] = set()
        for rows in _sources(channel):
            later = rows.filter(viewer__gt=after[0]) if after else rows
            found |= set(later.order_by("viewer").values_list("viewer", flat=True).distinct()[: most + 1])
        keys = sorted(found)
        following = (keys[most - 1],) if len(keys) > most else None
        return Page(self.find(channel, keys[:most]), following)

    def find(self, channel: Channel, keys: Sequence[str], asked: Filters | None = None) -> list[Row]:
        given = {"channel": channel.pk, "viewer": known_ids(keys)}
        written = {row.viewer_id: row for row in TEXTS.ask(channel.is_open, **given)}
        newest = NEWEST.ask(channel.is_open, **given)
        said = {each.summary.viewer_id: each for each in summaries.of_all(channel, newest)} if newest else {}
        return [
            {"viewer": key, "text": _text(written.get(key)), "summary": _summary(said.get(key))}
            for key in keys
            if key in written or key in said
        ]


def _sources(channel: Channel) -> tuple[QuerySet[Profile], QuerySet[Summary]]:
    """Pages with a text, and versions of summaries, of those who are shown."""
    texts = Profile.objects.filter(shown_in(channel), channel=channel, current__isnull=False)
    shown = Summary.objects.shown().filter(shown_in(channel), channel=channel, viewer__isnull=False)
    return texts, shown


def _texts(is_open: bool) -> QuerySet[Profile]:
    channel: Any = GivenChannel(is_open)
    return _sources(channel)[0].filter(are_given({"viewer": "text"})).select_related("current")


def _newest(is_open: bool) -> QuerySet[Summary]:
    channel: Any = GivenChannel(is_open)
    shown = _sources(channel)[1].filter(are_given({"viewer": "text"}))
    return shown.order_by("viewer", "-number").distinct("viewer")


TEXTS, NEWEST = Statement(_texts), Statement(_newest)


def _text(profile: Profile | None) -> Row | None:
    current = profile.current if profile else None
    if current is None:
        return None
    return {
        "markdown": current.text,
        "version": current.number,
        "written_at": moment(current.made_at),
        "written_as": current.role,
    }


def _summary(shown: summaries.Shown | None) -> Row | None:
    if shown is None:
        return None
    claims = [{"part": claim.part, "text": claim.text} for section in shown.sections for claim in section.claims]
    return {
        "version": shown.summary.number,
        "made_at": moment(shown.summary.made_at),
        "made_by": shown.summary.made_by or Summary.Source.DIGEST,
        "claims": claims,
    }


class AwardSerializer(serializers.Serializer[Any]):
    id = serializers.CharField(help_text="Viewer, achievement and level.")
    viewer = serializers.CharField(help_text=VIEWER)
    achievement = serializers.CharField(help_text="What it is called here, such as `messages`.")
    level = serializers.IntegerField(help_text="The first is 1.")
    earned_at = serializers.DateTimeField()
    value = serializers.IntegerField(help_text="What was reached, in the achievement's unit.")
    stream = serializers.CharField(allow_null=True, help_text="In which stream, where it was in one.")


class AwardFilters(Filters):
    viewer = CharFilter(field_name="viewer", max_length=LONGEST_ID, help_text=VIEWER)
    achievement = ChoiceFilter(field_name="achievement", choices=[(each.key, each.name) for each in ACHIEVEMENTS])


class Awards(OfViewers, OfTable):
    name = "awards"
    about = "Achievements that viewers earned, level by level, each with when it was."
    serializer = AwardSerializer
    filters = AwardFilters
    named_by: ClassVar[dict[str, str]] = {"viewer_id": "text", "achievement": "text", "level": "int"}
    slow_filters = frozenset({"achievement"})
    order = (Order("viewer_id"), Order("achievement"), Order("level"))
    columns: ClassVar[dict[str, Any]] = {
        "id": Concat(
            "viewer_id", Value(":"), "achievement", Value(":"), Cast("level", CharField()), output_field=CharField()
        ),
        "viewer": "viewer_id",
        "achievement": "achievement",
        "level": "level",
        "earned_at": "earned_at",
        "value": "value",
        "stream": "stream_id",
    }
    example: ClassVar[Row] = {
        "id": "1001:days:1",
        "viewer": "1001",
        "achievement": "days",
        "level": 1,
        "earned_at": "2026-05-01T00:00:00Z",
        "value": 10,
        "stream": None,
    }

    def rows(self, channel: Channel) -> QuerySet[Award]:
        return Award.objects.filter(channel=channel)

    def shown(self, channel: Channel) -> Q:
        return people_in(channel)

    def named(self, keys: Iterable[str]) -> list[tuple[Any, ...]]:
        wanted: list[tuple[Any, ...]] = []
        for key in known_ids(keys):
            viewer, achievement, level = (*key.split(":"), "", "")[:3]
            wanted += [(viewer, achievement, number) for number in are_numbers([level], 4)]
        return wanted

    def orders(self, asked: dict[str, Any]) -> tuple[Order, ...]:
        return self.order[1:] if "viewer" in asked else self.order


class LineSerializer(serializers.Serializer[Any]):
    place = serializers.IntegerField(
        allow_null=True, help_text="Who has as much shares it. Null in changes: places follow from what all have."
    )
    viewer = serializers.CharField(help_text=VIEWER)
    value = serializers.IntegerField(help_text="Seconds, messages, emotes, streams or points.")


class BoardFilters(Filters):
    by = ChoiceFilter(choices=[(by, by) for by in MEASURES], help_text="What is ranked. Without it: `watched`.")
    period = CharFilter(
        max_length=8,
        help_text="all, year, month, week, or such as 2026, 2026-11 or 2026-W47. Without it: all.",
    )


class Leaderboards(OfViewers):
    name = "leaderboards"
    log_name = "viewers"
    about = "Who did most of something in a period, as of the last five minutes. Bots have no place."
    serializer = LineSerializer
    filters = BoardFilters
    order = (Order("place"),)
    id_field = "viewer"
    example: ClassVar[Row] = {"place": 1, "viewer": "1001", "value": 72000}

    def orders(self, asked: dict[str, Any]) -> tuple[Order, ...]:
        """A place on one board is none on another."""
        return (*self.order, Order(asked.get("by", "watched")), Order(asked.get("period", periods.ALL)))

    def page(self, channel: Channel, asked: Filters, after: Place | None, most: int) -> Page:
        by, period = _board(asked)
        page = Board.of(channel, by, period).page(Mark.read(after[0]) if after else None, most)
        rows = [{"place": line.place, "viewer": line.viewer.pk, "value": line.value} for line in page.lines]
        return Page(rows, (str(page.following),) if page.following else None)

    def find(self, channel: Channel, keys: Sequence[str], asked: Filters | None = None) -> list[Row]:
        by, period = _board(asked) if asked else ("watched", ALL_TIME)
        measure = MEASURES[by]
        ranked = Standing.objects.filter(people_in(channel), channel=channel, period=period.key, viewer__in=keys)
        values = dict(ranked.filter(**{f"{measure}__gt": 0}).values_list("viewer", measure))
        return [{"place": None, "viewer": key, "value": values[key]} for key in keys if key in values]


def _board(asked: Filters) -> tuple[str, Period]:
    given = asked.form.cleaned_data
    try:
        return given["by"] or "watched", periods.read(given["period"] or periods.ALL, timezone.now().date())
    except ValueError as error:
        raise invalid({"period": ["Take all, year, month, week, or such as 2026, 2026-11 or 2026-W47."]}) from error
