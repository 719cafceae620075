"""Answers whose bytes are known, as aiohttp would write them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

from aiohttp import hdrs, web
from aiohttp.helpers import rfc822_formatted_time

from schemas.http.responses import PLAIN_HEADERS, REQUEST_ID

#: Stands in a template for the request id.
_ID: Final = "<request id>"


def answer_bytes(response: web.Response, date: str, *, closing: bool) -> bytes:
    """What aiohttp writes for ``response`` behind a server of ours, ``prepared`` by nobody."""
    body = cast(bytes, response.body or b"")
    headers = response.headers
    headers.update(PLAIN_HEADERS)
    headers[hdrs.CONTENT_LENGTH] = str(len(body))
    headers[hdrs.DATE] = date
    if closing:
        headers[hdrs.CONNECTION] = "close"
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {response.status} {response.reason}\r\n{head}\r\n".encode() + body


class KnownAnswer:
    """An answer whose bytes are known but for its request id and its date. ``after`` are headers
    that follow the request id."""

    __slots__ = ("_before_id", "_date", "_response", "_tails")

    def __init__(self, response: web.Response, after: Mapping[str, str]) -> None:
        self._response = response
        response.headers[REQUEST_ID] = _ID
        response.headers.update(after)
        self._date = ""
        self._before_id = b""
        self._tails: dict[bool, bytes] = {}

    def bytes(self, request_id: str, warning: str = "", *, closing: bool) -> bytes:
        """The answer now. ``warning`` is the value of ``X-Rollcall-Warning``, which follows the
        request id where there is one."""
        date = rfc822_formatted_time()
        if date != self._date:
            self._write(date)
        if warning:
            request_id = f"{request_id}\r\nX-Rollcall-Warning: {warning}"
        return self._before_id + request_id.encode() + self._tails[closing]

    def _write(self, date: str) -> None:
        self._date = date
        for closing in (False, True):
            written = answer_bytes(self._response, date, closing=closing)
            self._before_id, _, self._tails[closing] = written.partition(_ID.encode())
        del self._response.headers[hdrs.CONNECTION]
