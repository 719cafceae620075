"""Paths that apps in the field call, however they were put together. PURE.

A base address that ends in a slash, a path that begins with two, a tool that wrote a capital: the
frozen calls are reached all the same. Elsewhere such a path is a 404, which names the right one.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Final

HEARTBEAT_PATH: Final = "/api/update-online-status"
LOGOUT_PATH: Final = "/api/logout-status"
COUNT_PATH: Final = "/api/online-users-count"
SOCKET_PATH: Final = "/api/ws"
FROZEN_PATHS: Final = (HEARTBEAT_PATH, LOGOUT_PATH, COUNT_PATH, SOCKET_PATH)

_FROZEN: Final = {path.replace("/", ""): path for path in FROZEN_PATHS}
_FROZEN_LIKE: Final = re.compile(
    "|".join("/+" + path[1:].replace("/", "/+") + "/*" for path in FROZEN_PATHS), re.IGNORECASE
)
#: Nobody mistypes a path that is longer; comparing takes the square of its length.
_MAX_COMPARED: Final = 80
_LIKENESS: Final = 0.8
_NO_LETTER: Final = re.compile("[^a-z0-9/]")


def frozen_path(path: str) -> str | None:
    """The frozen path that ``path`` is but for slashes and capitals; ``None`` for any other."""
    if _FROZEN_LIKE.fullmatch(path) is None:
        return None
    return _FROZEN[path.replace("/", "").lower()]


def nothing_here(path: str, others: Iterable[str]) -> str:
    """What a 404 says: which of the frozen paths and ``others`` ``path`` was probably meant for."""
    frozen = frozen_path(path)
    if frozen is not None:
        return (
            f"{frozen} is a call of Rollcall's, but not of this service: phones' calls are "
            "ingest's, the count is the API's. Is the port right?"
        )
    meant = _meant(path, [*FROZEN_PATHS, *others])
    return "Nothing is at this address." + (f" Did you mean {meant}?" if meant else "")


def _meant(path: str, known: list[str]) -> str | None:
    if len(path) > _MAX_COMPARED:
        return None
    bare = {_bare(each): each for each in reversed(known)}
    sought = _bare(path)
    if sought in bare:
        return bare[sought]
    # Without its beginning, or with another in front of it.
    last = sought.rpartition("/")[2]
    for each in FROZEN_PATHS:
        if last == _bare(each).rpartition("/")[2]:
            return each
    close = difflib.get_close_matches(sought, bare, n=1, cutoff=_LIKENESS)
    return bare[close[0]] if close else None


def _bare(path: str) -> str:
    """Letters, digits and single slashes."""
    letters = _NO_LETTER.sub("", path.lower())
    return "/" + "/".join(part for part in letters.split("/") if part)
