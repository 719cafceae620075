"""Reads docs/integration.md: its tables, its code, and the requests and frames that it shows.

- An ``http`` block is a request, an empty line, its answer; a word after ``http`` names what must
  be so before it is answered like that.
- A ``socket`` block is one WebSocket: ``>`` is sent, ``<`` comes, ``#`` happens.
- ``<token>`` and its like stand for real tokens. ``…`` is what differs every time; as a key it
  stands for further ones.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.rigs.harness import token

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "integration.md").read_text("utf-8")
ELLIPSIS = "…"
#: Numbers that depend on the moment: only their type is compared.
MOMENTARY_FIELDS = frozenset({"seconds", "reconnect_after_ms"})

_FENCE = re.compile(r"^```(\w+)(?: ([\w-]+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PLACEHOLDER = re.compile(r"<((?:[\w-]+ )*token(?: [\w ]+)?)>")


@dataclass(frozen=True)
class Block:
    """A fenced block; ``line`` is where it begins in the page."""

    language: str
    condition: str | None
    text: str
    line: int


def blocks(page: str) -> tuple[Block, ...]:
    return tuple(
        Block(found[1], found[2], found[3], page.count("\n", 0, found.start()) + 2)
        for found in _FENCE.finditer(page)
    )


BLOCKS = blocks(PAGE)


@dataclass(frozen=True)
class Exchange:
    """A documented request and its answer."""

    method: str
    path: str
    headers: dict[str, str]
    body: str
    status: int
    answer_headers: dict[str, str]
    answer_body: str

    @classmethod
    def of(cls, block: Block) -> Exchange:
        request, _, answer = block.text.partition("\nHTTP/1.1 ")
        request_line, headers, body = _message(request)
        status_line, answer_headers, answer_body = _message(answer)
        method, path, _version = request_line.split(" ")
        status = int(status_line.split(" ")[0])
        return cls(method, path, headers, body, status, answer_headers, answer_body)


def _message(text: str) -> tuple[str, dict[str, str], str]:
    head, _, body = text.strip("\n").partition("\n\n")
    first, *lines = head.split("\n")
    return first, dict(line.split(": ", 1) for line in lines), body


def with_tokens(text: str) -> str:
    """``text`` with real tokens in the places of those that it names."""
    now = int(time.time())
    tokens = {
        "token": token("docs"),
        "newer token": token("docs", jti="newer"),
        "expired token": token("docs", exp=1),
        # Half a minute of leeway comes on top.
        "token that ends in a minute": token("docs", exp=now + 30),
        "token of another user": token("another"),
    }
    return _PLACEHOLDER.sub(lambda found: tokens[found[1]], text)


def json_of(text: str) -> Any:
    return json.loads(text) if text else None


def matches(documented: Any, got: Any) -> bool:
    """Whether ``got`` is what the page says."""
    if documented == ELLIPSIS:
        return got not in (None, "")
    if isinstance(documented, dict) and isinstance(got, dict):
        named = documented.keys() - {ELLIPSIS}
        complete = named == got.keys() or (ELLIPSIS in documented and named < got.keys())
        return complete and all(
            type(got[key]) is type(documented[key])
            if key in MOMENTARY_FIELDS
            else matches(documented[key], got[key])
            for key in named
        )
    if isinstance(documented, list) and isinstance(got, list):
        return len(documented) == len(got) and all(map(matches, documented, got))
    return type(documented) is type(got) and bool(documented == got)


def table(heading: str, page: str = PAGE) -> list[list[str]]:
    """The rows of the first table under a heading. A cell that is all code loses its marks."""
    section = re.split(rf"^#+ {re.escape(heading)}$", page, flags=re.MULTILINE)[1]
    lines = section[section.index("\n| --- ") + 1 :].split("\n")[1:]
    rows = lines[: next(n for n, line in enumerate(lines) if not line.startswith("|"))]
    return [[_plain(cell.strip()) for cell in row.strip("|").split("|")] for row in rows]


def _plain(cell: str) -> str:
    return re.sub(r"^`([^`]*)`$", r"\1", cell)
