"""What a saved view may hold. PURE.

The policy: the address is a path of one of the dashboard's pages with its query, and of the
Audience page its filter in the fragment; never another site, a script, or a call of the API. It
names no user: not their page, no search for a name or id, no list of ids, no question who looked at
whom. So an erasure has nothing to do here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from api.http.json_fields import BadFieldsError, Reader, document_of, one_line, read_fields, refusal
from schemas.http.problems import FieldProblem

MAX_NAME: Final = 100
MAX_ADDRESS: Final = 4_096
MAX_BODY_BYTES: Final = 16_384
#: Of one reader, and in all.
MOST_OF_A_READER: Final = 100
MOST: Final = 20_000

_AUDIENCE: Final = "/audience"
_SCREEN: Final = "/screens/"
PAGES: Final = (
    *("/", "/users", "/screens", "/screen-rules", "/funnel", "/active-users", "/retention"),
    "/health",
    _AUDIENCE,
)
#: Parameters of pages that look for a user.
_NAMES_USERS: Final = ("q", "user", "user_id")
_MAX_PARAMETERS: Final = 64


def parse_new_view(body: bytes) -> Mapping[str, str]:
    """``name`` and ``address``. Raises ``ProblemError``: ``bad_json``, or ``bad_field`` naming the
    fields."""
    return _parsed(body, required=("name", "address"))


def parse_change(body: bytes) -> Mapping[str, str | None]:
    """The same, of which either may be missing."""
    values = _parsed(body, required=())
    if not values:
        raise refusal([FieldProblem("name", "or address must be given: nothing would change")])
    return {"name": None, "address": None, **values}


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


def _address(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a text")
    return parse_address(value)


_FIELDS: Final[Mapping[str, Reader]] = {"name": one_line(MAX_NAME), "address": _address}


def _parsed(body: bytes, *, required: tuple[str, ...]) -> dict[str, str]:
    try:
        values = read_fields(document_of(body), _FIELDS)
    except BadFieldsError as error:
        raise refusal(error.problems) from None
    missing = [FieldProblem(name, "is missing") for name in required if name not in values]
    if missing:
        raise refusal(missing)
    return values
