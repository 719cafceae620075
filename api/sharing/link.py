"""A share link as it is made and found. PURE.

The policy: whoever has the token sees the numbers of the Live page, and nothing else, until the
link ends. The token is told once; stored is its SHA-256, so that who reads the database opens no
link. 32 random bytes are beyond guessing, and need no slow hash.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from schemas.http.problems import ProblemError
from schemas.managed.manager import Manager

#: That have not ended.
MAX_LINKS: Final = 100
MAX_NAME: Final = 100
HOURS: Final = 24
MAX_HOURS: Final = 24 * 30
TOKEN_BYTES: Final = 32
#: Of the dashboard.
PAGE: Final = "/shared/"
ENDED: Final = "This link has ended or never was."
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_ID: Final = re.compile(r"sl_[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class Made:
    """The token is shown now and never again."""

    id: str
    token: str
    row: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Listed:
    """A row of ``list``."""

    id: str
    name: str
    created_by: str
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class OpenLink:
    """A link that somebody came by."""

    token_hash: bytes
    name: str
    expires_at: datetime


def new_link(name: str, hours: int, by: Manager) -> Made:
    """What ``create`` takes."""
    link_id, token = f"sl_{secrets.token_hex(8)}", secrets.token_urlsafe(TOKEN_BYTES)
    row = {
        "id": link_id,
        "token_hash": token_hash(token),
        "name": name,
        "created_by": by.created_by,
        "hours": hours,
        "details": json.dumps({"name": name, "hours": hours}),
        **by._asdict(),
        "most": MAX_LINKS,
    }
    return Made(link_id, token, row)


def token_hash(token: str) -> bytes:
    """What is stored of a token."""
    return hashlib.sha256(token.encode()).digest()


def is_link_id(text: str) -> bool:
    """Whether it looks like one."""
    return _ID.fullmatch(text) is not None


def opened(links: Mapping[bytes, OpenLink], token: str, now: datetime) -> OpenLink:
    """The link of a token among those that counted when they were read, by hash.

    Raises ``ProblemError`` with code ``not_found``, which does not tell one that ended from one
    that never was.
    """
    link = links.get(token_hash(token)) if _TOKEN.fullmatch(token) else None
    if link is None or now >= link.expires_at:
        raise ProblemError("not_found", ENDED)
    return link
