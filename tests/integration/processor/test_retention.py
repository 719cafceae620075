"""Users who were not seen for long, and keys that nobody uses, go."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from prometheus_client import CollectorRegistry

from processor.maintenance import retention
from processor.settings import ProcessorSettings
from processor.watch.metrics import RETAINED_TABLES
from schemas.log.events import Heartbeat, Logout, partition_of
from schemas.log.settings import KafkaSettings
from tests.conftest import fresh_database
from tests.integration.processor.rollup_oracle import DAY, Source
from tests.rigs.maintenance_rig import fill, housekeeper, run
from tests.rigs.rig import (
    ProcessorProcess,
    batch,
    processor_environment,
    produce,
    rows,
    wait_for,
)

NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(scope="module")
def maintained(postgres_url: str, template_database: str) -> Iterator[str]:
    """The name of a database whose first maintenance is done: before it nothing goes."""
    with fresh_database(postgres_url, template_database) as url:
        fill(url, Source(1, "UTC"), NOW)
        run(url)
        yield url.partition("?")[0].rpartition("/")[2]


@pytest.fixture
def kept(postgres_url: str, maintained: str) -> Iterator[str]:
    """A copy of it."""
    with fresh_database(postgres_url, maintained) as url:
        yield url


def user(url: str, name: str, *, days: float, state: str = "offline") -> None:
    seen = NOW - days * DAY
    with psycopg.connect(url) as db:
        db.execute(
            'INSERT INTO presence (user_id, "partition", state, reason, changed_at, last_active,'
            " device_count, signed_out) VALUES (%s, 0, %s, 'timed_out', %s, %s, 0, false)",
            (name, state, seen, seen),
        )
        sign = "INSERT INTO signs_of_life VALUES (%s, %s, %s, 't', NULL, -1)"
        db.execute(sign, (name, seen, seen))


def left(url: str) -> list[str]:
    return [name for (name,) in rows(url, "SELECT user_id FROM presence ORDER BY user_id")]


def test_users_who_were_not_seen_for_ninety_days_are_removed_and_nobody_else(kept: str) -> None:
    user(kept, "gone", days=92)
    user(kept, "away", days=89)
    user(kept, "online-for-ever", days=500, state="background")
    registry = CollectorRegistry()
    assert housekeeper(kept, registry=registry).run_once()
    assert left(kept) == ["away", "online-for-ever"]
    assert rows(kept, "SELECT user_id FROM signs_of_life ORDER BY 1") == [
        ("away",),
        ("online-for-ever",),
    ]
    removed = registry.get_sample_value(
        "rollcall_processor_retention_removed_total", {"table": "presence"}
    )
    assert removed == 1
    assert registry.get_sample_value("rollcall_processor_retention_runs_total") == 1
    last = registry.get_sample_value("rollcall_processor_retention_last_run_timestamp_seconds")
    assert last is not None
    assert last >= NOW.timestamp()


def test_nobody_goes_before_what_else_is_kept_of_them(kept: str) -> None:
    user(kept, "gone", days=92)
    run(kept, users_retention_days=30, user_days_retention_days=100)
    assert left(kept) == ["gone"]
    run(kept, users_retention_days=30)
    assert left(kept) == []


def test_a_step_is_bounded_and_a_run_goes_on_with_the_next(
    kept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "USERS_A_STEP", 2)
    monkeypatch.setattr(retention, "USER_STEPS", 2)
    for n in range(7):
        user(kept, f"gone-{n}", days=100 + n)
    run(kept)
    assert left(kept) == ["gone-0", "gone-1", "gone-2"]
    run(kept)
    assert left(kept) == []


def test_maintenance_does_not_wait_for_a_user_whom_the_processor_has(kept: str) -> None:
    user(kept, "gone", days=92)
    user(kept, "returns", days=92)
    with psycopg.connect(kept) as processor:
        processor.execute("SELECT FROM presence WHERE user_id = 'returns' FOR UPDATE")
        runner = threading.Thread(target=run, args=(kept,))
        runner.start()
        runner.join(30)
        assert not runner.is_alive()
        assert left(kept) == ["returns"]
        processor.execute("UPDATE presence SET state = 'foreground', changed_at = now()")
    run(kept)
    assert left(kept) == ["returns"]


def test_every_table_that_loses_rows_has_its_metric(kept: str) -> None:
    user(kept, "gone", days=92)
    with psycopg.connect(kept) as db:
        found = retention.partitioned_tables(ProcessorSettings())
        assert set(found) <= set(RETAINED_TABLES)
        for table in RETAINED_TABLES:
            assert db.execute("SELECT to_regclass(%s)", (table,)).fetchone() != (None,)
    # A table without a metric would be a KeyError.
    run(kept)


def removed_of(registry: CollectorRegistry, table: str) -> float | None:
    name = "rollcall_processor_retention_removed_total"
    return registry.get_sample_value(name, {"table": table})


def test_what_went_with_a_day_is_told_in_rows(kept: str) -> None:
    old, large = NOW.date() - 100 * DAY, NOW.date() - 99 * DAY
    with psycopg.connect(kept) as db:
        for day in (old, large):
            db.execute(
                f"CREATE TABLE changes_{day:%Y%m%d} PARTITION OF changes"
                f" FOR VALUES FROM ('{day} 00:00+0') TO ('{day + DAY} 00:00+0')"
                " WITH (autovacuum_enabled = false)".encode()
            )
        # Of the larger one more than 64 MiB: 1,850 characters are stored as they are.
        for day, some, filler in ((old, 7, 1), (large, 40_000, 1850)):
            db.execute(
                "INSERT INTO changes (at, partition, log_offset, event_index, ordinal, user_id,"
                " device, reason, previous_state, state, user_state, app_version)"
                " SELECT %s, 0, n, 0, 0, 'ada', 'd', 'started', 'offline', 'foreground',"
                " 'foreground', repeat('x', %s) FROM generate_series(1, %s) AS n",
                (datetime(day.year, day.month, day.day, tzinfo=UTC), filler, some),
            )
        name = f"changes_{large:%Y%m%d}"
        # As autovacuum has found it on one of its visits.
        db.execute("UPDATE pg_class SET reltuples = 39000 WHERE relname = %s", (name,))
    registry = CollectorRegistry()
    assert housekeeper(kept, registry=registry).run_once()
    assert removed_of(registry, "changes") == 7 + 39_000
    assert rows(kept, "SELECT FROM changes WHERE user_id = 'ada'") == []


def test_records_of_erasures_are_kept_for_their_days_and_go_in_bounded_steps(
    kept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(kept) as db:
        for name, age, is_done in (
            *(("a", 402, True), ("b", 401.5, False), ("c", 401.2, True), ("new", 398, False)),
        ):
            asked = NOW - age * DAY
            db.execute(
                "INSERT INTO erasures (erasure_id, user_hash, kind, requested_at, partition,"
                " erased_at) VALUES (%s, sha256('ada'), 'erased', %s, 0, %s)",
                (name, asked, asked if is_done else None),
            )
    monkeypatch.setattr(retention, "MOST_ROWS", 2)
    registry = CollectorRegistry()
    assert housekeeper(kept, registry=registry).run_once()
    assert removed_of(registry, "erasures") == 2
    for _ in range(2):
        run(kept)
    assert rows(kept, "SELECT erasure_id FROM erasures") == [("new",)]
    run(kept, erasures_retention_days=300)
    assert rows(kept, "SELECT erasure_id FROM erasures") == []


def test_api_keys_that_nobody_used_are_removed(kept: str) -> None:
    with psycopg.connect(kept) as db:
        for name, made, used in (
            ("never-used", 500, None),
            ("once-used", 500, 401),
            ("in-use", 500, 399),
            ("new", 1, None),
        ):
            db.execute(
                "INSERT INTO api_keys (name, digest, scopes, created_at, last_used_at)"
                " VALUES (%s, sha256(%s), '{}', %s, %s)",
                (
                    name,
                    name.encode(),
                    NOW - made * DAY,
                    None if used is None else NOW - used * DAY,
                ),
            )
    run(kept)
    assert rows(kept, "SELECT name FROM api_keys ORDER BY name") == [("in-use",), ("new",)]


def test_share_links_that_have_ended_are_removed(kept: str) -> None:
    with psycopg.connect(kept) as db:
        for number, hours in enumerate((-1, 1)):
            db.execute(
                "INSERT INTO share_links (id, token_hash, name, created_by, expires_at) VALUES "
                "(%s, sha256(%s), 'x', 'lead', now() + %s * interval '1 hour')",
                (f"sl_{number:016x}", str(number).encode(), hours),
            )
    run(kept)
    assert rows(kept, "SELECT id FROM share_links") == [(f"sl_{1:016x}",)]


def test_users_of_deliveries_that_can_go_on_are_kept_for_a_day(kept: str) -> None:
    with psycopg.connect(kept) as db:
        for number, (hours, made) in enumerate(((None, 60), (23, 47), (25, 25), (1, 49))):
            delivery = f"00000000-0000-4000-8000-{number:012}"
            db.execute(
                "INSERT INTO audience_exports (id, who, who_kind, format, filter, destination) "
                "VALUES (%s, 'lead', 'token', 'push', '{}', 'onesignal')",
                (delivery,),
            )
            db.execute(
                "INSERT INTO audience_deliveries (id, destination, name, calls_per_second, as_of, "
                "users, pages, ended_at, created_at) "
                "VALUES (%s, 'onesignal', 'Sale', 5, now(), 1, 1, "
                "now() - %s * interval '1 hour', now() - %s * interval '1 hour')",
                (delivery, hours, made),
            )
            db.execute("INSERT INTO audience_pages VALUES (%s, 0, '{ada}')", (delivery,))
    run(kept)
    left = "SELECT right(delivery::text, 1) FROM audience_pages ORDER BY delivery"
    assert rows(kept, left) == [("0",), ("1",)]


def test_what_managers_did_is_kept_for_as_long_as_who_looked(kept: str) -> None:
    with psycopg.connect(kept) as db:
        for managed, days in (("old", 402), ("new", 398)):
            db.execute(
                "INSERT INTO managed_audit (at, who_kind, who, kind, managed, action) "
                "VALUES (%s, 'token', 'lead', 'webhook', %s, 'made')",
                (NOW - days * DAY, managed),
            )
    run(kept)
    assert rows(kept, "SELECT managed FROM managed_audit") == [("new",)]


@pytest.fixture
def processor(
    kafka_settings: KafkaSettings, database_url: str, tmp_path: Path
) -> Iterator[ProcessorProcess]:
    environment = processor_environment(kafka_settings, database_url)
    process = ProcessorProcess(environment, tmp_path / "processor.log")
    yield process
    if process.exit_status is None:
        process.kill()


def test_a_user_who_comes_back_after_that_is_new(
    processor: ProcessorProcess, kafka_settings: KafkaSettings, database_url: str
) -> None:
    where = partition_of("ada", kafka_settings.partitions)
    state = "SELECT state::text, first_day = active_day, name FROM presence"

    def send(*events: Heartbeat | Logout) -> None:
        asyncio.run(produce(kafka_settings, [(where, batch(*events))]))

    send(Heartbeat(user="ada", token="t1", name="Ada", screen="Home"))
    wait_for("ada is there", lambda: rows(database_url, state) == [("foreground", True, "Ada")])
    send(Logout(user="ada", token="t1"))
    wait_for("ada has gone", lambda: rows(database_url, state) == [("offline", True, "Ada")])
    with psycopg.connect(database_url) as db:
        # What retention leaves of a user after 90 days: nothing, while the processor runs on.
        for table in ("presence", "user_days", "changes", "spans", "sessions"):
            db.execute(f"DELETE FROM {table}".encode())
    send(Heartbeat(user="ada", token="t2", name="Ada L.", screen="Cart"))
    wait_for("ada is back", lambda: rows(database_url, state) == [("foreground", True, "Ada L.")])
    assert rows(database_url, "SELECT user_id, is_new FROM user_days") == [("ada", True)]
    assert rows(database_url, "SELECT sum(foreground), sum(background) FROM stream_offsets") == [
        (1, 0)
    ]
    assert processor.stop() == 0
