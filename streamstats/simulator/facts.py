"""What the simulated Twitch would answer if asked: accounts, who is on air, who is in which chat."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Account:
    """Somebody at Twitch."""

    id: str
    login: str
    display_name: str
    created_at: datetime = LONG_AGO
    avatar_url: str = ""
    broadcaster_type: str = ""
    is_suspended: bool = False


@dataclass(frozen=True)
class OnAir:
    """A channel that is live."""

    id: str
    channel_id: str
    started_at: datetime
    title: str
    category_id: str
    category: str
    viewers: int
    language: str = "en"


class Facts(Protocol):
    """What the servers of the simulator ask."""

    def accounts(self) -> Iterable[Account]:
        """Those one may log in as."""
        ...

    def account(self, twitch_id: str) -> Account | None: ...

    def account_named(self, login: str) -> Account | None: ...

    def on_air(self, channel_id: str) -> OnAir | None: ...

    def chatters(self, channel_id: str) -> list[Account]:
        """Who is connected to a channel's chat now."""
        ...

    def moderators(self, channel_id: str) -> list[Account]: ...

    def vips(self, channel_id: str) -> list[Account]: ...

    def emotes(self, channel_id: str | None) -> list[dict[str, Any]]:
        """Twitch emotes of a channel, or of everywhere, as Helix has them."""
        ...

    def badges(self, channel_id: str | None) -> list[dict[str, Any]]:
        """Badge sets as Helix has them."""
        ...

    def cheermotes(self, channel_id: str | None) -> list[dict[str, Any]]:
        """Cheermotes as Helix has them."""
        ...


@dataclass
class StatedFacts:
    """Facts that are simply said: for tests."""

    people: list[Account] = field(default_factory=list)
    live: dict[str, OnAir] = field(default_factory=dict)
    present: dict[str, list[str]] = field(default_factory=dict)
    mods: dict[str, list[str]] = field(default_factory=dict)
    vip: dict[str, list[str]] = field(default_factory=dict)
    emote_lists: dict[str | None, list[dict[str, Any]]] = field(default_factory=dict)
    badge_lists: dict[str | None, list[dict[str, Any]]] = field(default_factory=dict)
    cheermote_lists: dict[str | None, list[dict[str, Any]]] = field(default_factory=dict)

    def accounts(self) -> list[Account]:
        return self.people

    def account(self, twitch_id: str) -> Account | None:
        return next((account for account in self.people if account.id == twitch_id), None)

    def account_named(self, login: str) -> Account | None:
        return next((account for account in self.people if account.login == login), None)

    def on_air(self, channel_id: str) -> OnAir | None:
        return self.live.get(channel_id)

    def chatters(self, channel_id: str) -> list[Account]:
        return self._people(self.present.get(channel_id, []))

    def moderators(self, channel_id: str) -> list[Account]:
        return self._people(self.mods.get(channel_id, []))

    def vips(self, channel_id: str) -> list[Account]:
        return self._people(self.vip.get(channel_id, []))

    def emotes(self, channel_id: str | None) -> list[dict[str, Any]]:
        return self.emote_lists.get(channel_id, [])

    def badges(self, channel_id: str | None) -> list[dict[str, Any]]:
        return self.badge_lists.get(channel_id, [])

    def cheermotes(self, channel_id: str | None) -> list[dict[str, Any]]:
        return self.cheermote_lists.get(channel_id, [])

    def _people(self, ids: Iterable[str]) -> list[Account]:
        known = {account.id: account for account in self.people}
        return [known[twitch_id] for twitch_id in ids if twitch_id in known]
