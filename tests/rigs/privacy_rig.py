"""What the tests of opt-outs and erasures share: all services with a key, and a search for traces.

Absence is looked for in every column of every table, as text and as bytes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import psycopg
import pytest
from psycopg import sql

from api.openapi import document
from schemas.log.settings import KafkaSettings
from tests.rigs.api_harness import Answer, Api, api_settings, running_api, token
from tests.rigs.harness import Ingest, ingest_settings, running_ingest, wait_until
from tests.rigs.rig import ProcessorProcess, processor_environment, rows

KEY = "a key of the tests, of 32 characters and more"
DOCUMENT = document("0")
SUPPORT = "presence:privacy"
OPT_OUT, OPT_IN = {"enabled": False}, {"enabled": True}


def processor_of(
    kafka: KafkaSettings, database_url: str, log: Path, **overrides: str
) -> ProcessorProcess:
    settings = {"USER_HASH_KEY": KEY, "EVENT_VERSION": "2", **overrides}
    return ProcessorProcess(processor_environment(kafka, database_url, **settings), log)


@contextmanager
def running_processor(
    kafka: KafkaSettings, database_url: str, log: Path, **overrides: str
) -> Iterator[ProcessorProcess]:
    """It leaves its group as it ends: whoever comes next need not wait until that misses it."""
    processor = processor_of(kafka, database_url, log, **overrides)
    try:
        yield processor
        if processor.exit_status is None:
            processor.stop()
    finally:
        processor.kill()


@asynccontextmanager
async def private_ingest(kafka: KafkaSettings) -> AsyncIterator[Ingest]:
    async with running_ingest(ingest_settings(kafka, user_hash_key=KEY)) as ingest:
        await ingest.until_ready()
        await wait_until(lambda: opt_outs_of(ingest).not_ready is None)
        yield ingest


def opt_outs_of(ingest: Ingest) -> Any:
    from ingest.app import OPT_OUTS

    return ingest.app[OPT_OUTS]


@asynccontextmanager
async def private_api(kafka: KafkaSettings, database_url: str, **values: Any) -> AsyncIterator[Api]:
    settings = {"user_hash_key": KEY, "event_version": 2, **values}
    where = kafka.model_dump(include={"kafka_bootstrap", "topic_prefix", "partitions"})
    async with running_api(api_settings(database_url, **where, **settings)) as api:
        yield api


@contextmanager
def waiting_briefly() -> Iterator[None]:
    """Whoever asks that API for something that takes long hears of it soon."""
    with pytest.MonkeyPatch.context() as brief:
        brief.setattr("api.privacy.requests.WAIT_SECONDS", 1.0)
        yield


@dataclass(frozen=True)
class Person:
    """A user of the app, and what they call."""

    api: Api
    id: str

    async def set_tracking(self, said: dict[str, bool]) -> tuple[int, Any]:
        bearer = token(self.id, scope=None)
        path = "/api/v1/me/tracking"
        answer = await self.api.call(path, "PUT", bearer=bearer, json=said)
        return answer.status, described_or_problem("TrackingSet", answer)

    async def is_tracked(self) -> bool:
        bearer = token(self.id, scope=None)
        answer = await self.api.call("/api/v1/me/tracking", bearer=bearer)
        tracked: bool = as_described("Tracking", answer.json)["enabled"]
        return tracked

    async def data(self) -> Any:
        answer = await self.api.call("/api/v1/me/data", bearer=token(self.id, scope=None))
        assert answer.status == 200
        return as_described("Stored", answer.json)

    async def erase(self) -> tuple[int, Any]:
        answer = await self.api.call("/api/v1/me", "DELETE", bearer=token(self.id, scope=None))
        return answer.status, described_or_problem("Erasing", answer)


def described_or_problem(schema: str, answer: Answer) -> Any:
    return as_described(schema if answer.status < 400 else "Problem", answer.json)


def as_described(schema: str, answer: Any) -> Any:
    """The answer, if it is what the OpenAPI document says of it."""
    wanted = {"$ref": f"#/components/schemas/{schema}", "components": DOCUMENT["components"]}
    jsonschema.Draft202012Validator(wanted).validate(answer)
    return answer


#: Of partitions the table that they are of; empty ones, which are most, are left out.
TABLES = """SELECT DISTINCT coalesce(pg_partition_root(oid), oid)::regclass::text FROM pg_class
WHERE relkind IN ('r', 'm') AND pg_relation_size(oid) > 0
AND relnamespace::regnamespace::text IN ('public', 'analytics')"""
VIEWS = """SELECT oid::regclass::text FROM pg_class WHERE relkind = 'v'
AND relnamespace::regnamespace::text IN ('public', 'analytics')"""


def traces(database_url: str, *texts: str) -> list[str]:
    """The tables with a row that holds one of these anywhere; where none has, such views."""
    wanted = [f"%{text}%" for text in texts]
    wanted += [f"%{text.encode().hex()}%" for text in texts]
    with psycopg.connect(database_url) as connection:
        for relations in (TABLES, VIEWS):
            names = [name for (name,) in connection.execute(relations.encode()).fetchall()]
            assert len(names) > 5
            has_one = "SELECT {} WHERE EXISTS (SELECT FROM {} t WHERE t::text LIKE ANY (%(of)s))"
            query = sql.SQL(" UNION ALL ").join(
                sql.SQL(has_one).format(sql.Literal(name), sql.SQL(name)) for name in names
            )
            if found := connection.execute(query, {"of": wanted}).fetchall():
                return [name for (name,) in found]
    return []


def online(database_url: str) -> int:
    """The public count, as it is kept."""
    [(count,)] = rows(database_url, "SELECT sum(foreground + background)::int FROM stream_offsets")
    return int(count or 0)
