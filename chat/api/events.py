"""What happened in chat beside messages: events, redemptions, and for some keys what moderators did."""

from typing import Any, ClassVar

from django.db.models import Case, CharField, Exists, F, OuterRef, Q, QuerySet, Value, When
from django_filters import CharFilter, ChoiceFilter
from rest_framework import serializers

from chat.models import ChatEvent, ModerationEvent, Redemption
from streams.api.resources import Filters, OfTable, Order, Row, between
from streams.models import Channel, Scope
from viewers import gone
from viewers.api import LONGEST_ID, VIEWER, WithIds
from viewers.models import Viewer
from viewers.visibility import people_in, shown_in

TOLD = {
    "sub": "a first subscription",
    "resub": "a subscription that goes on",
    "subgift": "a subscription for somebody else",
    "submysterygift": "subscriptions for anybody",
    "giftpaidupgrade": "a gift that goes on, paid for",
    "anongiftpaidupgrade": "a gift of somebody unknown that goes on, paid for",
    "primepaidupgrade": "a free subscription that goes on, paid for",
    "communitypayforward": "a gift passed on to anybody",
    "standardpayforward": "a gift passed on to somebody",
    "raid": "a raid that came",
    "raid_out": "a raid that left",
    "cheer": "bits with a message",
    "power_up": "bits for a message that is shown otherwise",
    "bits": "bits for something else",
    "bitsbadgetier": "a badge for bits",
    "viewermilestone": "streams in a row, shared by the viewer",
    "announcement": "an announcement",
    "charitydonation": "a donation",
    "hype_train": "a hype train that ended",
    "poll": "a poll that ended",
    "prediction": "a prediction that ended",
    "shared_chat_begin": "chat shared with other channels",
    "shared_chat_update": "shared with others than before",
    "shared_chat_end": "no longer shared",
}
"""The kinds that everybody in chat was told of. Who followed, or let a subscription end, is nobody else's business."""


TRACES = (
    *gone.COUNTED,
    gone.Trace(ChatEvent.objects.all(), "occurred_at"),
    gone.Trace(Redemption.objects.all(), "redeemed_at"),
)
"""What tells of viewers in a channel: who raids it, or spends points, may never be counted in it."""


class EventSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    kind = serializers.ChoiceField(list(TOLD.items()))
    occurred_at = serializers.DateTimeField()
    viewer = serializers.CharField(allow_null=True, help_text="Who did it; null for nobody, and for who is not known.")
    recipient = serializers.CharField(allow_null=True, help_text="Who was given it, or which channel was raided.")
    amount = serializers.IntegerField(help_text="Months, gifts, raiders, bits or points, as the kind has it.")


@between("occurred_at")
class EventFilters(Filters):
    kind = ChoiceFilter(field_name="kind", choices=list(TOLD.items()))
    viewer = CharFilter(field_name="viewer", max_length=LONGEST_ID, help_text=VIEWER)


class Events(WithIds):
    name = "events"
    about = "Subscriptions, gifts, raids and more, each once, the newest first. Nobody's words are in it."
    serializer = EventSerializer
    filters = EventFilters
    slow_filters = frozenset({"kind"})
    order = (Order("occurred_at", falls=True), Order("id"))
    traces = TRACES
    columns: ClassVar[dict[str, Any]] = {
        "id": "id",
        "kind": "kind",
        "occurred_at": "occurred_at",
        "viewer": "viewer_id",
        "recipient": "named_recipient",
        "amount": "amount",
    }
    example: ClassVar[Row] = {
        "id": "e1",
        "kind": "resub",
        "occurred_at": "2026-05-01T12:30:00Z",
        "viewer": "1001",
        "recipient": None,
        "amount": 9,
    }

    def rows(self, channel: Channel) -> QuerySet[ChatEvent]:
        """Events of this channel; whoever only received something is named if they may be."""
        somebody = Viewer.objects.filter(pk=OuterRef("recipient_id"))
        may_be_named = Q(Exists(somebody.filter(shown_in(channel, "pk"))))
        if channel.is_open:  # who was never seen here decided nothing
            may_be_named |= ~Q(Exists(somebody))
        named = Case(
            When(may_be_named & ~Q(recipient_id=""), then=F("recipient_id")),
            default=Value(None),
            output_field=CharField(null=True),
        )
        return ChatEvent.objects.filter(channel=channel).annotate(named_recipient=named)

    def shown(self, channel: Channel) -> Q:
        """Those that chat was told of here: what only EventSub tells of a subscription, its viewer did not share."""
        unshared = Q(kind="sub") & ~Q(told_by="")
        public = Q(same_as="", source_channel_id="", kind__in=TOLD) & ~unshared
        return public & self.may_be_told(channel)

    def may_be_told(self, channel: Channel) -> Q:
        return Q(viewer=None) | Q(people_in(channel))


