"""The sets that belong to a real capture, which is not ours to ship."""

import json

import pytest
from django.conf import settings

from chat.emotesets import apply_file, load_entries, read_bodies
from chat.ingest.emotes import EmoteIndex
from streams.models import Channel

DATA = settings.BASE_DIR.parent / "shared" / "data"
pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"the capture is not here: {DATA} does not exist"),
]


def test_every_name_means_the_emote_that_the_capture_says():
    apply_file(read_bodies(json.loads((DATA / "chat-5000.providers.json").read_text())))
    index = EmoteIndex()
    index.load(None, load_entries(None))
    index.load("1001", load_entries(Channel.objects.get(twitch_id="1001").pk))
    expected = json.loads((DATA / "chat-5000.thirdparty.json").read_text())
    by_name = {name: (provider, id_, name) for provider, names in expected.items() for name, id_ in names.items()}
    assert dict(index.names("1001", sent_ms=0)) == by_name
