"""The simulated Twitch: oauth."""

from collections.abc import Mapping

from aiohttp import web

from streamstats.simulator.facts import Facts

FAULTS: dict[str, str] = {}


class OAuthServer:
    """Answers what the product asks of it."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts

    def add_routes(self, app: web.Application) -> None:
        pass

    async def fault(self, name: str, options: Mapping[str, str | float]) -> None:
        raise ValueError(f"no fault is named {name!r}")
