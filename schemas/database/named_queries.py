"""Named queries from a ``.sql`` file: each starts with ``-- name: …`` and ends at the next one."""

from __future__ import annotations

import re
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)[^\n]*\n", re.MULTILINE)


def load_queries(package: str, path: str) -> dict[str, bytes]:
    """The queries of a file by name, as bytes: what psycopg takes for trusted SQL."""
    text = files(package).joinpath(path).read_text("utf-8")
    parts = _NAME.split(text)
    # [text before the first name, name, query, name, query, …]
    return {
        name: query.strip().encode() for name, query in zip(parts[1::2], parts[2::2], strict=True)
    }
