"""Where a request comes from, as far as its sender cannot choose it."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest

NEAR = 64
"""Bits of an IPv6 address that name one connection to the Internet; the rest its owner chooses."""


def visitor_of(request: HttpRequest) -> str:
    """The address; empty where that may be many people: a proxy, or a network of one's own.

    Of what a proxy writes down only the last address is its own word.
    """
    address = address_of(request)
    if address is None or not address.is_global:
        return ""
    return str(ip_network((address, NEAR), strict=False)) if isinstance(address, IPv6Address) else str(address)


def address_of(request: HttpRequest) -> IPv4Address | IPv6Address | None:
    """The address itself, one of a network of one's own too; None where there is none."""
    told = request.META.get("REMOTE_ADDR", "")
    if settings.TRUST_PROXY:
        told = request.headers.get("X-Forwarded-For", told).rpartition(",")[2].strip()
    return _address(told)


def _address(told: str) -> IPv4Address | IPv6Address | None:
    """The address in it, without the port that some proxies add; None where there is none, as of a socket file."""
    bracketed, _, _ = told.removeprefix("[").partition("]")
    host = told.partition(":")[0] if told.count(":") == 1 else bracketed
    try:
        address = ip_address(host)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped:  # how a server that listens on both is told of the one
        return address.ipv4_mapped
    return address
