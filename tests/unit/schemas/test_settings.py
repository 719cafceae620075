"""Settings that services share: promise 7, one source of keys, and mistakes told one by one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from processor.settings import ProcessorSettings
from schemas.http.settings import HttpSettings
from schemas.log.client import client_options
from schemas.log.settings import KafkaSettings
from schemas.log.topic_retention import in_words
from schemas.service.settings import DatabaseSettings, TimingSettings, load_or_exit, timing_problem
from schemas.tokens.settings import TokenSettings
from schemas.tokens.staff_settings import StaffSettings

SECRET = "x" * 32
STAFF_SECRET = "y" * 32
SASL: dict[str, Any] = {
    "kafka_security_protocol": "SASL_PLAINTEXT",
    "kafka_sasl_mechanism": "SCRAM-SHA-256",
    "kafka_sasl_username": "me",
    "kafka_sasl_password": "secret-1",
}
INTROSPECTION: dict[str, Any] = {
    "introspection_url": "https://id.example/introspect",
    "introspection_client_id": "rollcall",
    "introspection_client_secret": "s",
}


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


def test_a_log_that_is_kept_shorter_than_the_durations_take_is_refused_with_the_sum() -> None:
    with pytest.raises(ValidationError) as caught:
        ProcessorSettings(log_retention_hours=1, outage_hold_seconds=7200)
    message = str(caught.value)
    assert "ROLLCALL_LOG_RETENTION_HOURS=1 is less than offline-after 300 s + " in message
    assert "+ outage hold 7200 s + " in message
    assert "= 7760 s" in message
    assert "use 3 or more" in message
    ProcessorSettings(log_retention_hours=3, outage_hold_seconds=7200)
    # Of a log for replay nothing goes.
    ProcessorSettings(log_retention_hours=1, outage_hold_seconds=7200, allow_create_time=True)


def test_records_of_erasures_are_kept_as_long_as_the_log_asks_for_them() -> None:
    with pytest.raises(ValidationError, match=r"RETENTION_DAYS=2 is less.*use 3 or more"):
        ProcessorSettings(erasures_retention_days=2)
    ProcessorSettings(erasures_retention_days=3)


@pytest.mark.parametrize(
    ("ms", "said"),
    [
        *((300_000, "5 minutes"), (3_600_000, "1 hour"), (259_200_000, "72 hours")),
        *((604_800_000, "7 days"), (604_800_000 // 12, "14 hours"), (30_000_000, "9 hours")),
        (-1, "for ever"),
    ],
)
def test_how_long_is_told_in_the_unit_that_people_use(ms: int, said: str) -> None:
    assert in_words(ms) == said


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
        {"jwks_url": "https://x", **INTROSPECTION},
        {"userinfo_url": "https://x", **INTROSPECTION},
        {"userinfo_url": "https://x", "jwt_secret": SECRET},
        {"previous_jwt_secret": SECRET},
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


def test_introspection_is_the_fourth_source_of_keys() -> None:
    server = TokenSettings(**INTROSPECTION, jwt_audience="rollcall").authorization_server
    assert server is not None
    asking = server.asking
    assert (asking.url, asking.cache_seconds) == ("https://id.example/introspect", 60)
    assert server.rules.audiences == ("rollcall",)
    assert TokenSettings(jwt_secret=SECRET).authorization_server is None


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"introspection_client_id": None}, "needs ROLLCALL_INTROSPECTION_CLIENT_ID"),
        ({"introspection_client_secret": None}, "ROLLCALL_INTROSPECTION_CLIENT_SECRET"),
        ({"jwt_algorithms": "RS256"}, "ROLLCALL_JWT_ALGORITHMS means nothing"),
        ({"introspection_url": "id.example"}, "introspection_url"),
        ({"introspection_cache_seconds": 3601}, "introspection_cache_seconds"),
    ],
)
def test_introspection_that_cannot_work_is_refused_naming_the_setting(
    values: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValidationError, match=words):
        TokenSettings(**{**INTROSPECTION, **values})


def test_a_back_end_that_is_asked_is_the_fifth_source_of_keys() -> None:
    settings = TokenSettings(userinfo_url="https://x", userinfo_header="X-Key: a b")
    back_end = settings.back_end
    assert back_end is not None
    assert (back_end.asking.url, back_end.asking.cache_seconds) == ("https://x", 900)
    assert back_end.header == ("X-Key", "a b")
    assert "a b" not in repr(settings) + repr(back_end)
    assert back_end.rules.user_claims == ("id", "sub")
    named = TokenSettings(userinfo_url="https://x", user_claim="sub").back_end
    assert named is not None
    assert named.rules.user_claims == ("sub",)
    assert TokenSettings(jwt_secret=SECRET).back_end is None


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"userinfo_url": "app.example/user"}, "userinfo_url"),
        ({"jwt_audience": "x"}, "ROLLCALL_JWT_AUDIENCE means nothing"),
        ({"jwt_issuer": "x"}, "ROLLCALL_JWT_ISSUER means nothing"),
        ({"jwt_algorithms": "RS256"}, "ROLLCALL_JWT_ALGORITHMS means nothing"),
        ({"userinfo_header": "no header"}, "ROLLCALL_USERINFO_HEADER"),
        ({"userinfo_header": "Authorization: Basic x"}, "ROLLCALL_USERINFO_HEADER"),
        ({"userinfo_header": "X-Key: a\r\nX-Other: b"}, "ROLLCALL_USERINFO_HEADER"),
        (
            {"previous_jwt_secret": SECRET, "previous_jwks_url": "https://x"},
            "unset ROLLCALL_PREVIOUS_JWKS_URL",
        ),
        ({"previous_jwt_secret": "short"}, "ROLLCALL_PREVIOUS_JWT_SECRET must have at least 32"),
    ],
)
def test_sources_that_cannot_work_are_refused_naming_the_setting(
    values: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValidationError, match=words):
        TokenSettings(**{"userinfo_url": "https://x", **values})


@pytest.mark.parametrize(
    ("secret", "words"),
    [("base64:" + "YQ" * 20, "at least 32 bytes"), ("base64:" + "!" * 60, "is no base64")],
)
def test_a_secret_in_base64_is_measured_by_its_bytes(secret: str, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        TokenSettings(jwt_secret=secret)


def test_staff_is_not_apart_by_a_list_that_names_the_phones_audience_too() -> None:
    values: dict[str, Any] = {"staff_jwt_secret": SECRET, "jwt_audience": "phones, web"}
    with pytest.raises(ValidationError, match="is the phones' too"):
        StaffSettings(jwt_secret=SECRET, **values, staff_jwt_audience="staff,web")
    assert StaffSettings(jwt_secret=SECRET, **values, staff_jwt_audience="staff,team").staff_issuer
    with pytest.raises(ValidationError, match="is the phones' too"):
        StaffSettings(jwks_url="https://x", previous_jwt_secret=SECRET, staff_jwt_secret=SECRET)


def test_staff_is_not_apart_unless_it_is_said() -> None:
    assert StaffSettings(jwt_secret=SECRET).staff_issuer is None


@pytest.mark.parametrize(
    "values",
    [
        {"staff_jwt_secret": STAFF_SECRET},
        {"staff_jwt_public_key": "pem"},
        {"staff_jwks_url": "https://x"},
        {"staff_jwt_secret": SECRET, "staff_jwt_audience": "staff", "jwt_audience": "phones"},
        {"staff_jwt_secret": SECRET, "staff_jwt_issuer": "staff", "jwt_issuer": "phones"},
    ],
)
def test_staff_has_a_key_or_a_claim_that_tells_it_from_phones(values: dict[str, Any]) -> None:
    issuer = StaffSettings(jwt_secret=SECRET, **values).staff_issuer
    assert issuer is not None
    assert issuer.variables == "ROLLCALL_STAFF_"
    assert issuer.rules.audiences == tuple(filter(None, [values.get("staff_jwt_audience")]))
    assert issuer.rules.issuers == tuple(filter(None, [values.get("staff_jwt_issuer")]))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"staff_jwt_secret": "short"}, "ROLLCALL_STAFF_JWT_SECRET must have at least 32 bytes"),
        ({"staff_jwt_secret": SECRET}, "ROLLCALL_STAFF_JWT_SECRET is the phones' too"),
        ({"staff_jwt_secret": SECRET, "staff_jwt_audience": "staff"}, "is the phones' too"),
        (
            {"staff_jwt_secret": SECRET, "staff_jwt_issuer": "i", "jwt_issuer": "i"},
            "is the phones' too",
        ),
        (
            {"staff_jwt_secret": STAFF_SECRET, "staff_jwks_url": "https://x"},
            "unset ROLLCALL_STAFF_JWKS_URL",
        ),
        ({"staff_jwt_audience": "staff"}, "ROLLCALL_STAFF_JWT_AUDIENCE needs a key of staff"),
        ({"staff_jwt_issuer": "staff"}, "ROLLCALL_STAFF_JWT_ISSUER needs a key of staff"),
    ],
)
def test_staff_that_cannot_be_told_from_phones_is_refused(
    values: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValidationError, match=words):
        StaffSettings(jwt_secret=SECRET, **values)


def test_one_key_set_for_phones_and_staff_needs_two_audiences() -> None:
    both: dict[str, Any] = {"jwks_url": "https://x", "staff_jwks_url": "https://x"}
    with pytest.raises(ValidationError, match="ROLLCALL_STAFF_JWKS_URL is the phones' too"):
        StaffSettings(**both, jwt_audience="a", staff_jwt_audience="a")
    assert StaffSettings(**both, jwt_audience="a", staff_jwt_audience="b").staff_issuer is not None


def test_a_database_is_a_url_and_its_password_is_never_shown() -> None:
    settings = DatabaseSettings(database_url="postgresql://u:hidden@h/d?host=/tmp")
    assert settings.dsn == "postgresql://u:hidden@h/d?host=/tmp&target_session_attrs=read-write"
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


def test_secrets_come_from_files_and_a_variable_goes_before_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rollcall_database_url").write_text("postgresql://u:p@h/of_the_file\n")
    (tmp_path / "ROLLCALL_KAFKA_BOOTSTRAP").write_text("kafka:9092")
    assert KafkaSettings().kafka_bootstrap == "127.0.0.1:9092"
    monkeypatch.setenv("ROLLCALL_SECRETS_DIR", str(tmp_path))
    assert DatabaseSettings().database_url.get_secret_value() == "postgresql://u:p@h/of_the_file"
    assert KafkaSettings().kafka_bootstrap == "kafka:9092"
    monkeypatch.setenv("ROLLCALL_DATABASE_URL", "postgresql://u:p@h/of_the_variable")
    assert DatabaseSettings().database_url.get_secret_value().endswith("of_the_variable")


def test_a_folder_of_secrets_that_is_not_there_is_named_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ROLLCALL_SECRETS_DIR", str(tmp_path / "none"))
    with pytest.raises(SystemExit) as caught:
        load_or_exit(DatabaseSettings)
    assert caught.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"rollcall: ROLLCALL_SECRETS_DIR: {tmp_path / 'none'} is not a folder")
    assert "unset it" in line


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            {"kafka_sasl_username": "me"},
            "_SASL_USERNAME says nothing with ROLLCALL_KAFKA_SECURITY_PROTOCOL=PLAINTEXT: set",
        ),
        (
            {"kafka_sasl_password": "secret-1", "kafka_security_protocol": "SSL"},
            "ROLLCALL_KAFKA_SECURITY_PROTOCOL=SSL: set that to SASL_SSL, or unset this",
        ),
        ({"kafka_ssl_check_hostname": False}, "PLAINTEXT: set that to SSL"),
        ({**SASL, "kafka_ssl_ca_file": "ca.pem"}, "SASL_PLAINTEXT: set that to SASL_SSL"),
        ({**SASL, "kafka_sasl_mechanism": None}, "needs ROLLCALL_KAFKA_SASL_MECHANISM too"),
        ({**SASL, "kafka_sasl_username": ""}, "needs ROLLCALL_KAFKA_SASL_USERNAME too"),
        (
            {**SASL, "kafka_sasl_password": ""},
            "exactly one of ROLLCALL_KAFKA_SASL_PASSWORD and ROLLCALL_KAFKA_SASL_PASSWORD_FILE",
        ),
        ({**SASL, "kafka_sasl_password_file": "p"}, "exactly one of ROLLCALL_KAFKA_SASL_PASSWORD"),
        (
            {**SASL, "kafka_sasl_password": "", "kafka_sasl_password_file": "/no/such"},
            "ROLLCALL_KAFKA_SASL_PASSWORD_FILE: No such file or directory: /no/such",
        ),
        (
            {"kafka_security_protocol": "SSL", "kafka_ssl_ca_file": "/no/such"},
            "ROLLCALL_KAFKA_SSL_CA_FILE: No such file or directory",
        ),
        (
            {"kafka_security_protocol": "SSL", "kafka_ssl_ca_file": __file__},
            "ROLLCALL_KAFKA_SSL_CA_FILE: not a PEM file that can be used",
        ),
        (
            {"kafka_security_protocol": "SSL", "kafka_ssl_certificate_file": __file__},
            "ROLLCALL_KAFKA_SSL_CERTIFICATE_FILE, ROLLCALL_KAFKA_SSL_KEY_FILE and",
        ),
        (
            {"kafka_security_protocol": "SSL", "kafka_ssl_key_file": __file__},
            "a key needs ROLLCALL_KAFKA_SSL_CERTIFICATE_FILE too",
        ),
        ({"kafka_bootstrap": " , "}, "ROLLCALL_KAFKA_BOOTSTRAP: name at least one server"),
    ],
)
def test_contradictions_about_kafka_are_told_with_their_variables(
    values: dict[str, Any], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        load_or_exit(lambda: KafkaSettings(**values))
    assert caught.value.code == 2
    told = capsys.readouterr().err
    assert said in told
    assert "secret-1" not in told


def test_every_client_of_kafka_is_made_with_the_same_options() -> None:
    options = client_options(KafkaSettings(**SASL, kafka_bootstrap="a:1, b:2 ,"))
    assert options == {
        "bootstrap_servers": ["a:1", "b:2"],
        "security_protocol": "SASL_PLAINTEXT",
        "ssl_context": None,
        "sasl_mechanism": "SCRAM-SHA-256",
        "sasl_plain_username": "me",
        "sasl_plain_password": "secret-1",
    }


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("postgresql://h/d", "postgresql://h/d?target_session_attrs=read-write"),
        (
            "postgresql://a,b:5433/d?sslmode=require",
            "postgresql://a,b:5433/d?sslmode=require&target_session_attrs=read-write",
        ),
        ("postgresql://h/d?target_session_attrs=any", "postgresql://h/d?target_session_attrs=any"),
    ],
)
def test_a_connection_goes_to_the_server_that_takes_writes_unless_told_otherwise(
    given: str, used: str
) -> None:
    assert DatabaseSettings(database_url=given).dsn == used
    assert DatabaseSettings(database_session_url=given).session_dsn == used
