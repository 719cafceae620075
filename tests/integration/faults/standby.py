"""A PostgreSQL with a streaming standby: a test can take the first and promote the second."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from deploy.local.child import RunningChild
from deploy.local.postgres import LocalPostgres, binary
from schemas.database.migrate import migrate
from tests.rigs.rig import rows, wait_for

READY_SECONDS = 120.0


@dataclass
class Servers:
    """A primary and its standby, migrated."""

    primary: LocalPostgres
    standby: LocalPostgres
    running: RunningChild

    def url(self, target: str, database: str) -> str:
        """Both servers, for sessions of this ``target_session_attrs``."""
        hosts = f"{self.primary.address},{self.standby.address}"
        return (
            self.primary.dsn_of(database).replace(self.primary.address, hosts)
            + f"?target_session_attrs={target}&connect_timeout=5"
        )

    def lose_primary(self) -> None:
        """It ends once the standby has all that was committed."""
        self.running.stop()

    def promote(self) -> None:
        assert rows(self.standby.dsn, "SELECT pg_is_in_recovery(), pg_promote()") == [(True, True)]


def _start(postgres: LocalPostgres, ends: ExitStack) -> RunningChild:
    postgres.prepare()
    running = RunningChild(postgres.child())
    ends.callback(running.stop)
    asyncio.run(postgres.wait_ready(READY_SECONDS, running))
    return running


def _copy(primary: LocalPostgres, standby: LocalPostgres) -> None:
    standby.data_dir.mkdir(mode=0o700, parents=True)
    shutil.copy(primary.data_dir / "password", standby.data_dir / "password")
    cluster = standby.data_dir / "cluster"
    command = [str(binary("pg_basebackup")), "--pgdata", str(cluster), "--write-recovery-conf"]
    command += ["--checkpoint", "fast", "--no-sync", "--dbname", primary.dsn_of("postgres")]
    subprocess.run(command, check=True, capture_output=True, text=True)
    owner = (primary.data_dir / "cluster").stat()
    for path in [cluster, *cluster.rglob("*")]:
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


@contextmanager
def streaming(directory: Path, databases: Sequence[str]) -> Iterator[Servers]:
    """A primary with these databases, migrated, whose standby follows it."""
    primary = LocalPostgres(directory / "primary", durable=False)
    standby = LocalPostgres(directory / "standby", durable=False)
    with ExitStack() as ends:
        running = _start(primary, ends)
        first, *others = databases
        with psycopg.connect(primary.dsn_of("postgres"), autocommit=True) as server:
            server.execute(f"CREATE DATABASE {first}".encode())
            migrate(primary.dsn_of(first))
            for name in others:
                server.execute(f"CREATE DATABASE {name} TEMPLATE {first}".encode())
        _copy(primary, standby)
        _start(standby, ends)

        def follows() -> bool:
            with psycopg.connect(primary.dsn) as db:
                query = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"
                return db.execute(query).fetchone() == (1,)

        wait_for("the standby follows", follows, READY_SECONDS)
        yield Servers(primary, standby, running)
