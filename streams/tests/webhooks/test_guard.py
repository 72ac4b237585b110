"""Requests go where anybody on the internet could send them, and nowhere else."""

import asyncio
import socket
from ipaddress import ip_address

import pytest
from yarl import URL

from streams.webhooks import guard, sending
from streams.webhooks.guard import NotAllowed, check, check_now, is_public

OF_SERVERS = """
1.1.1.1 8.8.8.8 93.184.215.14 100.63.255.255 100.128.0.1 172.15.0.1 172.32.0.1 192.167.1.1 223.255.255.255
2606:4700:4700::1111 2a00:1450:4001::1 64:ff9b::808:808
"""
OF_OTHERS = """
0.0.0.0 0.1.2.3 127.0.0.1 127.255.255.254 :: ::1
10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 100.64.0.1 100.127.255.255 169.254.169.254
fc00::1 fd00:ec2::254 fe80::1 fec0::1 168.63.129.16 100.100.100.200 192.0.0.192
::ffff:127.0.0.1 ::ffff:8.8.8.8 ::ffff:0:127.0.0.1 ::127.0.0.1 ::8.8.8.8 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe
64:ff9b:1::7f00:1 2002:7f00:1::1 2002:808:808::1 2001::1
224.0.0.1 239.255.255.255 ff02::1 ff0e::1 192.0.2.1 198.51.100.1 203.0.113.1 2001:db8::1 3fff::1 198.18.0.1
192.88.99.1 240.0.0.1 255.255.255.255 100::1 5f00::1 4000::1
"""


def test_every_address_of_no_public_server_is_refused():
    assert [text for text in OF_OTHERS.split() if is_public(ip_address(text))] == []


def test_addresses_of_public_servers_are_not():
    assert [text for text in OF_SERVERS.split() if not is_public(ip_address(text))] == []


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/hook",
        "https://example.org:8443/",
        "https://8.8.8.8/",
        "https://[2606:4700:4700::1111]/a?b=c",
    ],
)
def test_a_public_address_can_be_entered(url):
    assert str(check(url)) == url


REFUSED = {
    "http://example.org/": "https://",
    "ftp://example.org/": "https://",
    "gopher://example.org/": "https://",
    "file:///etc/passwd": "https://",
    "//example.org/": "https://",
    "example.org": "https://",
    "https://": "not an address",
    "https:///hook": "not an address",
    "https://example.org:99999/": "not an address",
    "https://example.org:0x50/": "not an address",
    "https://[::1/": "not an address",
    "https://name:word@example.org/": "password",
    "https://name@example.org/": "password",
    "https://example.org:22/": "Port 22",
    "https://example.org:0/": "Port 0",
    "https://localhost/": "not a name",
    "https://localhost./": "not a name",
    "https://intranet/": "not a name",
    "https://2130706433/": "not a name",
    "https://127.0.0.1/": "could reach",
    "https://169.254.169.254/latest/meta-data/": "could reach",
    "https://[::ffff:10.0.0.1]/": "could reach",
    "https://[::1]/": "could reach",
    "https://[fe80::1%25eth0]/": "could reach",
    "https://example.org\\@127.0.0.1/": "backslashes",
    "https://example.org/a b": "blanks",
    "https://example.org/\r\nHost: other": "blanks",
    "https://example.org/\x00": "blanks",
}


@pytest.mark.parametrize("url", REFUSED)
def test_what_is_no_public_address_is_refused_in_words(url):
    with pytest.raises(NotAllowed, match=REFUSED[url]):
        check(url)


def names(monkeypatch, *answers):
    """From now on every look-up of a name gets the next of these, each a list of addresses."""
    waiting = list(answers)

    def look_up(host, port, family):
        found = waiting.pop(0)
        return [
            (socket.AF_INET6 if ":" in each else socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port))
            for each in found
        ]

    monkeypatch.setattr(guard, "look_up", look_up)


