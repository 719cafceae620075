"""The settings of ingest, and which of them are refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from ingest.settings import IngestSettings


def settings(**values: Any) -> IngestSettings:
    return IngestSettings(jwt_secret="x" * 32, **values)


def test_ingest_listens_where_its_variables_say(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (
        ("ROLLCALL_INGEST_HOST", "0.0.0.0"),
        ("ROLLCALL_INGEST_PORT", "1"),
        ("ROLLCALL_INGEST_ADMIN_HOST", "::1"),
        ("ROLLCALL_INGEST_ADMIN_PORT", "2"),
    ):
        monkeypatch.setenv(name, value)
    found = settings()
    assert (found.ingest_host, found.ingest_port) == ("0.0.0.0", 1)
    assert (found.ingest_admin_host, found.ingest_admin_port) == ("::1", 2)


def test_origins_are_a_list_in_lower_case() -> None:
    found = settings(cors_origins=" http://LOCALHOST:* ,https://app.example.com,, http://[::1]:80")
    assert found.cors_origin_list == (
        "http://localhost:*",
        "https://app.example.com",
        "http://[::1]:80",
    )
    assert settings().cors_origin_list == ()


@pytest.mark.parametrize(
    "origin",
    ["*", "localhost", "localhost:*", "https://*.example.com", "https://a.example/", "ftp://a"],
)
def test_what_is_no_origin_is_refused(origin: str) -> None:
    with pytest.raises(ValidationError, match="is not an origin"):
        settings(cors_origins=origin)


def test_timing_that_breaks_promise_7_is_refused_here_too() -> None:
    with pytest.raises(ValidationError, match="two lost heartbeats"):
        settings(heartbeat_interval_seconds=120)


def test_workers_cannot_share_a_port_that_nobody_chose() -> None:
    with pytest.raises(ValidationError, match="ROLLCALL_INGEST_PORT: with several workers"):
        settings(ingest_workers=2, ingest_port=0)
    assert settings(ingest_port=0).ingest_workers == 1


def test_a_bound_of_silence_that_no_client_can_keep_to_is_refused() -> None:
    with pytest.raises(ValidationError, match="at least twice ROLLCALL_HEARTBEAT_INTERVAL_SECONDS"):
        settings(max_silent_foreground_seconds=120)
    assert settings(max_silent_foreground_seconds=180).max_silent_foreground_seconds == 180
