"""Origins of addresses, for the Content-Security-Policy."""

from urllib.parse import urlsplit


def origins(*urls: str) -> list[str]:
    """Scheme, host and port of each address, every origin once."""
    parts = (urlsplit(url) for url in urls if url)
    return list(dict.fromkeys(f"{part.scheme}://{part.netloc}" for part in parts))
