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
    canary                those who are no people (design, section 2), in the place of all others
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias, get_args

import msgspec

from api.http.parameters import (
    CURSOR,
    DEFAULT_LIMIT,
    FILE_LIMIT,
    MAX_FILE_ROWS,
    Parameter,
    bad_parameter,
    name_parameter,
    part_parameter,
    word_parameter,
)
from api.http.words import USER_ID
from api.periods.parameters import AT
from schemas.bodies.body import object_body
from schemas.bodies.fields import Field, read_list, read_text
from schemas.log.events import MAX_NAME, MAX_TEXT, MAX_USER_ID
from schemas.openapi.forms import many

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
#: 1,000 ids of 256 characters, all of them escaped as surrogate pairs: twelve bytes each.
MAX_LOOKUP_BYTES: Final = 3_145_728


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
    canary: bool = False
    sort: Sort = "-changed_at"

    @property
    def is_indexed(self) -> bool:
        """Whether an index gives a page of it, however few match; else a page may read everybody.
        Searches (``q``) have indexes of their own."""
        if self.device or self.app_version or self.platform or self.search or self.canary:
            return False
        if self.at is not None:
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
        "canary": wanted.canary,
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


def list_request(
    audience: Audience, given: Mapping[str, Any], *, is_file: bool = False
) -> ListRequest:
    """The page that the values of :data:`ONLINE_USERS` or :data:`KNOWN_USERS` ask for; a file has
    ``MAX_FILE_ROWS`` users at most. Raises ``ProblemError`` with code ``bad_parameter``."""
    values = dict(given)
    limit = values.pop("limit", MAX_FILE_ROWS if is_file else DEFAULT_LIMIT)
    cursor = values.pop("cursor", None)
    counts = values.pop("count", "false") == "true"
    values["canary"] = values.get("canary") == "true"
    if values["canary"] and values.get("at") is not None:
        raise bad_parameter(
            "canary", "must be false where at is given: nothing of canaries is kept"
        )
    if len(values.get("search") or "") < MIN_SEARCH and "search" in values:
        start = values.pop("search")
        if start and values.setdefault("q", start) != start:
            raise bad_parameter("search", f"needs {MIN_SEARCH} characters beside q")
    if values.get("at") is not None and values.setdefault("sort", "user_id") != "user_id":
        # Any other order would read everybody for each page.
        raise bad_parameter("sort", "must be user_id where at is given")
    return ListRequest(UserFilter(audience, **values), limit, cursor, counts)


def _sort(sorts: tuple[str, ...]) -> Parameter:
    return word_parameter(
        "sort",
        "Newest change first, the default; last online first (of those online); last active "
        "first (of the first 10,000); or by user id, the only one with `at` and the default "
        "there.",
        sorts,
    )


_SEARCHED: Final = max(MAX_USER_ID, MAX_NAME)
_LISTED: Final = (
    part_parameter(
        "q",
        "The start of the user id, or of the name (whatever the case). Empty: no filter.",
        "ada",
        _SEARCHED,
    ),
    part_parameter(
        "search",
        "Anywhere in the user id or the name, whatever the case and the accents; as `q` where it "
        "is shorter than 3 characters. Empty: no filter.",
        "lace",
        _SEARCHED,
    ),
    FILE_LIMIT,
    CURSOR,
    word_parameter("count", "`true`: the answer has `count`, too.", ("true", "false")),
    word_parameter(
        "canary", "`true`: canaries in the place of people; not with `at`.", ("true", "false")
    ),
)
ONLINE_USERS: Final = (
    name_parameter("screen", "Equal, case-sensitive.", "Cart"),
    word_parameter("state", "Only these.", STATES),
    name_parameter("app_version", "Equal, case-sensitive.", "1.10.0"),
    name_parameter(
        "platform", "As the breakdown by platform tells it, whatever the case.", "android"
    ),
    part_parameter(
        "device",
        "Anywhere in `device_info`, whatever the case. Empty: no filter.",
        "Pixel",
        MAX_TEXT["device_info"],
    ),
    AT,
    _sort(SORTS),
    *_LISTED,
)
KNOWN_USERS: Final = (
    word_parameter("state", "Only these.", KNOWN_STATES),
    _sort(KNOWN_SORTS),
    *_LISTED,
)
_USER_ID_FIELD: Final = Field(USER_ID, read_text(MAX_USER_ID))
#: Each once, in the order in which they came.
LOOKUP: Final = object_body(
    "Lookup",
    {
        "user_ids": Field(
            many(USER_ID, "Whom to look up.", minItems=1, maxItems=MAX_LOOKUP),
            lambda value: list(dict.fromkeys(read_list(value, _USER_ID_FIELD, 1, MAX_LOOKUP))),
            f"is missing: a list of 1 to {MAX_LOOKUP:,} ids",
        )
    },
    example='{"user_ids": ["ada"]}',
    max_bytes=MAX_LOOKUP_BYTES,
    make=lambda user_ids: user_ids,
)
