"""A database session that takes no writes, as after a failover, is left and connected anew."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psycopg
import pytest
from prometheus_client import CollectorRegistry
from psycopg import sql

from processor.maintenance.housekeeper import Housekeeper
from processor.settings import ProcessorSettings
from processor.watch.metrics import Metrics
from schemas.log.events import Heartbeat, partition_of
from schemas.log.settings import KafkaSettings
from tests.rigs.rig import (
    ProcessorProcess,
    batch,
    processor_environment,
    produce,
    rows,
    wait_for,
)


def read_only(database_url: str, value: str) -> None:
    """New sessions of the database are read-only or not; those there are end."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("SET default_transaction_read_only = off")
        name = sql.Identifier(connection.info.dbname)
        connection.execute(
            sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = {}").format(
                name, sql.Literal(value)
            )
        )
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def test_a_read_only_session_is_waited_out_and_connected_anew(
    kafka_settings: KafkaSettings, database_url: str, tmp_path: Path
) -> None:
    # As with an address that names whichever server answers: the session itself is read-only.
    any_server = f"{database_url}{'&' if '?' in database_url else '?'}target_session_attrs=any"
    processor = ProcessorProcess(
        processor_environment(kafka_settings, any_server), tmp_path / "processor.log"
    )

    def beat(user: str) -> None:
        record = batch(Heartbeat(user=user, token="t"))
        asyncio.run(
            produce(kafka_settings, [(partition_of(user, kafka_settings.partitions), record)])
        )

    def stored() -> set[str]:
        return {name for (name,) in rows(database_url, "SELECT user_id FROM presence")}

    try:
        beat("ada")
        wait_for("it works", lambda: stored() == {"ada"})
        read_only(database_url, "on")
        beat("bob")
        wait_for("it says what it met", lambda: "SQLSTATE 25006" in processor.log.read_text())
        assert processor.exit_status is None
        read_only(database_url, "off")
        wait_for("it goes on by itself", lambda: stored() == {"ada", "bob"})
        wait_for("it says so", lambda: "PostgreSQL is back" in processor.log.read_text())
        assert processor.stop() == 0
    finally:
        if processor.exit_status is None:
            processor.kill()
    assert "target_session_attrs=read-write" in processor.log.read_text()


def test_maintenance_meets_a_read_only_session_and_says_so(
    kafka_settings: KafkaSettings, database_url: str
) -> None:
    # By default a connection looks for a server that takes writes, and has the wrong one refused.
    settings = ProcessorSettings(database_url=database_url, **kafka_settings.model_dump())
    keeper = Housekeeper(settings, Metrics(CollectorRegistry()))
    read_only(database_url, "on")
    with pytest.raises(psycopg.OperationalError, match="read-only"):
        keeper.run_once()
    read_only(database_url, "off")
    assert keeper.run_once()
