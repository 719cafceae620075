"""What a saved view may hold. PURE.

The policy: the address is a path of one of the dashboard's pages with its query, and of the
Audience page its filter in the fragment; never another site, a script, or a call of the API. It
names no user: not their page, no search for a name or id, no list of ids, no question who looked at
whom. So an erasure has nothing to do here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from schemas.bodies.body import object_body, refusal
from schemas.bodies.fields import Field, line_field, parsed_field
from schemas.http.problems import FieldProblem
from schemas.openapi.forms import text

MAX_NAME: Final = 100
MAX_ADDRESS: Final = 4_096
_MAX_BODY_BYTES: Final = 16_384
#: Of one reader, and in all.
MOST_OF_A_READER: Final = 100
MOST: Final = 20_000

_AUDIENCE: Final = "/audience"
_SCREEN: Final = "/screens/"
PAGES: Final = (
    *("/", "/users", "/screens", "/screen-rules", "/funnel", "/active-users", "/retention"),
    *("/webhooks", "/alerts", "/share-links", "/health"),
    _AUDIENCE,
)
#: Parameters of pages that look for a user.
_NAMES_USERS: Final = ("q", "user", "user_id")
_MAX_PARAMETERS: Final = 64


@dataclass(frozen=True, slots=True)
class Change:
    """What is saved; of one that is there, ``None`` stays as it is."""

    name: str | None = None
    address: str | None = None


def parse_address(text: str) -> str:
    """``text`` if it may be kept. Raises ``ValueError`` that says what would be right."""
    if len(text) > MAX_ADDRESS:
        raise ValueError(f"is longer than {MAX_ADDRESS} characters")
    # Browsers take a backslash for a slash, and drop tabs and line breaks.
    odd = "\\" in text or not text.isascii() or not text.isprintable() or " " in text
    if odd or not text.startswith("/") or text.startswith("//"):
        raise ValueError(
            "must be the path of one of the dashboard's pages, with its query, percent-encoded: "
            "/users?screen=Cart"
        )
    parts = urlsplit(text)
    _check_path(parts.path)
    _check_query(parts.query)
    if parts.fragment:
        _check_fragment(parts.path, parts.fragment)
    return text


def _check_path(path: str) -> None:
    if path in PAGES:
        return
    screen = unquote(path.removeprefix(_SCREEN)) if path.startswith(_SCREEN) else ""
    # A browser would leave the folder by dots, encoded or not.
    if screen and "/" not in path.removeprefix(_SCREEN) and screen not in (".", ".."):
        return
    if path.startswith("/users/"):
        raise ValueError("is the page of a user: what is kept must name nobody")
    raise ValueError(f"is no page that can be kept (they are: {', '.join(PAGES)}, /screens/…)")


def _check_query(query: str) -> None:
    try:
        given = parse_qsl(query, max_num_fields=_MAX_PARAMETERS)
    except ValueError:
        raise ValueError("has too many parameters") from None
    for name, _ in given:
        if name in _NAMES_USERS:
            raise ValueError(f"looks for a user ({name}): what is kept must name nobody")


def _check_fragment(path: str, fragment: str) -> None:
    if path != _AUDIENCE:
        raise ValueError("must have no part after #")
    try:
        wanted: Any = json.loads(unquote(fragment))
    except (ValueError, RecursionError):
        wanted = None
    if not isinstance(wanted, dict):
        raise ValueError("has no filter after #, as the Audience page writes it")
    if "exclude_user_ids" in wanted:
        raise ValueError("leaves out users by id: what is kept must name nobody")


_NAME: Final = line_field("What it is called.", "Cart on old phones", MAX_NAME)
NAME: Final = _NAME.schema
ADDRESS: Final = text(
    "Path and query of a page of the dashboard, percent-encoded; of the Audience page its filter "
    "after `#`. None that names a user: no page of a user, no `q`, no `exclude_user_ids`.",
    "/users?screen=Cart&app_version=1.9.0",
    minLength=1,
    maxLength=MAX_ADDRESS,
    pattern="^/",
)


def _fields(missing: str) -> dict[str, Field]:
    return {
        "name": Field(_NAME.schema, _NAME.read, missing),
        "address": parsed_field(ADDRESS, parse_address, missing),
    }


def _change(**values: str) -> Change:
    if not values:
        raise refusal([FieldProblem("name", "or address must be given: nothing would change")])
    return Change(**values)


_EXAMPLE: Final = '{"name": "Cart", "address": "/users?screen=Cart"}'
NEW_VIEW: Final = object_body(
    "ViewWanted", _fields("is missing"), example=_EXAMPLE, max_bytes=_MAX_BODY_BYTES, make=Change
)
CHANGE: Final = object_body(
    "ViewChange",
    _fields(""),
    example=_EXAMPLE,
    max_bytes=_MAX_BODY_BYTES,
    make=_change,
    minProperties=1,
)
