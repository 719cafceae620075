"""Named queries from a ``.sql`` file: each starts with ``-- name: …`` and ends at the next one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)[^\n]*\n", re.MULTILINE)
_PART = re.compile(r"\{(\w+)\}")


def load_queries(
    package: str, path: str, parts: Mapping[str, str] | None = None
) -> dict[str, bytes]:
    """The queries of a file by name, as bytes: what psycopg takes for trusted SQL.

    ``{name}`` in a query stands for the part of that name; one that is not given stays as it is.
    """
    given = parts or {}
    text = files(package).joinpath(path).read_text("utf-8")
    text = _PART.sub(lambda found: given.get(found[1], found[0]), text)
    pieces = _NAME.split(text)
    # [text before the first name, name, query, name, query, …]
    return {
        name: query.strip().encode() for name, query in zip(pieces[1::2], pieces[2::2], strict=True)
    }
