"""Whose limit a request counts on."""

from __future__ import annotations

import pytest

from schemas.http.client_address import NO_ADDRESS, TrustedProxies, parse_networks

BEHIND = TrustedProxies(parse_networks("10.0.0.0/8, 192.0.2.7, 2001:db8:ff::/48"))
DIRECT = TrustedProxies(())


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "client"),
    [
        # No proxy said anything: the peer.
        ("10.1.2.3", [], "10.1.2.3"),
        ("203.0.113.5", [], "203.0.113.5"),
        # A peer that is no trusted proxy may write what it wants.
        ("203.0.113.5", ["198.51.100.1"], "203.0.113.5"),
        # Through one trusted proxy, and through two.
        ("10.1.2.3", ["198.51.100.1"], "198.51.100.1"),
        ("192.0.2.7", ["198.51.100.1, 10.9.9.9"], "198.51.100.1"),
        # What the client wrote itself stands on the left.
        ("10.1.2.3", ["1.1.1.1, 198.51.100.1"], "198.51.100.1"),
        ("10.1.2.3", ["10.0.0.1, 198.51.100.1, 10.9.9.9"], "198.51.100.1"),
        # Several headers are one list.
        ("10.1.2.3", ["1.1.1.1", "198.51.100.1"], "198.51.100.1"),
        ("10.1.2.3", ["198.51.100.1", "10.9.9.9"], "198.51.100.1"),
        # Everybody trusted: the one furthest away.
        ("10.1.2.3", ["10.5.5.5, 10.9.9.9"], "10.5.5.5"),
        # What cannot be read ends the search at the proxy that wrote it.
        ("10.1.2.3", ["198.51.100.1, unknown"], "10.1.2.3"),
        ("10.1.2.3", ["198.51.100.1, 10.9.9.9, "], "10.1.2.3"),
        ("10.1.2.3", ["198.51.100.1, garbage, 10.9.9.9"], "10.9.9.9"),
        ("10.1.2.3", ["evil"], "10.1.2.3"),
        ("10.1.2.3", [""], "10.1.2.3"),
        # Some proxies write the port.
        ("10.1.2.3", ["198.51.100.1:4711"], "198.51.100.1"),
        ("10.1.2.3", ["[2001:db8::1]:4711"], "2001:db8::/64"),
        # IPv6 counts by its /64; IPv4 in IPv6's clothes is IPv4.
        ("2001:db8:1:2:3:4:5:6", [], "2001:db8:1:2::/64"),
        ("fe80::1%eth0", [], "fe80::/64"),
        ("::ffff:203.0.113.5", [], "203.0.113.5"),
        ("::ffff:10.1.2.3", ["198.51.100.1"], "198.51.100.1"),
        ("2001:db8:ff::1", ["2001:db8:1:2::9"], "2001:db8:1:2::/64"),
        # A Unix socket.
        ("", ["198.51.100.1"], NO_ADDRESS),
    ],
)
def test_the_client_behind_trusted_proxies(
    peer: str, forwarded_for: list[str], client: str
) -> None:
    assert BEHIND.client(peer, forwarded_for) == client


def test_without_trusted_proxies_the_header_is_never_read() -> None:
    for peer in ("10.1.2.3", "127.0.0.1"):
        assert DIRECT.client(peer, ["198.51.100.1"]) == peer


@pytest.mark.parametrize("text", ["10.0.0.1/8", "proxy.internal", "10.0.0.0/33", "1.2.3"])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=text.split("/")[0]):
        parse_networks(f"10.0.0.0/8,{text}")


def test_spaces_and_empty_parts_do_not_matter() -> None:
    assert len(parse_networks(" 10.0.0.0/8 ,, ::1 ,")) == 2
    assert parse_networks("") == ()


@pytest.mark.parametrize("peer", ["10.1.2.3", "::ffff:10.1.2.3", "192.0.2.7", "2001:db8:ff::1"])
def test_a_proxy_is_known_by_its_address(peer: str) -> None:
    assert BEHIND.include(peer)
    assert not DIRECT.include(peer)


@pytest.mark.parametrize("peer", ["203.0.113.5", "192.0.2.8", "::ffff:203.0.113.5", "", "garbage"])
def test_everybody_else_is_no_proxy(peer: str) -> None:
    assert not BEHIND.include(peer)