@pytest.mark.parametrize(
    "written", ["0x7f.1", "127.1", "0177.0.0.1", "0x7f000001", "localhost.localdomain", "127.0.0.1.nip.io"]
)
def test_a_name_that_stands_for_this_machine_is_refused_however_it_is_written(monkeypatch, written):
    names(monkeypatch, ["127.0.0.1"])
    with pytest.raises(NotAllowed):
        check_now(f"https://{written}/")


def test_one_private_address_among_public_ones_is_enough_to_refuse(monkeypatch):
    names(monkeypatch, ["8.8.8.8", "10.0.0.1"], ["8.8.8.8", "::1"])
    for _ in range(2):
        with pytest.raises(NotAllowed, match="not known to everybody"):
            check_now("https://example.org/")


def test_a_name_that_nobody_knows_is_refused_in_words(monkeypatch):
    names(monkeypatch, [])
    with pytest.raises(NotAllowed, match=r"example\.org is not known to everybody"):
        check_now("https://example.org/")


def test_what_our_name_server_says_of_a_name_is_told_to_nobody(monkeypatch):
    def unknown(*args):
        raise socket.gaierror

    def said():
        with pytest.raises(NotAllowed) as refused:
            check_now("https://vault.example.org/")
        return str(refused.value)

    names(monkeypatch, ["10.3.7.12"], ["8.8.8.8", "fd00::7"], [])
    words = {said() for _ in range(3)}
    monkeypatch.undo()
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert words == {said()}


def test_a_name_server_that_keeps_silent_is_not_waited_for(monkeypatch):
    async def silence(self, host, port=0, family=0):
        await asyncio.Event().wait()

    monkeypatch.setattr(guard.PublicNames, "resolve", silence)
    monkeypatch.setattr(guard, "LOOK_UP_S", 0.01)
    with pytest.raises(NotAllowed, match="Nobody said in time"):
        check_now("https://example.org/")


def test_of_all_forms_one_at_a_time_has_a_name_looked_up(monkeypatch):
    """Each look may hold up a thread that pages need, so the others are told to come back."""

    def look_up(host, port, family):
        with pytest.raises(NotAllowed, match="Try again in a minute"):
            check_now("https://other.example.org/")
        raise NotAllowed(f"{host} was looked up.")

    monkeypatch.setattr(guard, "look_up", look_up)
    for _ in range(2):
        with pytest.raises(NotAllowed, match=r"^example\.org was looked up"):
            check_now("https://example.org/")


def test_a_name_that_is_public_first_and_private_later_is_not_sent_to(monkeypatch):
    names(monkeypatch, ["8.8.8.8"], ["127.0.0.1"])
    check_now("https://example.org/")
    answer = send("https://example.org/")
    assert answer.status is None
    assert "example.org is not known to everybody" in answer.problem


def test_the_socket_is_refused_even_if_every_look_before_it_was_deceived(monkeypatch):
    async def deceived(self, host, port=0, family=0):
        return [{"hostname": host, "host": "127.0.0.1", "port": port, "family": socket.AF_INET, "proto": 0, "flags": 0}]

    monkeypatch.setattr(guard.PublicNames, "resolve", deceived)
    assert send("https://example.org/").problem.startswith("The address is not known to everybody")


def test_a_socket_for_a_literal_address_is_looked_at_too(monkeypatch):
    """No name is looked up for it, so nothing else would."""
    monkeypatch.setattr(guard, "check", URL)
    assert "not known to everybody" in send("https://169.254.169.254/").problem


def test_where_the_guard_is_lifted_this_machine_may_be_sent_to(settings):
    settings.WEBHOOK_ALLOW_PRIVATE = True
    check_now("http://127.0.0.1:8000/hook")


def test_a_proxy_in_the_environment_is_not_asked(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1/")
    names(monkeypatch, ["10.0.0.1"])
    assert "not known to everybody" in send("https://example.org/").problem


def send(url):
    async def run():
        async with sending.session() as client:
            return await sending.post(client, url, {}, b"{}")

    return asyncio.run(run())