class RedemptionSerializer(serializers.Serializer[Any]):
    id = serializers.CharField(help_text="Twitch's id of it.")
    viewer = serializers.CharField(help_text=VIEWER)
    reward = serializers.CharField(help_text="Twitch's id of the reward; of Twitch's own: its type.")
    reward_title = serializers.CharField()
    cost = serializers.IntegerField(help_text="Points at the time.")
    status = serializers.ChoiceField(Redemption.Status.choices)
    redeemed_at = serializers.DateTimeField()


@between("redeemed_at")
class RedemptionFilters(Filters):
    viewer = CharFilter(field_name="viewer", max_length=LONGEST_ID, help_text=VIEWER)
    reward = CharFilter(field_name="reward__twitch_id", max_length=96, help_text="Twitch's id of the reward.")
    status = ChoiceFilter(field_name="status", choices=Redemption.Status.choices)


class Redemptions(WithIds):
    name = "redemptions"
    about = "Channel points that viewers spent, the newest first. Points count unless it was canceled."
    serializer = RedemptionSerializer
    filters = RedemptionFilters
    slow_filters = frozenset({"reward", "status"})
    order = (Order("redeemed_at", falls=True), Order("id"))
    traces = TRACES
    columns: ClassVar[dict[str, Any]] = {
        "id": "id",
        "viewer": "viewer_id",
        "reward": "reward__twitch_id",
        "reward_title": "reward__title",
        "cost": "cost",
        "status": "status",
        "redeemed_at": "redeemed_at",
    }
    example: ClassVar[Row] = {
        "id": "r1",
        "viewer": "1001",
        "reward": "hydrate",
        "reward_title": "Hydrate",
        "cost": 500,
        "status": "fulfilled",
        "redeemed_at": "2026-05-01T12:10:00Z",
    }

    def rows(self, channel: Channel) -> QuerySet[Redemption]:
        return Redemption.objects.filter(channel=channel)

    def shown(self, channel: Channel) -> Q:
        return people_in(channel)


class DeedSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    kind = serializers.CharField(help_text=", ".join(ModerationEvent.Kind.values) + ", or another of EventSub's.")
    occurred_at = serializers.DateTimeField()
    target = serializers.CharField(allow_blank=True, help_text="Twitch's id of the viewer; empty for a cleared chat.")
    target_login = serializers.CharField(allow_blank=True)
    message = serializers.CharField(allow_blank=True, help_text="Id of the message that was deleted.")
    duration_seconds = serializers.IntegerField(allow_null=True)
    moderator = serializers.CharField(allow_blank=True, help_text="Twitch's id; empty where Twitch did not tell.")
    reason = serializers.CharField(allow_blank=True)


@between("occurred_at")
class DeedFilters(Filters):
    kind = ChoiceFilter(field_name="kind", choices=ModerationEvent.Kind.choices)


class Deeds(OfTable):
    name = "moderation"
    about = "What moderators did, each deed once, newest first. For keys of the channel with the scope `moderation`."
    serializer = DeedSerializer
    scope = Scope.MODERATION
    filters = DeedFilters
    named_by: ClassVar[dict[str, str]] = {"pk": "bigint"}
    slow_filters = frozenset({"kind"})
    order = (Order("occurred_at", falls=True), Order("id"))
    columns: ClassVar[dict[str, Any]] = {
        "id": "id",
        "kind": "kind",
        "occurred_at": "occurred_at",
        "target": "target_id",
        "target_login": "target_login",
        "message": "message_id",
        "duration_seconds": "duration_seconds",
        "moderator": "moderator_id",
        "reason": "reason",
    }
    example: ClassVar[Row] = {
        "id": 1,
        "kind": "timeout",
        "occurred_at": "2026-05-01T12:40:00Z",
        "target": "1001",
        "target_login": "wren",
        "message": "",
        "duration_seconds": 600,
        "moderator": "1002",
        "reason": "Shouting.",
    }

    def rows(self, channel: Channel) -> QuerySet[ModerationEvent]:
        return ModerationEvent.objects.filter(channel=channel)

    def shown(self, channel: Channel) -> Q:
        return Q(same_as=None)
