"""A simulated Twitch with a few accounts, and grants of theirs."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from streams import scopes
from streams.models import TwitchGrant
from streams.oauth import Tokens
from streamstats.simulator.facts import Account, StatedFacts
from streamstats.simulator.oauth import issue
from streamstats.simulator.tests.threaded import simulated_twitch

OWNER = Account("11", "lantern", "Lantern")
BOT = Account("12", "lanternbot", "LanternBot")
STRANGER = Account("13", "stranger", "Stranger")


@pytest.fixture
def twitch():
    with simulated_twitch(StatedFacts([OWNER, BOT, STRANGER])) as running:
        yield running


def tokens(account: Account = OWNER, wanted: Any = None, **options: Any) -> Tokens:
    """What a consent of this account is worth; everything that a channel is asked for, unless told otherwise."""
    issued = issue(account.id, scopes.for_channel() if wanted is None else wanted, **options)
    return Tokens(issued.access_token, issued.refresh_token, issued.expires_in, issued.scopes)


def make_grant(account: Account = OWNER, *, given: Tokens | None = None, **fields: Any) -> TwitchGrant:
    given = given or tokens(account)
    now = datetime.now(UTC)
    return TwitchGrant.objects.create(
        **{
            "twitch_id": account.id,
            "login": account.login,
            "access_token": given.access_token,
            "refresh_token": given.refresh_token,
            "scopes": list(given.scopes),
            "expires_at": now + timedelta(seconds=given.expires_in),
            "granted_at": now,
            **fields,
        }
    )
