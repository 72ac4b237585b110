"""What was told of who leaves is found without anybody having to wait for it, however much was told of others."""

import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from chat import copied, purge
from chat.tests.lines import DAY, privmsg
from chat.tests.plans import plans_after
from chat.tests.wholesite import EVENING, WholeSite
from streams.locks import LOCK_CHANNELS

LATELY = date(2026, 5, 2)
"""The person was last seen before it, all others of the channel later."""


@pytest.fixture
def site(transactional_db: None, redis_client: Redis, tmp_path: Path, settings: Any) -> WholeSite:
    settings.MEDIA_ROOT = tmp_path / "media"
    site = WholeSite()
    site.write(*(privmsg("later", user=user, at=EVENING + 2 * DAY) for user in ("alice", "bob", "carol")))
    return site


def purge_person(site: WholeSite) -> None:
    made = purge.ask(site.example, None, not_seen_since=LATELY)
    purge.carry_out(made.pk)
    purge.confirm(made, None, "example", datetime.now(UTC))
    assert purge.carry_out(made.pk) == "1 viewers purged"


def looks_up(plan: str, *columns: str) -> bool:
    """Whether the index finds rows by these columns."""
    return any(all(re.search(rf"\b{name}\b", found) for name in columns) for found in re.findall("Index Cond.*", plan))


def test_what_the_log_said_of_messages_before_is_looked_for_in_their_channel_alone(site):
    with plans_after(LOCK_CHANNELS, "streams_change") as plans:
        purge_person(site)
    earlier = [plan for plan in plans if plan.startswith(copied.TAKE_EARLIER)]
    assert earlier
    assert all(looks_up(plan, "channel_id", "resource") for plan in earlier), earlier
