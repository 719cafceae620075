"""How Rollcall does: what processes say, and what is made of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest
from msgspec import to_builtins
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from api.admin_targets import MOST_TARGETS, Target, parse_targets
from api.health import described
from api.health.processes import Poll, Process
from api.health.rates import WINDOW_SECONDS, Rates
from api.health.state import Stored, health
from api.health.told import (
    Audit,
    NotOursError,
    PartitionLag,
    Readiness,
    Told,
    read_metrics,
    read_readiness,
)
from api.http.words import OutageKind
from api.metrics import ApiMetrics
from api.settings import ApiSettings
from ingest.metrics import IngestMetrics
from processor.core.outage import Kind
from processor.notify.metrics import NotifyMetrics
from processor.watch.metrics import ROLLUPS, Metrics
from processor.watch.partition_metrics import PartitionMetrics
from schemas.service.distribution import rollcall_version
from tests.rigs.api_harness import SECRET

NOON = datetime(2026, 3, 30, 12, tzinfo=UTC)
VERSION = rollcall_version()


def text_of(registry: CollectorRegistry) -> str:
    return generate_latest(registry).decode()


# -- what is set


def test_targets_are_hosts_and_ports_each_once() -> None:
    targets = parse_targets("Ingest:9081, [::1]:9083,ingest:9081,,127.0.0.1:9082", ("ingest",))
    assert targets == (Target("ingest", 9081), Target("::1", 9083), Target("127.0.0.1", 9082))
    assert [str(each) for each in targets] == ["ingest:9081", "[::1]:9083", "127.0.0.1:9082"]
    assert parse_targets("", ()) == ()


@pytest.mark.parametrize(
    "wrong",
    [
        *("ingest", "ingest:", ":9081", "http://ingest:9081", "ingest:9081/metrics", "a@ingest:1"),
        *("ingest:0", "ingest:99999", "ingest:x", "[::1:9081", "ingest:9081?x", "ingest:9081#x"),
    ],
)
def test_what_is_no_target_is_refused_with_what_would_be_right(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"no host:port; write one like ingest:9081"):
        parse_targets(wrong, ("ingest",))


def test_a_host_is_asked_in_the_clear_by_the_rule_of_all_others() -> None:
    for host in ("ingest", "10.0.0.7", "ingest.apps.svc"):
        with pytest.raises(ValueError, match=f"name {host} in ROLLCALL_PLAIN_HTTP_HOSTS too"):
            parse_targets(f"{host}:9081", ("api", ".svc.cluster.local"))
    assert parse_targets("ingest.apps.svc:9081", (".svc",))
    settings = ApiSettings(
        jwt_secret=SECRET, admin_targets="API:9082,localhost:1", plain_http_hosts="Api"
    )
    assert [str(each) for each in settings.targets] == ["api:9082", "localhost:1"]
    with pytest.raises(ValueError, match="ROLLCALL_PLAIN_HTTP_HOSTS"):
        ApiSettings(jwt_secret=SECRET, admin_targets="api:9082")


def test_there_are_not_more_targets_than_can_be_asked() -> None:
    names = ",".join(f"localhost:{port}" for port in range(1, MOST_TARGETS + 2))
    with pytest.raises(ValueError, match=f"names 65 targets, {MOST_TARGETS} at most"):
        parse_targets(names, ())


# -- what a process says


def test_ingest_says_what_it_accepted_and_its_sockets() -> None:
    registry = CollectorRegistry()
    metrics = IngestMetrics(registry)
    metrics.http_events["heartbeat"].inc(40)
    metrics.http_events["logout"].inc(2)
    metrics.sockets_open.set(3)
    told = read_metrics(text_of(registry))
    assert told == Told({"ingest": VERSION}, heartbeats=40, sockets=3)


def test_a_processor_says_which_partitions_it_has_and_what_it_does_not_know_is_nothing() -> None:
    registry = CollectorRegistry()
    Metrics(registry)
    registry.register(PartitionMetrics())
    told = read_metrics(text_of(registry))
    # Retention has not run: its time is NaN.
    assert told == Told({"processor": VERSION}, partitions={}, retention_at=None)
    lines = (
        'rollcall_processor_build_info{version="0.3"} 1.0',
        'rollcall_processor_next_offset{partition="3"} 9.0',
        'rollcall_processor_lag_records{partition="3"} 12.0',
        'rollcall_processor_lag_seconds{partition="3"} 1.5',
        'rollcall_processor_lag_records{partition="5"} NaN',
        'rollcall_processor_next_offset{partition="5"} 1.0',
        'rollcall_processor_next_offset{partition="99999"} 1.0',
        'rollcall_processor_next_offset{partition="-1"} 1.0',
        "rollcall_processor_retention_last_run_timestamp_seconds 1774872000.5",
        "process_start_time_seconds 1774868400.0",
    )
    assert read_metrics("\n".join(lines)) == Told(
        {"processor": "0.3"},
        started_at=1774868400.0,
        partitions={3: PartitionLag(12, 1.5), 5: PartitionLag()},
        retention_at=1774872000.5,
    )


def test_services_that_share_a_port_are_all_told_and_an_older_one_without_its_version() -> None:
    registry = CollectorRegistry()
    IngestMetrics(registry)
    ApiMetrics(registry)
    assert read_metrics(text_of(registry)).versions == {"ingest": VERSION, "api": VERSION}
    old = "rollcall_processor_partitions 2.0\n"
    assert read_metrics(old).versions == {"processor": None}
    assert read_metrics("rollcall_notify_partitions 12.0\n").versions == {"notify": None}
    notify = CollectorRegistry()
    NotifyMetrics(notify)
    assert read_metrics(text_of(notify)).versions == {"notify": VERSION}
    audit = "rollcall_audit_differences 2.0\nrollcall_audit_age_seconds 60.0\n"
    assert read_metrics(f"rollcall_api_feed_viewers 0\n{audit}").audit == Audit(2, 60.0)


@pytest.mark.parametrize("text", ["", "up 1\n", "<html>", "process_start_time_seconds 1.0\n"])
def test_what_is_no_process_of_ours_is_said_to_be_none(text: str) -> None:
    with pytest.raises(NotOursError):
        read_metrics(text)


@pytest.mark.parametrize(
    "line", ["rollcall_api_build_info{version", "rollcall_api_build_info{a=b} x", "up{ }"]
)
def test_what_no_parser_takes_is_an_error_and_no_surprise(line: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  (the parser's own words)
        read_metrics(f"{line}\n")


@pytest.mark.parametrize("end", ["\u2028", "\x85", "\x0b", "\x1c", "\r"])
def test_a_screens_name_makes_no_line_of_its_own(end: str) -> None:
    registry = CollectorRegistry()
    name = f'Home{end}rollcall_processor_build_info{{version="hostile"}} 1{end}'
    Gauge("rollcall_screen_users", "Users.", ("screen",), registry=registry).labels(name).set(1)
    ApiMetrics(registry)
    assert read_metrics(text_of(registry)).versions == {"api": VERSION}


def test_a_version_is_a_short_text() -> None:
    text = f'rollcall_api_build_info{{version="{"9" * 500}\x1b[31m"}} 1.0\n'
    assert read_metrics(text).versions == {"api": "9" * 64}
    assert read_metrics('rollcall_api_build_info{version=""} 1.0\n').versions == {"api": None}


def test_a_503_is_an_answer_with_its_reason() -> None:
    assert read_readiness(200, b'{"status": "ready"}') == Readiness(True)
    said = b'{"status": "not ready", "reason": "Kafka is away\\u0000"}'
    assert read_readiness(503, said) == Readiness(False, "Kafka is away")
    assert read_readiness(503, b'{"reason": 5}') == Readiness(False)
    for status, body in ((404, b"{}"), (302, b"{}"), (200, b"[]"), (200, b"{"), (503, b"\xff")):
        with pytest.raises(ValueError):  # noqa: PT011
            read_readiness(status, body)


# -- rates


def test_a_rate_needs_two_readings_and_is_of_the_last_seconds() -> None:
    rates = Rates()
    assert rates.per_second("a") is None
    rates.add("a", 100.0, 1_000)
    assert rates.per_second("a") is None
    rates.add("a", 105.0, 1_050)
    assert rates.per_second("a") == 10.0
    for at in range(110, 200, 5):
        rates.add("a", at, 1_050)
    assert rates.per_second("a") == 0.0
    # Nobody looked for a while: what was before says nothing of now.
    rates.add("a", 195 + WINDOW_SECONDS + 1, 9_999)
    assert rates.per_second("a") is None


def test_a_process_that_starts_again_makes_no_rate_negative() -> None:
    rates = Rates()
    for at, count in ((0.0, 5_000), (5.0, 5_100), (10.0, 30), (15.0, 80)):
        rates.add("a", at, count)
    assert rates.per_second("a") == (100 + 30 + 50) / 15


def test_readings_at_once_are_one_and_others_are_forgotten() -> None:
    rates = Rates()
    rates.add("a", 0.0, 10)
    rates.add("a", 0.1, 500)
    assert rates.per_second("a") is None
    rates.add("b", 0.0, 0)
    rates.add("b", 10.0, 10)
    rates.keep_only(["a"])
    assert rates.per_second("b") is None


# -- the answer

INGEST = Process(
    "ingest:9081",
    "10.0.0.1:9081",
    told=Told({"ingest": "0.2.0"}, started_at=NOON.timestamp(), heartbeats=5, sockets=4),
    readiness=Readiness(True),
    answered_at=NOON.timestamp(),
    heartbeats_per_second=12.345,
)
PROCESSOR = Process(
    "processor:9083",
    "10.0.0.2:9083",
    told=Told(
        {"processor": "0.2.0"},
        partitions={0: PartitionLag(7, 1.5), 1: PartitionLag()},
        retention_at=NOON.timestamp() - 60,
    ),
    readiness=Readiness(False, "a record waits longer than 60 s"),
    answered_at=NOON.timestamp(),
)
STORED = Stored(
    as_of=NOON,
    stale=False,
    partitions=[{"partition": n, "log_time": NOON} for n in range(3)],
    rollups=[{"rollup": "quarters", "through": NOON - timedelta(minutes=45)}],
    kept=[{"table_name": "spans", "kept_from": NOON - timedelta(days=14)}],
)


def answer(*processes: Process, stored: Stored = STORED) -> dict[str, Any]:
    poll = Poll(processes, left_out=0, asked_at=NOON.timestamp())
    told: dict[str, Any] = to_builtins(health(["ingest:9081", "processor:9083"], poll, stored))
    return told


def test_the_answer_sums_what_processes_say_and_names_who_has_which_partition() -> None:
    told = answer(INGEST, PROCESSOR, replace(INGEST, address="10.0.0.3:9081"))
    assert (told["heartbeats_per_second"], told["sockets"]) == (24.69, 8)
    assert told["versions"] == [
        {"service": "ingest", "version": "0.2.0", "processes": 2},
        {"service": "processor", "version": "0.2.0", "processes": 1},
    ]
    first, second, third = told["partitions"]
    assert first == {
        "partition": 0,
        "as_of": "2026-03-30T12:00:00.000Z",
        "lag_records": 7,
        "lag_seconds": 1.5,
        "processors": ["10.0.0.2:9083"],
    }
    assert (second["lag_records"], second["processors"]) == (None, ["10.0.0.2:9083"])
    assert third["processors"] == []
    assert told["rollups"][0]["behind_ms"] == 45 * 60_000
    assert told["retention"]["last_run_at"] == "2026-03-30T11:59:00.000Z"
    assert told["audit"] is None


def test_every_state_has_its_reason() -> None:
    away = replace(INGEST, problem="refuses connections", readiness=None)
    gone = replace(away, problem="its name does not lead to it any more", is_gone=True)
    nowhere = Process("api:9082", None, problem="DNS knows no such name")
    told = answer(INGEST, PROCESSOR, away, gone, nowhere)
    assert [(each["state"], each["reason"]) for each in told["processes"]] == [
        ("ready", None),
        ("not_ready", "a record waits longer than 60 s"),
        ("no_answer", "refuses connections"),
        ("gone", "its name does not lead to it any more"),
        ("no_answer", "DNS knows no such name"),
    ]
    # Who does not answer counts for nothing, and is still known by name.
    assert told["sockets"] == 4
    assert told["processes"][2]["services"] == [{"service": "ingest", "version": "0.2.0"}]


def test_two_processors_that_have_one_partition_are_both_told_with_the_larger_lag() -> None:
    told = PROCESSOR.told
    assert told is not None
    other = replace(
        PROCESSOR,
        address="10.0.0.9:9083",
        told=replace(told, partitions={0: PartitionLag(9, 0.5)}),
    )
    first = answer(PROCESSOR, other)["partitions"][0]
    assert first["processors"] == ["10.0.0.2:9083", "10.0.0.9:9083"]
    assert (first["lag_records"], first["lag_seconds"]) == (9, 1.5)


def test_without_postgresql_the_processes_are_told_all_the_same() -> None:
    told = answer(INGEST, stored=Stored(problem="The database does not answer."))
    assert told["database_problem"] == "The database does not answer."
    assert (told["as_of"], told["stale"], told["partitions"]) == (None, True, [])
    assert told["processes"][0]["state"] == "ready"


def test_a_time_that_is_none_is_not_told() -> None:
    wild = Told({"processor": None}, started_at=1e300, retention_at=-1e300, partitions={})
    told = answer(replace(PROCESSOR, told=wild))
    assert told["processes"][0]["started_at"] is None
    assert told["retention"]["last_run_at"] is None


def test_the_words_are_those_of_the_document() -> None:
    assert described.ROLLUPS == ROLLUPS
    assert get_args(Kind) == get_args(OutageKind)
