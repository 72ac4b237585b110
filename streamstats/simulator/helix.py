"""The simulated Twitch: helix."""

from collections.abc import Mapping

from aiohttp import web

from streamstats.simulator.facts import Facts
from streamstats.simulator.oauth import OAuthServer

FAULTS: dict[str, str] = {}


class HelixServer:
    """Answers what the product asks of it."""

    def __init__(self, facts: Facts, oauth: OAuthServer) -> None:
        self.facts = facts
        self.oauth = oauth

    def add_routes(self, app: web.Application) -> None:
        pass

    async def fault(self, name: str, options: Mapping[str, str | float]) -> None:
        raise ValueError(f"no fault is named {name!r}")
