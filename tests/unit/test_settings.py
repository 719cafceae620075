"""Settings that services share: promise 7, one source of keys, and mistakes told one by one."""

from __future__ import annotations

import os
from typing import Any

import pytest
from pydantic import ValidationError

from schemas.settings import (
    DatabaseSettings,
    HttpSettings,
    KafkaSettings,
    TimingSettings,
    TokenSettings,
    load_or_exit,
    timing_problem,
)

SECRET = "x" * 32


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("ROLLCALL_"):
            monkeypatch.delenv(name)


def test_the_defaults_keep_promise_7() -> None:
    timing = TimingSettings()
    assert timing.heartbeat_interval_seconds == 90
    assert timing.offline_after_seconds == 300
    assert timing.reconnect_grace_seconds == 200


@pytest.mark.parametrize(("interval", "offline_after"), [(90, 290), (93, 300), (60, 200), (1, 23)])
def test_timing_that_tolerates_two_lost_heartbeats_is_accepted(
    interval: float, offline_after: float
) -> None:
    assert timing_problem(interval, offline_after) is None
    TimingSettings(heartbeat_interval_seconds=interval, offline_after_seconds=offline_after)


def test_timing_that_breaks_promise_7_is_refused_with_the_sum_and_remedies() -> None:
    with pytest.raises(ValidationError) as caught:
        TimingSettings(heartbeat_interval_seconds=120)
    message = str(caught.value)
    assert "3 × 120 s + 20 s = 380 s is more than offline-after 300 s" in message
    assert "a heartbeat interval of 93 s or less, or offline-after 380 s or more" in message


def test_no_impossible_interval_is_recommended() -> None:
    problem = timing_problem(2, 10)
    assert problem is not None
    assert "interval of" not in problem
    assert "offline-after 26 s or more" in problem


def test_a_test_may_run_with_seconds() -> None:
    timing = TimingSettings(
        heartbeat_interval_seconds=1, offline_after_seconds=3, allow_short_timing=True
    )
    assert timing.offline_after_seconds == 3


@pytest.mark.parametrize("seconds", [0, -1])
def test_durations_are_positive(seconds: float) -> None:
    with pytest.raises(ValidationError):
        TimingSettings(offline_after_seconds=seconds, allow_short_timing=True)


def test_settings_come_from_the_environment_and_do_not_change(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ROLLCALL_KAFKA_BOOTSTRAP", "a:1,b:2")
    monkeypatch.setenv("ROLLCALL_PARTITIONS", "64")
    monkeypatch.setenv("ROLLCALL_TOPIC_PREFIX", "")
    settings = KafkaSettings()
    assert (settings.kafka_bootstrap, settings.partitions) == ("a:1,b:2", 64)
    with pytest.raises(ValidationError):
        settings.partitions = 5  # type: ignore[misc]


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLCALL_PARTITIONS", "")
    assert KafkaSettings().partitions == 12


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"jwt_secret": SECRET, "jwks_url": "https://x"},
        {"jwt_secret": SECRET, "jwt_public_key": "x"},
        {"jwt_public_key": "x", "jwks_url": "https://x"},
        {"jwt_secret": SECRET, "jwt_public_key": "x", "jwks_url": "https://x"},
    ],
)
def test_there_is_exactly_one_source_of_keys(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="set exactly one of ROLLCALL_JWT_SECRET"):
        TokenSettings(**values)


@pytest.mark.parametrize("secret", ["short", "x" * 31, "é" * 15])
def test_a_secret_that_can_be_guessed_is_refused(secret: str) -> None:
    with pytest.raises(ValidationError, match="at least 32 bytes"):
        TokenSettings(jwt_secret=secret)


def test_a_secret_is_measured_in_bytes_and_never_shown() -> None:
    settings = TokenSettings(jwt_secret="é" * 16)
    assert "é" not in repr(settings)


def test_a_database_is_a_url_and_its_password_is_never_shown() -> None:
    settings = DatabaseSettings(database_url="postgresql://u:hidden@h/d?host=/tmp")
    assert settings.dsn == "postgresql://u:hidden@h/d?host=/tmp"
    assert "hidden" not in repr(settings)
    with pytest.raises(ValidationError):
        DatabaseSettings(database_url="mysql://h/d")


def test_each_mistake_is_one_line_that_names_its_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ROLLCALL_PARTITIONS", "many")
    monkeypatch.setenv("ROLLCALL_REPLICATION_FACTOR", "0")
    with pytest.raises(SystemExit) as caught:
        load_or_exit(KafkaSettings)
    assert caught.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("rollcall: ROLLCALL_PARTITIONS: ")
    assert lines[1].startswith("rollcall: ROLLCALL_REPLICATION_FACTOR: ")


def test_a_mistake_of_several_settings_is_one_line_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ROLLCALL_HEARTBEAT_INTERVAL_SECONDS", "120")
    with pytest.raises(SystemExit):
        load_or_exit(TimingSettings)
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("rollcall: 3 × 120 s + 20 s = 380 s")


def test_good_settings_are_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLCALL_JWT_SECRET", SECRET)
    assert load_or_exit(TokenSettings).user_claim == "sub"


def test_a_trusted_proxy_that_is_no_network_is_named_with_the_remedy() -> None:
    with pytest.raises(ValidationError, match=r"ROLLCALL_TRUSTED_PROXIES: .*10\.0\.0\.1/8.* write"):
        HttpSettings(trusted_proxies="10.0.0.1/8")
    assert HttpSettings(trusted_proxies="10.0.0.0/8").proxies.client("10.1.1.1", ["1.2.3.4"]) == (
        "1.2.3.4"
    )
