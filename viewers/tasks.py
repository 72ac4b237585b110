"""Jobs of viewers. The timetable is in `streamstats/celery.py`."""

from collections.abc import Sequence
from datetime import UTC, datetime

from streams import helix
from streams.grants import app_token
from streams.helix import HelixUser
from streams.jobs import job
from viewers import accounts, bots, login
from viewers.models import BotSource


@job(at_most_s=600)
def mark_bots() -> str:
    """Make the viewers marked by our list of known bots those who are on it."""
    return str(bots.mark(bots.known(), BotSource.LIST, are_all=True))


@job(at_most_s=280)
def ask_for_accounts() -> str:
    """Ask Twitch for the accounts of those who are new, or came to a stream."""
    token = app_token()

    def ask(ids: Sequence[str]) -> list[HelixUser]:
        return helix.ask(token, lambda api: api.users(ids=ids))

    return str(accounts.ask_for_accounts(ask, datetime.now(UTC)))


@job(at_most_s=600)
def forget_logins() -> str:
    """Delete what is left of logins: sessions that are over, beginnings, users who are nobody here."""
    return str(login.forget(datetime.now(UTC)))
