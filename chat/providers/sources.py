"""Which address a set is read from, and which module reads it."""

import re
from dataclasses import dataclass

from chat.providers import BTTV, FFZ, PROVIDERS, SEVENTV, ParsedSet, bttv, ffz, mapping, seventv

_GLOBAL_PATHS = {SEVENTV: seventv.global_path, BTTV: bttv.global_path, FFZ: ffz.global_path}
_CHANNEL_PATHS = {SEVENTV: seventv.channel_path, BTTV: bttv.channel_path, FFZ: ffz.channel_path}


@dataclass(frozen=True)
class Sources:
    """Addresses of the providers, as the settings have them."""

    seventv_url: str
    seventv_events_url: str
    bttv_url: str
    bttv_ws_url: str
    bttv_cdn_url: str
    ffz_url: str

    def url(self, provider: str, twitch_id: str | None) -> str:
        """Return the address of a channel's set, or of the one for everybody."""
        return self._base(provider) + path(provider, twitch_id)

    def seventv_set_url(self, set_id: str) -> str:
        return self._base(SEVENTV) + seventv.set_path(set_id)

    def parse(self, provider: str, twitch_id: str | None, body: object) -> ParsedSet | None:
        """Read a body, None if it is none that the provider would send."""
        if provider == SEVENTV:
            return seventv.parse_set(body) if twitch_id is None else seventv.parse_channel(body)
        if provider == BTTV:
            parse = bttv.parse_global if twitch_id is None else bttv.parse_channel
            return parse(body, self.bttv_cdn_url)
        return ffz.parse_global(body) if twitch_id is None else ffz.parse_channel(body)

    def _base(self, provider: str) -> str:
        return {SEVENTV: self.seventv_url, BTTV: self.bttv_url, FFZ: self.ffz_url}[provider].rstrip("/")


def path(provider: str, twitch_id: str | None) -> str:
    return _GLOBAL_PATHS[provider]() if twitch_id is None else _CHANNEL_PATHS[provider](twitch_id)


def twitch_id_of(provider: str, of_path: str) -> str | None:
    """Tell whose set a path leads to, None for the one for everybody. Raises ValueError for a path never asked."""
    if provider not in PROVIDERS:
        raise ValueError(f"no provider {provider!r}")
    prefix = path(provider, "")
    if of_path == path(provider, None):
        return None
    if of_path.startswith(prefix) and of_path.removeprefix(prefix).isdigit():
        return of_path.removeprefix(prefix)
    raise ValueError(f"{provider} has no set at {of_path!r}")


def login_in(provider: str, body: object) -> str:
    """Return the login of the channel a body is about, as far as the provider tells it."""
    login = mapping(body).get("username") if provider == SEVENTV else mapping(mapping(body).get("room")).get("id")
    return login.lower() if isinstance(login, str) and re.fullmatch(r"\w{1,25}", login, re.ASCII) else ""
