"""Where messages may go: https, and not into our own networks unless an operator says so. PURE.

A webhook's URL is a stranger's: it must not make us ask what only we can reach (server-side request
forgery). So a name is resolved once for a connection, every address that it has must be one that
anybody can reach, and the connection goes to just those. ``ROLLCALL_WEBHOOK_PRIVATE_HOSTS`` names
what else may be reached: networks such as ``10.1.0.0/16``, hosts, and with a dot before it all
names under one.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from schemas.tokens.asked_urls import check_url

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

MAX_URL: Final = 2_000
#: What carries an IPv4 address in its last 32 bits: NAT64, SIIT, and what was before both.
_CARRIERS: Final = tuple(ip_network(each) for each in ("64:ff9b::/96", "::ffff:0:0:0/96", "::/96"))
#: Of an operator's own, which not every Python knows: NAT64 of theirs, and site-local addresses.
_THEIRS: Final = tuple(ip_network(each) for each in ("64:ff9b:1::/48", "fec0::/10"))


class PrivateHosts:
    """Parsed ``ROLLCALL_WEBHOOK_PRIVATE_HOSTS``."""

    def __init__(self, listed: Sequence[str]) -> None:
        self._networks: list[Network] = []
        self._names: list[str] = []
        for each in listed:
            try:
                self._networks.append(ip_network(each))
            except ValueError:
                self._names.append(each.lower())

    def allows(self, host: str, address: str) -> bool:
        """Whether ``host`` may be connected to at ``address``."""
        try:
            found = ip_address(address)
        except ValueError:
            return False
        return (
            _is_public(found)
            or any(found in network for network in self._networks)
            or any(_is_named(host.lower(), name) for name in self._names)
        )


def check_webhook_url(url: str, plain_http_hosts: Sequence[str], private: PrivateHosts) -> None:
    """Raises ``ValueError``: the rest of a sentence that begins with the field's name."""
    if not 1 <= len(url) <= MAX_URL or not url.isascii() or any(c <= " " for c in url):
        raise ValueError(f"must be an address of at most {MAX_URL} ASCII characters, no blanks")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ValueError("is no address: write one like https://crm.example.com/rollcall") from None
    if parts.username is not None or parts.password is not None:
        raise ValueError("must hold no user or password: the signature says who we are")
    if parts.fragment:
        raise ValueError("must have no fragment: it is never sent")
    try:
        check_url("url", url, plain_http_hosts)
    except ValueError as error:
        raise ValueError(str(error).removeprefix("url ")) from None
    host = parts.hostname or ""
    try:
        literal = str(ip_address(host))
    except ValueError:
        return
    if not private.allows(host, literal):
        raise ValueError(
            f"is at {host}, in a private network: name it in ROLLCALL_WEBHOOK_PRIVATE_HOSTS if "
            "messages may go there"
        )


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and any(address in network for network in _CARRIERS):
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if any(address in network for network in _THEIRS):
            return False
        if inner is not None:
            return _is_public(inner)
    return address.is_global and not address.is_multicast


def _is_named(host: str, name: str) -> bool:
    return host == name or (name.startswith(".") and host.endswith(name))
