"""Which users a list is about. PURE.

Filters compare with what the list shows: for a user with several devices these are the screen,
version and device of the device shown.

    screen, app_version   equal, case-sensitive, in the spelling that is stored; not empty
    state                 foreground or background; of every known user offline, too
    platform              as a breakdown tells it: what the app says, else by its device
    device                anywhere in device_info, whatever the case
    q                     start of the user id (case-sensitive), or of the name (whatever the case)
    search                anywhere in the id or the name, whatever the case and the accents; as q
                          below MIN_SEARCH characters, which half of all names contain
    at                    those online at that instant (design, section 7), by user_id
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, TypeAlias, cast, get_args

import msgspec

from api.http import parameters
from api.http.json_fields import MAX_PROBLEMS, document_of, shown_name
from api.http.parameters import DEFAULT_LIMIT, Parser, bad_parameter, sentence, text_problem
from api.periods.ranges import parse_instant
from schemas.http.problems import FieldProblem, ProblemError
from schemas.log.events import MAX_NAME, MAX_TEXT, MAX_USER_ID

Sort: TypeAlias = Literal["-changed_at", "-online_since", "-last_active", "user_id"]
OnlineState: TypeAlias = Literal["foreground", "background"]
State: TypeAlias = Literal["foreground", "background", "offline"]
#: Whom a list is taken from: those online, or every known user.
Audience: TypeAlias = Literal["online", "known"]

SORTS: Final = get_args(Sort)
#: Of every known user: who is offline has come at no time.
KNOWN_SORTS: Final = tuple(sort for sort in SORTS if sort != "-online_since")
STATES: Final = get_args(OnlineState)
KNOWN_STATES: Final = get_args(State)
MIN_SEARCH: Final = 3
#: A search among all that are known looks at so many, those who changed last.
MOST_SEARCHED: Final = 500_000
MAX_LOOKUP: Final = 1_000
#: Users of a list as CSV or NDJSON, which is made in memory.
MAX_FILE_ROWS: Final = 10_000


class UserFilter(msgspec.Struct, frozen=True):
    """Which users, in which order. ``None``: no such filter."""

    audience: Audience
    screen: str | None = None
    state: State | None = None
    app_version: str | None = None
    platform: str | None = None
    device: str | None = None
    q: str | None = None
    search: str | None = None
    at: datetime | None = None
    sort: Sort = "-changed_at"

    @property
    def is_indexed(self) -> bool:
        """Whether an index gives a page of it, however few match; else a page may read everybody.
        Searches (``q``) have indexes of their own."""
        if self.device or self.app_version or self.platform or self.search or self.at is not None:
            return False
        if self.sort == "user_id":
            # The key holds those who are offline, too.
            return self.audience == "known" and self.q is None
        if self.sort == "-online_since":
            return self.state is None and self.screen is None
        return self.sort == "-changed_at" and (self.state is None or self.screen is not None)

    @property
    def is_a_state(self) -> bool:
        """Whether it is everybody online, or all of one state of these: counted already."""
        return self.audience == "online" and self == UserFilter(
            "online", state=self.state, sort=self.sort
        )

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
    #: How many there are is wanted, too.
    counts: bool = False


def parse_online_users(query: str, *, is_file: bool = False) -> ListRequest:
    """The page that the raw query string of ``/api/v1/online-users`` asks for; a file has
    :data:`MAX_FILE_ROWS` users at most. Raises ``ProblemError`` with code ``bad_parameter``."""
    return _list_request("online", query, {**_ONLINE_ONLY, **_COMMON}, is_file=is_file)


def parse_users(query: str, *, is_file: bool = False) -> ListRequest:
    """As :func:`parse_online_users`, of ``/api/v1/users``: any known user."""
    known = {
        "state": parameters.one_of(cast(tuple[str, ...], KNOWN_STATES)),
        **_COMMON,
        "sort": parameters.one_of(KNOWN_SORTS),
    }
    return _list_request("known", query, known, is_file=is_file)


def parse_at(query: str) -> datetime | None:
    """The instant that a call asks about; ``None``: now. Raises as :func:`parse_online_users`."""
    return cast("datetime | None", parameters.parse(query, {"at": parse_instant}).get("at"))


def parse_lookup(body: bytes) -> list[str]:
    """The user ids of a lookup's body, each once, in the order in which they came.

    Raises ``ProblemError``: ``bad_json`` if it is no JSON object, ``bad_field`` naming the item.
    """
    document = document_of(body, '{"user_ids": ["ada"]}')
    others = [
        FieldProblem(shown_name(name), "is no field here (there is: user_ids)")
        for name in document
        if name != "user_ids"
    ]
    if others:
        raise _bad_fields(others[:MAX_PROBLEMS])
    user_ids = document.get("user_ids")
    if not isinstance(user_ids, list) or not 1 <= len(user_ids) <= MAX_LOOKUP:
        raise _bad_fields([FieldProblem("user_ids", f"must be a list of 1 to {MAX_LOOKUP} ids")])
    problems = [
        FieldProblem(f"user_ids[{index}]", problem)
        for index, item in enumerate(user_ids)
        if (problem := text_problem(item, MAX_USER_ID))
    ]
    if problems:
        raise _bad_fields(problems)
    return list(dict.fromkeys(user_ids))


def filter_parameters(wanted: UserFilter) -> dict[str, object]:
    """As the queries name them (``matching`` in queries.sql)."""
    return {
        "screen": wanted.screen,
        "state": wanted.state,
        "app_version": wanted.app_version,
        "platform": wanted.platform,
        "device": like_substring(wanted.device) if wanted.device else None,
        "q": like_prefix(wanted.q) if wanted.q else None,
        "search": like_substring(folded(wanted.search)) if wanted.search else None,
        "search_text": folded(wanted.search) if wanted.search else None,
        "searched": MOST_SEARCHED,
    }


def folded(text: str) -> str:
    """Without case and accents, as the queries fold what they search (``folded_…``)."""
    parts = unicodedata.normalize("NFKD", text)
    return "".join(part for part in parts if not "\u0300" <= part <= "\u036f").lower()


def like_prefix(text: str) -> str:
    """A pattern of LIKE for what starts with ``text``, whatever it holds."""
    return _like_escaped(text) + "%"


def like_substring(text: str) -> str:
    """A pattern of LIKE for what contains ``text``, whatever it holds."""
    return f"%{_like_escaped(text)}%"


def _like_escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _list_request(
    audience: Audience, query: str, known: Mapping[str, Parser], *, is_file: bool
) -> ListRequest:
    if is_file:
        known = {**known, "limit": parameters.limit_to(MAX_FILE_ROWS)}
    values = parameters.parse(query, known)
    limit = values.pop("limit", MAX_FILE_ROWS if is_file else DEFAULT_LIMIT)
    cursor = values.pop("cursor", None)
    counts = values.pop("count", "false") == "true"
    if len(values.get("search") or "") < MIN_SEARCH and "search" in values:
        start = values.pop("search")
        if start and values.setdefault("q", start) != start:
            raise bad_parameter("search", f"needs {MIN_SEARCH} characters beside q")
    if values.get("at") is not None and values.setdefault("sort", "user_id") != "user_id":
        # Any other order would read everybody for each page.
        raise bad_parameter("sort", "must be user_id where at is given")
    return ListRequest(UserFilter(audience, **values), limit, cursor, counts)


def _bad_fields(problems: list[FieldProblem]) -> ProblemError:
    return ProblemError("bad_field", sentence(problems), errors=problems)


_ONLINE_ONLY: Final[dict[str, Parser]] = {
    "screen": parameters.name_of("screen"),
    "state": parameters.one_of(cast(tuple[str, ...], STATES)),
    "app_version": parameters.name_of("app_version"),
    "platform": parameters.name_of("platform"),
    "device": parameters.partial(MAX_TEXT["device_info"]),
    "at": parse_instant,
}
_COMMON: Final[dict[str, Parser]] = {
    "q": parameters.partial(max(MAX_USER_ID, MAX_NAME)),
    "search": parameters.partial(max(MAX_USER_ID, MAX_NAME)),
    "sort": parameters.one_of(cast(tuple[str, ...], SORTS)),
    "limit": parameters.limit,
    "cursor": parameters.cursor,
    "count": parameters.one_of(("true", "false")),
}
