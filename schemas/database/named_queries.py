"""Named queries from a ``.sql`` file: each starts with ``-- name: …`` and ends at the next one.

``{name}`` in a query stands for the query of that name in the same file, or for a part that is
given from elsewhere; these may hold parts themselves. A name that is neither stays as it is, for
:func:`filled`, where each call decides what it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)[^\n]*\n", re.MULTILINE)
_PART = re.compile(rb"\{(\w+)\}")


def load_queries(
    package: str, path: str, parts: Mapping[str, str | bytes] | None = None
) -> dict[str, bytes]:
    """The queries of a file by name, as bytes: what psycopg takes for trusted SQL."""
    queries = _written(package, path)
    given = {
        name: part.encode() if isinstance(part, str) else part
        for name, part in (parts or {}).items()
    }
    known = {**queries, **given}

    def part_of(found: re.Match[bytes]) -> bytes:
        name = found[1].decode()
        return resolved(known[name]) if name in known else found[0]

    def resolved(query: bytes) -> bytes:
        return _PART.sub(part_of, query)

    return {name: resolved(query) for name, query in queries.items()}


@cache
def _written(package: str, path: str) -> Mapping[str, bytes]:
    """As they are in the file, which does not change while we run."""
    text = files(package).joinpath(path).read_text("utf-8")
    pieces = _NAME.split(text)
    # [text before the first name, name, query, name, query, …]
    return {
        name: query.strip().encode() for name, query in zip(pieces[1::2], pieces[2::2], strict=True)
    }


def filled(query: bytes, **parts: bytes) -> bytes:
    """``query`` with ``parts`` in their places."""
    return _PART.sub(lambda found: parts.get(found[1].decode(), found[0]), query)
