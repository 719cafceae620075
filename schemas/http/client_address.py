"""Whose limit a request counts on: the client's address, as far as it can be trusted.

The peer's address, unless that is a trusted proxy: then ``X-Forwarded-For`` is read from the right,
where each proxy appends whom it heard from, and the first address that is no trusted proxy is the
client. What stands left of it was written by the client and proves nothing. RFC 7239's
``Forwarded`` is not read: a proxy that appends to one of the two headers passes the other on as the
client made it up.

An IPv6 client counts by its /64: a client that has one address of it has them all.

Addresses are for limits, and for telling a trusted proxy from everybody else; they are never stored
or logged.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from aiohttp import web

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

#: Peers that have no address, such as those of a Unix socket, share one limit.
NO_ADDRESS: Final = "none"
_CLIENT_PREFIX_BITS: Final = 64


class TrustedProxies:
    """Finds clients behind the proxies whose addresses are in ``networks``."""

    def __init__(self, networks: Iterable[Network]) -> None:
        self._networks = tuple(networks)

    def client_of(self, request: web.BaseRequest) -> str:
        """The address that this request's limits are counted on."""
        return self.client(_peer(request), request.headers.getall("X-Forwarded-For", ()))

    def sent(self, request: web.BaseRequest) -> bool:
        """Whether one of these proxies itself sent the request: for what only they may say."""
        return self.include(_peer(request))

    def include(self, peer: str) -> bool:
        """Whether this is the address of one of these proxies."""
        address = _parse(peer)
        return address is not None and self._trusts(address)

    def client(self, peer: str, forwarded_for: Sequence[str]) -> str:
        """The key of the client behind ``peer``; ``forwarded_for`` holds the values of all
        ``X-Forwarded-For`` headers in their order."""
        address = _parse(peer)
        if address is None:
            return NO_ADDRESS
        hops = ",".join(forwarded_for) if self._networks else ""
        while hops and self._trusts(address):
            hops, _, hop = hops.rpartition(",")
            before = _parse(hop)
            if before is None:
                break  # our own proxy wrote it: an `unknown` behind which nobody can be told apart
            address = before
        return _key(address)

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


def parse_networks(text: str) -> tuple[Network, ...]:
    """Comma-separated addresses and CIDRs. Raises ``ValueError`` naming the one that is none."""
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def _peer(request: web.BaseRequest) -> str:
    """Empty for one without an address."""
    peer = request.transport and request.transport.get_extra_info("peername")
    return str(peer[0]) if isinstance(peer, tuple) else ""


def _parse(hop: str) -> Address | None:
    """An address as proxies write it: some add the port, IPv6 then in brackets."""
    text = hop.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _key(address: Address) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    return str(IPv6Network((address, _CLIENT_PREFIX_BITS), strict=False))
