"""A role of PostgreSQL that tests act as."""

from __future__ import annotations

from urllib.parse import quote


def as_role(url: str, role: str) -> str:
    """The URL of connections that act as the role."""
    return f"{url}{'&' if '?' in url else '?'}options={quote(f'-c role={role}')}"
