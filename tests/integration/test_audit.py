"""The audit finds nothing in what a processor has stored, and names each row that is altered by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from deploy.audit.run import Result
from deploy.cli.command import app
from tests.conftest import fresh_database
from tests.rigs.audit_rig import (
    Deployment,
    Writer,
    append,
    create_time_topics,
    ends_of,
    process,
    story,
)
from tests.rigs.privacy_rig import KEY
from tests.rigs.rig import rows

import asyncio


@pytest.fixture(scope="module")
def deployment(
    kafka_bootstrap: str,
    postgres_url: str,
    template_database: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Deployment]:
    kafka = create_time_topics(kafka_bootstrap)
    log = tmp_path_factory.mktemp("audit") / "processor.log"
    records = story(Writer(7))
    asyncio.run(append(kafka, records))
    with fresh_database(postgres_url, template_database) as url:
        process(kafka, url, log, ends_of(records))
        yield Deployment(kafka, url.rpartition("/")[2].partition("?")[0], postgres_url)


def altered(deployment: Deployment, tmp_path: Path, *statements: str) -> Result:
    with deployment.copy() as url:
        with psycopg.connect(url) as connection:
            for statement in statements:
                assert connection.execute(statement.encode()).rowcount == 1
        return deployment.audit(url, tmp_path / "state")


def test_nothing_differs_where_nobody_altered_anything(
    deployment: Deployment, tmp_path: Path
) -> None:
    with deployment.copy() as url:
        result = deployment.audit(url, tmp_path / "state")
        assert not result.differences, "\n".join(
            line for found in result.differences for line in found.lines()
        )
        assert result.percent_in_full == 100
        stored = sum(
            rows(url, f"SELECT count(*) FROM {table}")[0][0]
            for table in ("presence", "changes", "spans", "sessions", "user_days")
        )
        assert result.rows > stored > 1_000
        endings = {ending for (ending,) in rows(url, "SELECT ended_by::text FROM spans")}
        assert endings >= {"navigated", "backgrounded", "logged_out", "timed_out", "disconnected"}
        assert rows(url, "SELECT count(*) > 0 FROM outages") == [(True,)]
        assert rows(url, "SELECT count(*) FROM clock_steps") == [(2,)]
