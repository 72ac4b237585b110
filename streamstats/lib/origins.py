"""Origins: of the addresses that pages may load from, and of those that forms may be sent from."""

from collections.abc import Iterable
from urllib.parse import urlsplit


def origins(*urls: str) -> list[str]:
    """Scheme, host and port of each address, every origin once."""
    parts = (urlsplit(url) for url in urls if url)
    return list(dict.fromkeys(f"{part.scheme}://{part.netloc}" for part in parts))


def secure_origins(hosts: Iterable[str]) -> list[str]:
    """Where our own forms come from behind a TLS proxy; `.example.org` is every host below it, `*` tells none."""
    return [f"https://{'*' if host.startswith('.') else ''}{host}" for host in hosts if host != "*"]
