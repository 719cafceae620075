"""Which web pages may call."""

from __future__ import annotations

import pytest

from schemas.http.cors import Cors

LOCAL = Cors(["http://localhost:*", "http://127.0.0.1:*", "https://app.example.com"])


@pytest.mark.parametrize(
    "origin",
    [
        "http://localhost",
        "http://localhost:5173",
        "http://localhost:65535",
        "http://127.0.0.1:8000",
        "https://app.example.com",
    ],
)
def test_a_listed_origin_may_call_and_read_our_headers(origin: str) -> None:
    headers = LOCAL.headers(origin)
    assert headers["Access-Control-Allow-Origin"] == origin
    assert LOCAL.origin_allowed(origin)
    assert "X-Heartbeat-Interval-Seconds" in headers["Access-Control-Expose-Headers"]
    assert headers["Vary"] == "Origin"
    assert (
        "authorization" in LOCAL.preflight_headers(origin, "POST")["Access-Control-Allow-Headers"]
    )


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "null",
        "",
        "https://localhost:5173",
        "http://localhost.evil.example",
        "http://localhost:80.evil.example",
        "http://localhost:",
        "http://evil.example/http://localhost:1",
        "https://app.example.com:8443",
        "https://appXexample.com",
        "http://localhost:1\nx",
    ],
)
def test_any_other_origin_gets_no_permission(origin: str | None) -> None:
    assert LOCAL.headers(origin) == {"Vary": "Origin"}
    assert LOCAL.preflight_headers(origin, "POST") == {"Vary": "Origin"}


def test_credentials_are_never_allowed() -> None:
    for headers in (
        LOCAL.headers("http://localhost:1"),
        LOCAL.preflight_headers("http://localhost:1", "POST"),
    ):
        assert "Access-Control-Allow-Credentials" not in headers


def test_without_a_list_there_is_no_cors_at_all() -> None:
    assert Cors([]).headers("http://localhost:1") == {}
    assert Cors([]).preflight_headers("http://localhost:1", "POST") == {}


def test_a_socket_is_opened_by_who_sends_no_origin_or_a_listed_one() -> None:
    assert LOCAL.origin_allowed(None)
    assert not LOCAL.origin_allowed("https://evil.example")
    assert not LOCAL.origin_allowed("")
    assert Cors([]).origin_allowed(None)
    assert not Cors([]).origin_allowed("http://localhost:1")
