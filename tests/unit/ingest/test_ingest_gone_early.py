"""A client that leaves before its call was begun: counted as gone, and no fault of ours."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from ingest.app import create_app, create_runner
from schemas.http.connection import BoundedConnection
from schemas.http.paths import HEARTBEAT_PATH
from schemas.http.server import BoundedServer
from schemas.log.settings import KafkaSettings
from tests.rigs.harness import ingest_settings, token

KAFKA = KafkaSettings(kafka_bootstrap="127.0.0.1:1", partitions=1, replication_factor=1)


class Unwired(asyncio.Transport):
    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 1) if name == "peername" else default

    def is_closing(self) -> bool:
        return False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        raise AssertionError("there is nobody to answer")

    def close(self) -> None:
        pass


@pytest.mark.parametrize("steps", [0, 1], ids=["before the connection's task", "before its call's"])
@pytest.mark.parametrize("path", [HEARTBEAT_PATH, "/nowhere"])
async def test_who_leaves_before_the_first_step_is_gone(
    steps: int, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    loop, faults = asyncio.get_running_loop(), []
    loop.set_exception_handler(lambda _, context: faults.append(context))
    registry = CollectorRegistry()
    settings = ingest_settings(KAFKA)
    runner = create_runner(create_app(settings, registry=registry), settings)
    await runner.setup()
    server = runner.server
    assert isinstance(server, BoundedServer)
    connection = server()
    assert isinstance(connection, BoundedConnection)
    connection.connection_made(Unwired())
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token()}\r\n"
    connection.data_received(head.encode() + b"Content-Length: 100\r\n\r\na part of it")
    if steps:
        loop.call_soon(connection.connection_lost, None)
    else:
        connection.connection_lost(None)
    for _ in range(10):
        await asyncio.sleep(0)
    await runner.cleanup()
    assert not faults
    assert not [line for line in caplog.records if line.exc_info]
    gone = {"call": "heartbeat", "outcome": "gone"}
    counted = registry.get_sample_value("rollcall_ingest_requests_total", gone)
    assert counted == (steps and path == HEARTBEAT_PATH)
    assert server.heads._deadlines.due(float("inf")) == [], "nothing is awaited of it"
    assert server.open_connections == 0
