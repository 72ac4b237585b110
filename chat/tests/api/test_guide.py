"""What the guide to the API shows works as it stands there."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from chat.tests.api.world import CHANNEL, make_world
from streams.api import keys
from streams.api.problems import CODES
from streams.models import ApiKey

GUIDE = (Path(settings.BASE_DIR) / "docs" / "api.md").read_text()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)


@pytest.fixture
def run(live_server, redis_client):
    """Run a program in the surroundings that the guide speaks of, and give what it prints."""
    world = make_world()
    key = ApiKey(channel=world.channel, name="guide", scopes=["read", "messages"])
    secret = keys.secret_for(key)
    key.save()
    around = {"HOST": live_server.url, "CHANNEL": CHANNEL, "KEY": secret, "PATH": "/usr/bin:/bin:/usr/local/bin"}

    def run(*command):
        done = subprocess.run(command, env=around, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.django_db(transaction=True)
def test_what_the_guide_asks_with_curl_is_answered(run):
    answers = [run("sh", "-c", block) for block in blocks("sh")]
    assert [answer[:13] for answer in answers] == ['{"results":[{'] * 3
    assert "good evening, bread people" in answers[-1]


@pytest.mark.django_db(transaction=True)
def test_the_program_of_the_guide_keeps_a_copy(run):
    (program,) = blocks("python")
    assert run(sys.executable, "-c", program) == "1 viewers\n1 viewers now\n"


def test_the_guide_has_every_code():
    told = set(re.findall(r"`([a-z_]+)`", GUIDE.partition("## Errors")[2].partition("## Keep")[0]))
    unused = {"not_allowed", "conflict", "gone", "unsupported_media_type"}
    assert set(CODES.values()) - unused <= told
