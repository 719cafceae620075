"""Migrations on top of a database that has been in use."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

import schemas
from processor.core.changes import rfc3339
from processor.core.model import User
from processor.store.store import Store
from processor.store.stored import Stored
from schemas.database.migrate import MigrationError, migrate, statements
from schemas.database.named_queries import load_queries
from schemas.log.changes import Change
from tests.conftest import database_in

SQL = Path(schemas.__file__).parent / "database/sql"
NOW_MS = 1_795_500_000_000
#: What the processor of before stored: the end of an outage, and until when that keeps everyone.
GRACES = [[NOW_MS - 20_000, NOW_MS + 180_000]]
POLICY = {"offline_after_ms": 300_000, "logout_fence_ms": 30_000, "reconnect_grace_ms": 200_000}
DEVICE = {
    "state": "foreground",
    "reason": "started",
    "screen": "Home",
    "changed_ms": NOW_MS - 90_000,
    "online_since_ms": NOW_MS - 90_000,
    "app_version": None,
    "device_info": None,
    "platform": None,
    "token": "t",
    "signed_out": False,
}


@pytest.fixture
def database_at_0002(postgres_url: str) -> Iterator[str]:
    """URL of a database as the first release left it, empty."""
    name = f"rollcall_{uuid.uuid4().hex[:12]}"
    url = database_in(postgres_url, name)
    queries = load_queries("schemas.database", "sql/migrations.queries.sql")
    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        with psycopg.connect(url) as connection:
            connection.execute(queries["create_table"])
            for migration in ("0001_presence", "0002_daily_partitions"):
                text = (SQL / f"{migration}.sql").read_bytes()
                connection.execute(text)
                checksum = hashlib.sha256(text).hexdigest()
                connection.execute(queries["record"], (migration, checksum))
        yield url
        server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def fill(url: str) -> None:
    """Users of every kind, a change and a partition in the grace after an outage."""
    before, after = NOW_MS - 90_000, NOW_MS - 10_000
    with psycopg.connect(url) as connection:
        connection.execute(
            'INSERT INTO stream_offsets ("partition", next_offset, log_time, published_through, '
            "foreground, policy, graces) VALUES (0, 50, from_ms(%s), 40, 3, %s, %s)",
            (NOW_MS, json.dumps(POLICY), json.dumps(GRACES)),
        )
        for user, active, devices in (
            ("before", before, None),
            ("after", after, None),
            (
                "both",
                after,
                [
                    {
                        **DEVICE,
                        "device": name,
                        "last_active_ms": active,
                        "expires_ms": active + 150_000,
                    }
                    for name, active in (("a", before), ("b", after))
                ],
            ),
        ):
            connection.execute(
                'INSERT INTO presence (user_id, "partition", state, reason, screen, changed_at, '
                "online_since, last_active, device_count, device, token, expires_at, signed_out, "
                "devices) VALUES (%s, 0, 'foreground', 'started', 'Home', from_ms(%s), "
                "from_ms(%s), from_ms(%s), %s, 'a', 't', from_ms(%s), false, %s)",
                (
                    user,
                    before,
                    before,
                    active,
                    2 if devices else 1,
                    active + 150_000,
                    json.dumps(devices) if devices else None,
                ),
            )
        connection.execute(
            'INSERT INTO presence (user_id, "partition", state, reason, changed_at, last_active, '
            "device_count, device, token, expires_at, signed_out) VALUES ('gone', 0, 'offline', "
            "'timed_out', from_ms(%s), from_ms(%s), 0, 'a', 't', from_ms(%s), false)",
            (before, before, before),
        )
        connection.execute(
            'INSERT INTO outages ("partition", kind, started_at, ended_at) '
            "VALUES (0, 'jump', from_ms(%s), from_ms(%s))",
            (NOW_MS - 60_000, NOW_MS - 20_000),
        )
        connection.execute(
            'INSERT INTO changes (at, "partition", log_offset, event_index, ordinal, user_id, '
            "device, reason, previous_state, state, user_state, user_screen) VALUES "
            "(from_ms(%s), 0, 39, 0, 0, 'gone', 'a', 'navigated', 'foreground', 'foreground', "
            "'foreground', 'Cart'), (from_ms(%s), 0, 45, 0, 0, 'gone', 'a', 'timed_out', "
            "'foreground', 'offline', 'offline', NULL)",
            (before - 1000, before),
        )


async def read(url: str) -> tuple[Stored, list[tuple[User, int]], list[Change]]:
    store = Store(url)
    try:
        async with store.load(0) as stored:
            online = [user async for users in stored.online for user in users]
        [(gone, _)] = await store.load_users(["gone"])
        assert not gone.online
        unpublished = store.unpublished(0, stored.published_through, stored.next_offset)
        return stored, online, await unpublished
    finally:
        await store.close()


def test_a_database_in_use_is_read_as_it_was_written(database_at_0002: str) -> None:
    fill(database_at_0002)
    assert {"0003_sockets", "0005_ticks_only"} <= set(migrate(database_at_0002))
    assert migrate(database_at_0002) == []

    stored, online, changes = asyncio.run(read(database_at_0002))
    assert (stored.next_offset, stored.log_time_ms, stored.published_through) == (50, NOW_MS, 40)
    assert stored.policy is not None
    assert stored.policy.offline_after_ms == 300_000
    assert stored.policy.disconnect_grace_ms == 30_000
    # Whoever was heard of before the outage's end has its grace, and nobody else.
    assert stored.graces == []
    assert stored.silence is None
    assert {
        (user.user_id, device.device): device.expires_ms - NOW_MS
        for user, _ in online
        for device in user.devices
    } == {
        ("before", "a"): 180_000,
        ("after", "a"): 140_000,
        ("both", "a"): 180_000,
        ("both", "b"): 140_000,
    }
    assert all(d.sockets is None for user, _ in online for d in user.devices)
    assert changes == [
        Change(
            id="0:45:0:0",
            at=rfc3339(NOW_MS - 90_000),
            user_id="gone",
            device="a",
            reason="timed_out",
            previous_state="foreground",
            state="offline",
            previous_screen=None,
            screen=None,
            user_state="offline",
            user_screen=None,
            app_version=None,
            platform=None,
            connections=[],
            previous_user_state="foreground",
            previous_user_screen="Cart",
        )
    ]


@pytest.fixture
def with_index(tmp_path: Path) -> Path:
    """Our migrations, and one that builds indexes beside whoever uses their tables."""
    folder = tmp_path / "sql"
    shutil.copytree(SQL, folder)
    (folder / "9999_indexes.sql").write_text(
        "-- concurrently\n-- Users by name.\n"
        "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS tried_by_name\n    ON presence (name);\n"
        "DROP INDEX CONCURRENTLY IF EXISTS tried_by_nothing;\n"
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS tried_by_token ON presence (token);\n"
    )
    return folder


def indexes(connection: psycopg.Connection) -> dict[str, bool]:
    """Those of 9999, and whether each is finished."""
    found = connection.execute(
        "SELECT indexrelid::regclass::text, indisvalid FROM pg_index WHERE "
        "indexrelid::regclass::text IN ('tried_by_name', 'tried_by_token')"
    )
    return dict(found.fetchall())


def test_an_index_is_built_beside_writers_and_an_unfinished_one_anew(
    database_at_0002: str, with_index: Path
) -> None:
    url = database_at_0002
    migrate(url)
    with psycopg.connect(url, autocommit=True) as users:
        users.execute(
            'INSERT INTO presence (user_id, "partition", name, state, reason, changed_at, '
            "device_count, signed_out) SELECT n::text, 0, 'Ann', 'offline', 'timed_out', now(), 0, "
            "false FROM generate_series(1, 2) n"
        )
        with pytest.raises(psycopg.errors.UniqueViolation):
            migrate(url, with_index)
        assert indexes(users) == {"tried_by_name": False}
        users.execute("UPDATE presence SET name = user_id")
        assert migrate(url, with_index) == ["9999_indexes"]
        assert indexes(users) == {"tried_by_name": True, "tried_by_token": True}
    assert migrate(url, with_index) == []


def test_two_that_migrate_at_once_do_not_wait_for_each_other_for_ever(
    database_at_0002: str, with_index: Path
) -> None:
    migrate(database_at_0002)
    with ThreadPoolExecutor() as both:
        done = list(both.map(lambda folder: migrate(database_at_0002, folder), [with_index] * 2))
    assert sorted(done) == [[], ["9999_indexes"]]


def test_what_could_not_be_done_again_is_not_run_outside_of_a_transaction() -> None:
    with pytest.raises(MigrationError, match="not: CREATE TABLE x"):
        statements("-- concurrently\nCREATE TABLE x (a int);\n")
