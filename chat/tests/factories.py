"""Rows that the ingest finds in the database."""

from factory.declarations import LazyAttribute, SelfAttribute, SubFactory
from factory.django import DjangoModelFactory

from chat.models import Emote, EmoteSetEntry
from chat.tests.lines import number_of
from streams.models import Channel


class ChannelFactory(DjangoModelFactory[Channel]):
    class Meta:
        model = Channel

    login = "example"
    display_name = LazyAttribute(lambda channel: channel.login.capitalize())
    twitch_id = LazyAttribute(lambda channel: number_of(channel.login))


class EmoteFactory(DjangoModelFactory[Emote]):
    class Meta:
        model = Emote

    provider = "7tv"
    provider_id = LazyAttribute(lambda emote: f"id-{emote.name}")
    name = "Emote"
    image_url = LazyAttribute(lambda emote: f"https://cdn.example/{emote.provider_id}")


class EntryFactory(DjangoModelFactory[EmoteSetEntry]):
    """An emote that can be used everywhere, unless a channel is given."""

    class Meta:
        model = EmoteSetEntry

    name = "Emote"
    provider = "7tv"
    channel = None
    emote = SubFactory(EmoteFactory, name=SelfAttribute("..name"), provider=SelfAttribute("..provider"))
