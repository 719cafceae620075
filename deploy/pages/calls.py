"""``make docs``: the table of calls in docs/api.md, from their declarations."""

from __future__ import annotations

from collections.abc import Iterator

from api.openapi import CALLS
from deploy.pages.privacy import BEGIN, END
from schemas.openapi import phones


def calls_page(page: str) -> str:
    """``page`` with the table at its place."""
    head, rest = page.split(BEGIN)
    _, tail = rest.split(END)
    return head + BEGIN + "".join(_table()) + END + tail


def _table() -> Iterator[str]:
    yield "| call | who | what |\n| --- | --- | --- |\n"
    for path, item in phones.PATHS.items():
        for method, each in item.items():
            yield _line(method.upper(), path, "a phone's token", each["summary"])
    for call in sorted(CALLS, key=lambda call: call.path):
        yield _line(call.method, call.path, call.may.told, call.summary)


def _line(method: str, path: str, who: str, what: str) -> str:
    return f"| `{method} {path}` | {who} | {what} |\n"
