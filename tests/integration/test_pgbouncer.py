"""PgBouncer in the path: the API shares its sessions, the processor has one of its own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from deploy.roles.api_keys import KeyTable
from schemas.database.migrate import migrate
from schemas.log.events import Heartbeat, Tick, partition_of
from schemas.log.settings import KafkaSettings
from tests.rigs.api_harness import Api, api_settings, running_api, token, wait_until
from tests.rigs.pgbouncer import PgBouncer, running_pgbouncer
from tests.rigs.rig import (
    ProcessorProcess,
    batch,
    processor_environment,
    produce,
    rows,
    wait_for,
)

USERS = [f"user-{n}" for n in range(20)]
READS = (
    "/api/online-users-count",
    "/api/v1/online-users?limit=5",
    "/api/v1/online-users?limit=5&sort=user_id",
    "/api/v1/users?q=user",
    "/api/v1/users/user-3",
    "/api/v1/screens",
    "/api/v1/screens/Home",
    "/api/v1/trends",
    "/api/v1/dwell",
    "/api/v1/flows",
    "/api/v1/funnel?step1=Cart&step2=Pay",
    "/api/v1/retention",
    "/api/v1/health",
    "/api/v1/outages",
    "/api/v1/screen-rules",
    "/api/v1/concurrency",
    "/api/v1/active-users",
    "/api/v1/sessions/summary",
    "/api/v1/users/user-3/timeline",
)


@pytest.fixture
def bouncer(database_url: str) -> Iterator[PgBouncer]:
    with running_pgbouncer(database_url) as running:
        yield running


def beats(kafka: KafkaSettings) -> list[tuple[int, bytes]]:
    ticks = [(partition, batch(Tick())) for partition in range(kafka.partitions)]
    return ticks + [
        (
            partition_of(user, kafka.partitions),
            batch(Heartbeat(user=user, token="t", screen="Home", app_version="1.0")),
        )
        for user in USERS
    ]


async def test_the_api_shares_sessions_and_the_processor_has_its_own(
    bouncer: PgBouncer, kafka_settings: KafkaSettings, database_url: str, tmp_path: Path
) -> None:
    assert migrate(bouncer.sessions) == []
    environment = processor_environment(
        kafka_settings,
        bouncer.transactions,
        DATABASE_SESSION_URL=bouncer.sessions,
    )
    processor = ProcessorProcess(environment, tmp_path / "processor.log")
    settings = api_settings(
        bouncer.transactions,
        database_session_url=bouncer.sessions,
        api_pool_size=8,
        api_pool_wait_seconds=20,
        stale_after_seconds=3600,
    )
    try:
        await produce(kafka_settings, beats(kafka_settings))
        stored = "SELECT count(*) FROM presence WHERE state = 'foreground'"
        await asyncio.to_thread(
            wait_for, "all are stored", lambda: rows(database_url, stored) == [(len(USERS),)]
        )
        async with running_api(settings) as api:
            await everything_is_answered(api, database_url)
        assert await asyncio.to_thread(processor.stop) == 0
    finally:
        if processor.exit_status is None:
            processor.kill()


async def everything_is_answered(api: Api, database_url: str) -> None:
    # At once, many more than there are sessions.
    answers = await asyncio.gather(*(api.call(path) for path in READS * 3))
    assert [(p, a.status) for p, a in zip(READS * 3, answers, strict=True) if a.status != 200] == []
    assert answers[0].json["count"] == len(USERS)

    # What asks for one moment, and keeps a cursor; what writes.
    bearer = token(scope="presence:read presence:export")
    previewed = await api.call("/api/v1/audiences/preview", "POST", bearer=bearer, data=b"{}")
    assert previewed.json["matching"] == len(USERS)
    exported = await api.call("/api/v1/audiences/export", "POST", bearer=bearer, data=b"{}")
    assert len(exported.body.decode().split()) == len(USERS)
    csv = await api.call("/api/v1/sessions/summary", headers={"Accept": "text/csv"})
    assert csv.status == 200
    key = KeyTable(database_url).create("CRM", ["presence:read"], None)
    assert (await api.call("/api/v1/users/user-3", bearer=key)).status == 200

    def seen() -> list[tuple[Any, ...]]:
        return rows(database_url, "SELECT last_used_at IS NOT NULL FROM api_keys")

    await asyncio.to_thread(wait_for, "the key's use is written", lambda: seen() == [(True,)])
    audit = rows(database_url, "SELECT outcome FROM audience_exports")
    assert audit == [("completed",)], json.dumps(audit)


async def test_a_slow_query_is_cut_short_there_too(bouncer: PgBouncer, database_url: str) -> None:
    settings = api_settings(
        bouncer.transactions,
        database_session_url=bouncer.sessions,
        api_statement_timeout_seconds=0.2,
    )
    async with running_api(settings) as api:
        lock = "LOCK TABLE stream_offsets IN ACCESS EXCLUSIVE MODE"
        held = await asyncio.to_thread(held_lock, database_url, lock)
        try:
            assert (await api.count()).status == 503
        finally:
            held.close()
        assert api.metric("rollcall_api_database_failures_total", cause="statement_timeout") == 1

        async def answers_again() -> bool:
            return (await api.count()).status == 200

        await wait_until(answers_again)


def held_lock(database_url: str, lock: str) -> Any:
    connection = psycopg.connect(database_url)
    connection.execute(lock.encode())
    return connection


def test_tls_with_a_certificate_of_another_host_is_refused(bouncer: PgBouncer) -> None:
    with pytest.raises(psycopg.OperationalError, match="does not match host name"):
        psycopg.connect(bouncer.sessions.replace("localhost", "127.0.0.1"))


def test_a_processor_behind_a_pool_of_transactions_says_what_it_needs(
    bouncer: PgBouncer, kafka_settings: KafkaSettings, tmp_path: Path
) -> None:
    environment = processor_environment(kafka_settings, bouncer.transactions)
    processor = ProcessorProcess(environment, tmp_path / "processor.log")
    try:
        wait_for("it ends", lambda: processor.exit_status is not None)
    finally:
        processor.kill()
    assert processor.exit_status == 1
    assert "set ROLLCALL_DATABASE_SESSION_URL to PostgreSQL" in processor.log.read_text()
