"""Whose admin ports the health of Rollcall is asked of: ``ROLLCALL_ADMIN_TARGETS``. PURE.

Only who configures the API names them, and by the rule of every other address that we ask: plain
http, which is all that an admin port speaks, to this machine or to hosts that are named in
``ROLLCALL_PLAIN_HTTP_HOSTS``. Else a machine on the way could tell us that all is well.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from schemas.tokens.asked_urls import may_be_plain
from schemas.tokens.setting_values import listed

VARIABLE: Final = "ROLLCALL_ADMIN_TARGETS"
#: Names that may be set, and addresses that are asked once these are resolved.
MOST_TARGETS: Final = 64


@dataclass(frozen=True, slots=True)
class Target:
    """A host, by name or address, and the admin port there."""

    host: str
    port: int

    def __str__(self) -> str:
        return address_of(self.host, self.port)


def address_of(host: str, port: int) -> str:
    """``host:port``, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def parse_targets(text: str, plain_http_hosts: Iterable[str]) -> tuple[Target, ...]:
    """Comma-separated ``host:port``, each once. Raises ``ValueError`` that says what would be
    right."""
    targets = tuple(dict.fromkeys(_target(each) for each in listed(text.lower())))
    if len(targets) > MOST_TARGETS:
        raise ValueError(
            f"{VARIABLE} names {len(targets)} targets, {MOST_TARGETS} at most: a DNS name stands "
            "for all its addresses"
        )
    for target in targets:
        if not may_be_plain(target.host, plain_http_hosts):
            raise ValueError(
                f"{VARIABLE}: {target} is asked by plain http: name {target.host} in "
                "ROLLCALL_PLAIN_HTTP_HOSTS too, if nobody outside can answer for it (in-cluster "
                "names)"
            )
    return targets


def _target(text: str) -> Target:
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or not port or parts.netloc != text or "@" in text:
        raise ValueError(f"{VARIABLE}: {text!r} is no host:port; write one like ingest:9081")
    return Target(host, port)
