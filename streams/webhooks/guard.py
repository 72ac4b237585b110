"""Which addresses may be sent to: those that anybody on the internet could reach anyway.

Whoever makes a webhook chooses where this server sends requests, and it stands in a network where others do not. So
every address is looked at three times: as it is written, with all that its name stands for, and last when a socket is
made for the one that is connected to. A name that stands for something else a moment later gains nothing by it.
"""

import asyncio
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from threading import Semaphore
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult
from django.conf import settings
from yarl import URL

HTTPS_PORT = 443
FIRST_FREE_PORT = 1024
LOOK_UP_S = 5.0
# Names are looked up in threads, which cannot be stopped: a name server that keeps silent holds one of them, and not
# the ones that everything else needs.
LOOKING_UP = 64

# What Python calls global differs from release to release, and includes more than servers, such as multicast.
NOT_OF_SERVERS = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # of providers
        "127.0.0.0/8",
        "168.63.129.16/32",  # what Azure tells its machines about themselves
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",  # multicast, reserved, broadcast
        "2001::/23",  # Teredo and other protocols
        "2001:db8::/32",
        "2002::/16",  # 6to4
        "3fff::/20",
    )
)
SERVERS_V6 = ip_network("2000::/3")
NAT64 = ip_network("64:ff9b::/96")

# The same of a name that nobody knows and of one that only our network does: else whoever enters names could ask our
# name server which machines there are, and where.
NOT_PUBLIC = "{host} is not known to everybody on the internet. See whether it is written right, and public."


class NotAllowed(OSError):
    """This address is not sent to; the message is a sentence that says why. An OSError, as of any failed connection."""


def check(url: str) -> URL:
    """The address as it is sent to. Raises NotAllowed where no webhook may have it, whatever its name stands for."""
    if not url.isprintable() or any(char.isspace() or char == "\\" for char in url):
        raise NotAllowed("An address has no blanks, backslashes or control characters.")
    try:
        parsed = URL(url)
        host, port = parsed.raw_host, parsed.port
    except ValueError:
        raise NotAllowed("This is not an address. Write one such as https://example.org/hook.") from None
    if parsed.scheme != "https" and not (settings.WEBHOOK_ALLOW_PRIVATE and parsed.scheme == "http"):
        raise NotAllowed("Only addresses that begin with https:// are sent to.")
    if not host or port is None:
        raise NotAllowed("This is not an address. Write one such as https://example.org/hook.")
    if parsed.raw_user is not None or parsed.raw_password is not None:
        raise NotAllowed("An address must not hold a name or a password. What is sent is signed instead.")
    if settings.WEBHOOK_ALLOW_PRIVATE:
        return parsed
    if port != HTTPS_PORT and port < FIRST_FREE_PORT:
        raise NotAllowed(f"Port {port} is not sent to. Take 443, or one above 1023.")
    if literal := _literal(host):
        if not is_public(literal):
            raise NotAllowed(f"{literal} is not an address that everybody on the internet could reach.")
    elif "." not in host.rstrip("."):
        raise NotAllowed(f"{host} is not a name that everybody on the internet knows.")
    return parsed


def check_now(url: str) -> None:
    """As `check`, and with all that its name stands for now. For forms: it takes up to LOOK_UP_S seconds.

    Each look holds up a thread that pages need, so there is one at a time in a process.
    """
    parsed = check(url)
    if not _looks.acquire(blocking=False):
        raise NotAllowed("Another address is being looked up just now. Try again in a minute.")
    try:
        asyncio.run(_look_at(parsed))
    finally:
        _looks.release()


async def _look_at(parsed: URL) -> None:
    try:
        async with asyncio.timeout(LOOK_UP_S):
            await PublicNames().resolve(parsed.raw_host or "", parsed.port or HTTPS_PORT)
    except TimeoutError:
        raise NotAllowed(f"Nobody said in time where {parsed.raw_host} is. Try again in a minute.") from None


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether a server anywhere on the internet may have it."""
    if isinstance(address, IPv6Address):
        if address in NAT64:  # on networks that have only IPv6, others are reached so
            return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
        if address not in SERVERS_V6:  # which also leaves out what stands for an IPv4 address in other ways
            return False
    return not any(address in network for network in NOT_OF_SERVERS if network.version == address.version)


class PublicNames(AbstractResolver):
    """Looks names up for aiohttp, and refuses one if any of its addresses is not public."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await asyncio.get_running_loop().run_in_executor(_look_ups(), look_up, host, port, family)
        addresses = [sockaddr[0] for _, _, _, _, sockaddr in found]
        if not addresses or not all(_may_be_sent_to(address) for address in addresses):
            raise NotAllowed(NOT_PUBLIC.format(host=host))
        return [
            ResolveResult(
                hostname=host,
                host=str(address),
                port=port,
                family=found_family,
                proto=0,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address, (found_family, *_) in zip(addresses, found, strict=True)
        ]

    async def close(self) -> None:
        """There is nothing to be closed: the threads are for every resolver."""


def look_up(host: str, port: int, family: int) -> Sequence[Any]:
    """What the name stands for, as `socket.getaddrinfo` says it."""
    try:
        return socket.getaddrinfo(host, port, socket.AddressFamily(family), socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError):
        raise NotAllowed(NOT_PUBLIC.format(host=host)) from None


def make_socket(addr_info: tuple[Any, ...]) -> socket.socket:
    """The socket for the very address that will be connected to: what was found before does not count here."""
    family, kind, proto, _, sockaddr = addr_info
    if not _may_be_sent_to(str(sockaddr[0])):
        raise NotAllowed(NOT_PUBLIC.format(host="The address"))
    return socket.socket(family, kind, proto)


def _may_be_sent_to(address: str) -> bool:
    literal = _literal(address)
    return settings.WEBHOOK_ALLOW_PRIVATE or (literal is not None and is_public(literal))


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


_looks = Semaphore(1)
_threads: list[ThreadPoolExecutor] = []


def _look_ups() -> ThreadPoolExecutor:
    """Made with the first look-up, so that a worker that is forked has its own."""
    if not _threads:
        _threads.append(ThreadPoolExecutor(LOOKING_UP, thread_name_prefix="look-up"))
    return _threads[0]
