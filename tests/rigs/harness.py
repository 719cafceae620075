"""A real ingest on a port of its own, a phone that speaks in bytes, and a reader of the log."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import jwt
from aiohttp import web
from aiokafka import AIOKafkaConsumer, TopicPartition
from prometheus_client import CollectorRegistry

from ingest.app import (
    OPT_OUTS,
    PHONE_CALLS,
    TOKEN_WATCH,
    create_app,
    create_runner,
    why_not_ready,
)
from ingest.auth import bearer_token
from ingest.settings import IngestSettings
from schemas.http.eager_site import EagerSite
from schemas.http.known_heads import UsualCall
from schemas.http.lane import Asked, Lane
from schemas.http.problems import ProblemError
from schemas.log.events import BadEvent, Event, Heartbeat, Logout, decode_batch
from schemas.log.settings import KafkaSettings
from schemas.log.topics import EVENTS, topic_name
from tests.rigs.samples import value_of
from tests.rigs.token_life import TOKENS_END_S

SECRET = "the secret of the tests, of 32 bytes and more"
#: Generous: a deadline tells a hang from a slow machine, nothing else.
DEADLINE_SECONDS = 60.0


class Ways:
    """By which lane calls go, of every ingest that is started from now on: ``ordinary``, always;
    ``straight`` where nothing is unusual, and tokens were verified before, as nearly all are;
    ``None``: as in life."""

    lane: str | None = None


def token(user: str = "u1", key: Any = SECRET, algorithm: str = "HS256", /, **claims: Any) -> str:
    """A token of ``user``, valid for hours unless ``claims`` say otherwise; always the same."""
    return jwt.encode({"sub": user, "exp": TOKENS_END_S, **claims}, key, algorithm)


#: What a machine that stands still for a moment must not be refused for.
PATIENT = {
    "accept_timeout_seconds": 60,
    "websocket_auth_timeout_seconds": 60,
    "websocket_first_frame_seconds": 60,
}


def ingest_settings(kafka: KafkaSettings, **values: Any) -> IngestSettings:
    """Of an ingest that has time for phones and for Kafka, unless that is what a test is about."""
    elsewhere = {"jwt_public_key", "jwks_url", "introspection_url", "userinfo_url"}
    if not elsewhere & values.keys():
        values.setdefault("jwt_secret", SECRET)
    return IngestSettings(**{**kafka.model_dump(), **PATIENT, **values})


@dataclass(frozen=True)
class Answer:
    """An HTTP answer. Header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Ingest:
    """A running ingest."""

    app: web.Application
    port: int
    registry: CollectorRegistry
    verifies_before: bool = False
    #: Calls that the straight lane took.
    straight_calls: int = 0

    @property
    def not_ready(self) -> str | None:
        return why_not_ready(self.app)

    @property
    def warnings(self) -> list[str]:
        return self.app[TOKEN_WATCH].warnings()

    def metric(self, name: str, **labels: str) -> float:
        """A sample's value; 0 before its first."""
        return value_of(self.registry, name, labels)

    async def until_ready(self) -> None:
        await wait_until(lambda: self.not_ready is None)

    async def send(self, *parts: bytes) -> Answer:
        """Send raw bytes on a new connection, each part by itself, and read one answer."""
        return await exchange(self.port, *parts)

    async def know(self, authorization: str | None) -> None:
        """Verify a token, as an earlier call with it would."""
        with contextlib.suppress(ProblemError):
            await self.app[PHONE_CALLS]._authentication._verifier.verify(
                bearer_token(authorization)
            )

    async def call(
        self, path: str, body: bytes = b"", method: str = "POST", **headers: str
    ) -> Answer:
        lines = [f"{method} {path} HTTP/1.1", "host: x", f"content-length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        if self.verifies_before:
            await self.know(headers.get("authorization"))
        return await self.send("\r\n".join([*lines, "", ""]).encode() + body)

    async def heartbeat(self, body: bytes = b"", user: str = "u1", **headers: str) -> Answer:
        headers.setdefault("authorization", f"Bearer {token(user)}")
        return await self.call("/api/update-online-status", body, **headers)

    async def logout(self, body: bytes = b"", user: str = "u1", **headers: str) -> Answer:
        headers.setdefault("authorization", f"Bearer {token(user)}")
        return await self.call("/api/logout-status", body, **headers)


async def exchange(port: int, *parts: bytes) -> Answer:
    async with asyncio.timeout(DEADLINE_SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(0)
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            status, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
            headers = {name.lower(): value for name, value in (h.split(": ", 1) for h in lines)}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            return Answer(int(status.split()[1]), headers, body)
        finally:
            writer.close()


@asynccontextmanager
async def running_ingest(
    settings: IngestSettings, lane: str | None = None, *, at_once: bool = False
) -> AsyncIterator[Ingest]:
    """Ingest in this process, as its own ``__main__`` runs it. ``lane`` as in :class:`Ways`.

    Who has opted out is known, as where a gateway waits for ``/readyz``; not so ``at_once``.
    """
    lane = lane or Ways.lane
    registry = CollectorRegistry()
    app = create_app(settings, registry=registry)
    ingest = Ingest(app, 0, registry, verifies_before=lane == "straight")
    runner = create_runner(app, settings)
    runner._lanes = (
        {}
        if lane == "ordinary"
        else {path: _counted(each, ingest) for path, each in runner._lanes.items()}
    )
    await runner.setup()
    site = EagerSite(runner, "127.0.0.1", 0)
    await site.start()
    ingest.port = site.port
    try:
        if not at_once:
            await wait_until(lambda: app[OPT_OUTS].not_ready is None)
        yield ingest
    finally:
        await runner.cleanup()


def _counted(lane: Lane, ingest: Ingest) -> Lane:
    def take(connection: Asked, call: UsualCall) -> bool:
        taken = lane(connection, call)
        ingest.straight_calls += taken
        return taken

    return take


async def wait_until(condition: Any, seconds: float = DEADLINE_SECONDS) -> None:
    """Wait for a condition that nothing announces."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


@dataclass(frozen=True)
class Record:
    """A record of the log: where it is, how large, and what it says."""

    partition: int
    bytes: int
    events: list[Event | BadEvent]


async def read_log(settings: KafkaSettings) -> list[Record]:
    """Everything that is in ``presence.events`` now, in the order of each partition."""
    topic = topic_name(settings, EVENTS)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap, enable_auto_commit=False
    )
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for number in range(settings.partitions)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        ends = await consumer.end_offsets(partitions)
        records = []
        async with asyncio.timeout(DEADLINE_SECONDS):
            for partition in partitions:
                while await consumer.position(partition) < ends[partition]:
                    batch = await consumer.getmany(partition, timeout_ms=200)
                    for message in batch.get(partition, []):
                        records.append(
                            Record(
                                partition.partition,
                                len(message.value),
                                decode_batch(message.value),
                            )
                        )
        return records
    finally:
        await consumer.stop()


async def client_events(settings: KafkaSettings) -> list[Heartbeat | Logout]:
    """The events of phones that are in the log now, ticks left out."""
    return [
        event
        for record in await read_log(settings)
        for event in record.events
        if isinstance(event, Heartbeat | Logout)
    ]
