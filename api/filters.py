"""What a list is about: query parameters to typed filters, or an error that names them. PURE.

The policy: a parameter that is unknown, repeated or cannot be used is refused by name (400), never
ignored: an ignored filter shows the wrong people. Filters compare with what the list shows: for a
user with several devices these are the screen, version and device of the device shown.

    screen, app_version   equal, case-sensitive; not empty
    state                 foreground or background
    device                anywhere in device_info, whatever the case
    q                     start of the user id (case-sensitive), or of the name (whatever the case)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, cast, get_args
from urllib.parse import parse_qsl

import msgspec

from schemas.events import MAX_NAME, MAX_TEXT, MAX_USER_ID
from schemas.problems import FieldProblem, ProblemError
from schemas.text import clean_text

Sort: TypeAlias = Literal["-changed_at", "-last_active", "user_id"]
OnlineState: TypeAlias = Literal["foreground", "background"]
#: Whom a list is taken from: those online, or every known user.
Audience: TypeAlias = Literal["online", "known"]

SORTS: Final = get_args(Sort)
STATES: Final = get_args(OnlineState)
DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 500
MAX_LOOKUP: Final = 1_000
_MAX_PARAMETERS: Final = 64
_MAX_CURSOR: Final = 4_096
_SHOWN_NAME: Final = 64


class UserFilter(msgspec.Struct, frozen=True):
    """Which users, in which order. ``None``: no such filter."""

    audience: Audience
    screen: str | None = None
    state: OnlineState | None = None
    app_version: str | None = None
    device: str | None = None
    q: str | None = None
    sort: Sort = "-changed_at"

    @property
    def context(self) -> bytes:
        """What a cursor of this list is bound to."""
        return msgspec.json.encode(self)


@dataclass(frozen=True, slots=True)
class ListRequest:
    """A page of a list: ``limit`` users after ``cursor``."""

    filter: UserFilter
    limit: int
    cursor: str | None


def parse_online_users(query: str) -> ListRequest:
    """The page that the raw query string of ``/api/v1/online-users`` asks for. Raises
    ``ProblemError`` with code ``bad_parameter``."""
    return _list_request("online", query, {**_ONLINE_ONLY, **_COMMON})


def parse_users(query: str) -> ListRequest:
    """As :func:`parse_online_users`, of ``/api/v1/users``: any known user."""
    return _list_request("known", query, _COMMON)


def refuse_parameters(query: str) -> None:
    """For calls without parameters. Raises ``ProblemError`` with code ``bad_parameter``."""
    _parse(query, {})


def check_user_id(user_id: str) -> str:
    """``user_id`` if a user can have it. Raises ``ProblemError`` with code ``bad_parameter``."""
    problem = _text_problem(user_id, MAX_USER_ID)
    if problem:
        raise _bad_parameters([FieldProblem("user_id", problem)])
    return user_id


def parse_lookup(body: bytes) -> list[str]:
    """The user ids of a lookup's body, each once, in the order in which they came.

    Raises ``ProblemError``: ``bad_json`` if it is no JSON object, ``bad_field`` naming the item.
    """
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProblemError("bad_json", f"The body is not JSON: {error}.") from None
    if not isinstance(document, dict):
        raise ProblemError("bad_json", 'The body must be an object: {"user_ids": […]}.')
    user_ids = document.get("user_ids")
    if not isinstance(user_ids, list) or not 1 <= len(user_ids) <= MAX_LOOKUP:
        raise _bad_fields([FieldProblem("user_ids", f"must be a list of 1 to {MAX_LOOKUP} ids")])
    problems = [
        FieldProblem(f"user_ids[{index}]", problem)
        for index, item in enumerate(user_ids)
        if (problem := _text_problem(item, MAX_USER_ID))
    ]
    if problems:
        raise _bad_fields(problems)
    return list(dict.fromkeys(user_ids))


def like_prefix(text: str) -> str:
    """A pattern of LIKE for what starts with ``text``, whatever it holds."""
    return _like_escaped(text) + "%"


def like_substring(text: str) -> str:
    """A pattern of LIKE for what contains ``text``, whatever it holds."""
    return f"%{_like_escaped(text)}%"


def _like_escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _list_request(
    audience: Audience, query: str, parameters: dict[str, Callable[[str], Any]]
) -> ListRequest:
    values = _parse(query, parameters)
    limit = values.pop("limit", DEFAULT_LIMIT)
    cursor = values.pop("cursor", None)
    return ListRequest(UserFilter(audience, **values), limit, cursor)


def _parse(query: str, parameters: dict[str, Callable[[str], Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    problems: list[FieldProblem] = []
    for name, text in _pairs(query):
        shown = clean_text(name)[:_SHOWN_NAME]
        if name not in parameters:
            known = ", ".join(parameters) or "none"
            problems.append(
                FieldProblem(shown, f"is no parameter of this call (they are: {known})")
            )
        elif name in values:
            problems.append(FieldProblem(shown, "is given more than once"))
        else:
            values[name] = None
            try:
                values[name] = parameters[name](text)
            except ValueError as error:
                problems.append(FieldProblem(shown, str(error)))
    if problems:
        raise _bad_parameters(problems)
    return values


def _pairs(query: str) -> Iterable[tuple[str, str]]:
    try:
        # Bytes that are no UTF-8 become lone surrogates, which no text may hold.
        return parse_qsl(
            query,
            keep_blank_values=True,
            errors="surrogateescape",
            max_num_fields=_MAX_PARAMETERS,
        )
    except ValueError:
        raise ProblemError("bad_parameter", "There are too many parameters.") from None


def _exact(max_characters: int) -> Callable[[str], str]:
    def parse(text: str) -> str:
        problem = _text_problem(text, max_characters)
        if problem:
            raise ValueError(problem)
        return text

    return parse


def _partial(max_characters: int) -> Callable[[str], str | None]:
    """Everything contains the empty text: a search box that was cleared is no filter."""
    exact = _exact(max_characters)
    return lambda text: exact(text) if text else None


def _one_of(allowed: tuple[str, ...]) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"must be {' or '.join(allowed)}")
        return text

    return parse


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= len(text) <= 9):
        raise ValueError(f"must be a whole number from 1 to {MAX_LIMIT}")
    limit = int(text)
    if not 1 <= limit <= MAX_LIMIT:
        raise ValueError(f"must be from 1 to {MAX_LIMIT}")
    return limit


def _text_problem(text: object, max_characters: int) -> str | None:
    if not isinstance(text, str):
        return "must be a text"
    if not text:
        return "is empty"
    if len(text) > max_characters:
        return f"is longer than {max_characters} characters"
    if clean_text(text) != text:
        return "holds characters that no text here can hold"
    return None


def _bad_parameters(problems: list[FieldProblem]) -> ProblemError:
    return ProblemError("bad_parameter", _sentence(problems), errors=problems)


def _bad_fields(problems: list[FieldProblem]) -> ProblemError:
    return ProblemError("bad_field", _sentence(problems), errors=problems)


def _sentence(problems: list[FieldProblem]) -> str:
    return f"{problems[0].field} {problems[0].message}."


_ONLINE_ONLY: Final[dict[str, Callable[[str], Any]]] = {
    "screen": _exact(MAX_TEXT["screen"]),
    "state": _one_of(cast(tuple[str, ...], STATES)),
    "app_version": _exact(MAX_TEXT["app_version"]),
    "device": _partial(MAX_TEXT["device_info"]),
}
_COMMON: Final[dict[str, Callable[[str], Any]]] = {
    "q": _partial(max(MAX_USER_ID, MAX_NAME)),
    "sort": _one_of(cast(tuple[str, ...], SORTS)),
    "limit": _limit,
    "cursor": _exact(_MAX_CURSOR),
}
