"""Addresses that we ask: https, unless what is asked is on this machine or was named. PURE.

A key set, a token or a client's secret that travels in the clear is anybody's on the way, who can
then sign tokens of their own. Within a cluster, names that nobody outside can answer for may be
plain: they are listed in ``ROLLCALL_PLAIN_HTTP_HOSTS``.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit


def check_url(variable: str, url: str | None, plain_http_hosts: Iterable[str]) -> None:
    """Raise ``ValueError`` naming the variable on an address that may not be asked."""
    if not url:
        return
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
    except ValueError:
        host = ""
    if not host or parts.scheme not in ("http", "https"):
        raise ValueError(f"{variable} is no address: write one like https://id.example.com/keys")
    if parts.scheme == "https" or may_be_plain(host, plain_http_hosts):
        return
    raise ValueError(
        f"{variable} is plain http to {host}: use https, or name the host in "
        "ROLLCALL_PLAIN_HTTP_HOSTS if nobody outside can answer for it (in-cluster names)"
    )


def may_be_plain(host: str, plain_http_hosts: Iterable[str]) -> bool:
    """Whether a host, in lower case, may be asked by plain http. One of the hosts that begins with
    a dot stands for all names under it."""
    return _is_loopback(host) or any(
        host == allowed or (allowed.startswith(".") and host.endswith(allowed))
        for allowed in plain_http_hosts
    )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
