"""What the straight lane uses of aiohttp is there, and is what was read."""

from __future__ import annotations

import hashlib
import inspect

import pytest
from aiohttp import web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler

from schemas.http.known_answers import KnownAnswer, answer_bytes
from schemas.http.lane import PRIVATE, PRIVATE_OF_STREAM, REPLACED, LaneConnection


@pytest.mark.parametrize("member", PRIVATE)
def test_aiohttps_connection_has_the_member(member: str) -> None:
    assert member in {*RequestHandler.__slots__, *BaseProtocol.__slots__}


@pytest.mark.parametrize("member", PRIVATE_OF_STREAM)
def test_aiohttps_stream_has_the_member(member: str) -> None:
    assert member in StreamReader.__slots__


def test_no_other_private_member_is_used() -> None:
    source = inspect.getsource(LaneConnection)
    slots = {*RequestHandler.__slots__, *BaseProtocol.__slots__}
    used = {slot for slot in slots if slot.startswith("_") and f"self.{slot}" in source}
    assert used == set(PRIVATE)


@pytest.mark.parametrize("function", REPLACED)
def test_the_function_that_is_replaced_is_the_one_that_was_read(function: str) -> None:
    """Read aiohttp's new one, bring ``schemas/http/lane.py`` in line, then note its digest."""
    source = inspect.getsource(getattr(RequestHandler, function))
    assert hashlib.sha256(source.encode()).hexdigest() == REPLACED[function]


def test_a_known_answer_has_the_bytes_of_the_same_response() -> None:
    headers = {"Content-Type": "application/json"}
    known = KnownAnswer(web.Response(body=b"{}", headers=headers), {"Vary": "Origin"})
    for closing in (False, True):
        response = web.Response(body=b"{}", headers=headers)
        response.headers["X-Request-ID"] = "r1"
        response.headers["X-Rollcall-Warning"] = "w"
        response.headers["Vary"] = "Origin"
        written = known.bytes("r1", "w", closing=closing)
        date = written.partition(b"Date: ")[2].partition(b"\r\n")[0].decode()
        assert written == answer_bytes(response, date, closing=closing)
