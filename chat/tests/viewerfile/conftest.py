"""One channel with a viewer, and two who moderate it."""

from typing import Any

import pytest
from django.contrib.auth.models import User

from chat.tests.viewerfile.people import make_moderator
from chat.viewerfile.deeds import File
from streams.models import Channel
from streams.tests.cast import make_channel
from viewers.models import Viewer
from viewers.tests.cast import make_viewer


@pytest.fixture
def channel(db: Any) -> Channel:
    return make_channel("lantern")


@pytest.fixture
def elsewhere(db: Any) -> Channel:
    return make_channel("kitchen")


@pytest.fixture
def ann(channel: Channel) -> Viewer:
    return make_viewer(channel, "ann", formerly="damp")


@pytest.fixture
def bob(channel: Channel) -> Viewer:
    return make_viewer(channel, "bob")


@pytest.fixture
def file(channel: Channel, ann: Viewer) -> File:
    return File(channel, ann)


@pytest.fixture
def mod(channel: Channel) -> User:
    return make_moderator("mod", channel)


@pytest.fixture
def other(channel: Channel) -> User:
    return make_moderator("other", channel)
