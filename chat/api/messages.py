"""Messages, word for word: for keys of the channel with that scope."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django_filters import CharFilter
from rest_framework import serializers

from chat import search
from chat.models import Message
from streams.api.fields import known_ids
from streams.api.problems import invalid
from streams.api.resources import Filters, Order, Page, Place, Row, Synced, between, flag, moment
from streams.models import Channel, Scope, Stream
from viewers.api import LONGEST_ID, VIEWER


class MessageSerializer(serializers.Serializer[Any]):
    id = serializers.CharField(help_text="Twitch's id of it.")
    sent_at = serializers.DateTimeField(help_text="When Twitch received it.")
    viewer = serializers.CharField(help_text=VIEWER)
    text = serializers.CharField(allow_blank=True)
    is_action = serializers.BooleanField(help_text="Written with /me.")
    is_first = serializers.BooleanField(help_text="The viewer's first message in this channel.")
    is_returning = serializers.BooleanField(help_text="As Twitch marks it.")
    bits = serializers.IntegerField()
    badges = serializers.CharField(allow_blank=True, help_text="set/version, separated by commas.")
    notice = serializers.CharField(allow_blank=True, help_text="How it was sent, such as `highlighted-message`.")
    reward = serializers.CharField(allow_blank=True, help_text="Twitch's id of the reward it was written for.")
    reply_to = serializers.CharField(allow_blank=True, help_text="Id of the message that it answers.")
    thread = serializers.CharField(allow_blank=True, help_text="Id of the message that the thread began with.")
    source_channel = serializers.CharField(
        allow_blank=True, help_text="Twitch's id of the channel it was written in, of a copy from a shared chat."
    )
    emotes = serializers.ListField(child=serializers.IntegerField(), help_text="Our ids, one per use, in order.")
    removed_at = serializers.DateTimeField(allow_null=True, help_text="When a moderator removed it.")


@between("sent_at")
class MessageFilters(Filters):
    q = CharFilter(
        max_length=search.LONGEST_WORDS, help_text='Words, as in a web search: "a phrase", this or that, -without.'
    )
    viewer = CharFilter(field_name="viewer", max_length=LONGEST_ID, help_text=VIEWER)
    stream = CharFilter(field_name="stream", max_length=LONGEST_ID, help_text="Id of a stream.")
    removed = flag(about="Only what a moderator removed, or what none did.")


class Messages(Synced):
    name = "messages"
    about = (
        "Messages, the newest first, those that moderators removed too. For keys of the channel with the scope "
        "`messages`. Looking for rare words may take several pages, of which some are empty."
    )
    serializer = MessageSerializer
    scope = Scope.MESSAGES
    filters = MessageFilters
    order = (Order("sent_at", falls=True), Order("id", falls=True))
    example: ClassVar[Row] = {
        "id": "m1",
        "sent_at": "2026-05-01T12:20:00Z",
        "viewer": "1001",
        "text": "good evening, bread people",
        "is_action": False,
        "is_first": False,
        "is_returning": False,
        "bits": 0,
        "badges": "subscriber/6",
        "notice": "",
        "reward": "",
        "reply_to": "",
        "thread": "",
        "source_channel": "",
        "emotes": [],
        "removed_at": None,
    }

    def page(self, channel: Channel, asked: Filters, after: Place | None, most: int) -> Page:
        found = search.find(channel.pk, _query(channel, asked), search.Place(*after) if after else None, most)
        return Page([_written(message) for message in found.rows], tuple(found.after) if found.after else None)

    def find(self, channel: Channel, keys: Sequence[str], asked: Filters | None = None) -> list[Row]:
        """By their ids alone, in every month: for what changed. Words are not looked for in so few."""
        somebodys = Message.objects.filter(channel=channel, pk__in=known_ids(keys)).exclude(viewer="")
        rows = {message.pk: message for message in somebodys}
        told = [rows[key] for key in keys if key in rows]
        if asked:
            told = [message for message in told if _is_asked(_query(channel, asked), message)]
        return [_written(message) for message in told]

    def check_sync(self, asked: Filters) -> None:
        if asked.form.cleaned_data["q"]:
            raise invalid({"q": ["Words are looked for in the whole list, and not with `since`."]})


def _is_asked(query: search.Query, message: Message) -> bool:
    since, until = query.span
    return (
        (query.author_ids is None or message.viewer_id in query.author_ids)
        and since <= message.sent_at < until
        and query.removed in (None, message.removed_at is not None)
    )


def _query(channel: Channel, asked: Filters) -> search.Query:
    given = asked.form.cleaned_data
    stream = None
    if given["stream"]:
        stream = Stream.objects.filter(channel=channel, pk=given["stream"]).first()
        if stream is None:
            raise invalid({"stream": ["This channel has no stream with this id."]})
    return search.Query(
        words=given["q"] or "",
        author_ids=[given["viewer"]] if given["viewer"] else None,
        since=given["from"],
        until=given["to"],
        stream=stream,
        removed=given["removed"],
    )


def _written(message: Message) -> Row:
    return {
        "id": message.pk,
        "sent_at": moment(message.sent_at),
        "viewer": message.viewer_id,
        "text": message.text,
        "is_action": message.is_action,
        "is_first": message.is_first,
        "is_returning": message.is_returning,
        "bits": message.bits,
        "badges": message.badges,
        "notice": message.notice,
        "reward": message.reward_id,
        "reply_to": message.reply_to_id,
        "thread": message.thread_id,
        "source_channel": message.source_channel_id,
        "emotes": message.emotes,
        "removed_at": moment(message.removed_at),
    }
