"""Who makes, changes or ends what managers keep, as its audit has them. PURE."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias
from urllib.parse import urlsplit

from schemas.tokens.identity import Identity, PrincipalKind

ManagerKind: TypeAlias = Literal[PrincipalKind, "command"]


class Manager(NamedTuple):
    """``who_kind`` vouches for ``who``; ``command``: who may reach the database."""

    who_kind: ManagerKind
    who: str

    @property
    def created_by(self) -> str:
        """As lists show it."""
        return f"command:{self.who}" if self.who_kind == "command" else self.who


def manager_of(reader: Identity) -> Manager:
    """Whoever calls the API."""
    return Manager(reader.kind, reader.user)


def origin(url: str) -> str:
    """Of a URL what an audit may keep: its path and query may be a secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else url
