"""Issue 15, line 8: a socket that is closed while its token is looked up leaves no ghost."""

from __future__ import annotations

import asyncio

from schemas.log.events import Connect, Disconnect, Renew
from schemas.log.settings import KafkaSettings
from tests.authorization_server import introspection, running_authorization_server
from tests.contract.raw_socket import RawSocket
from tests.rigs.harness import Ingest, ingest_settings, read_log, running_ingest, wait_until


async def test_line_8_a_drain_while_tokens_are_looked_up_connects_nobody(
    kafka_settings: KafkaSettings,
) -> None:
    async with running_authorization_server() as server:
        for number in range(15):
            server.issue(f"token-{number}", sub=f"u{number}")
        server.issue("newer", sub="u0")
        settings = ingest_settings(
            kafka_settings, **introspection(server), websocket_drain_seconds=0
        )
        async with running_ingest(settings) as ingest:
            await ingest.until_ready()
            first = await RawSocket.open(ingest, authorization="Bearer token-0")
            first.send(b'{"device_id": "phone", "id": 1}')
            await wait_until(lambda: written(ingest, "connect") == 1)
            server.gate.clear()
            first.send(b'{"type": "auth", "token": "newer"}')
            for number in range(1, 15):
                socket = await RawSocket.open(ingest, authorization="")
                socket.send(b'{"type": "auth", "token": "token-%d", "device_id": "phone"}' % number)
            await wait_until(lambda: server.in_flight == 15)
            draining = asyncio.create_task(ingest.app.shutdown())
            await wait_until(lambda: written(ingest, "disconnect") == 1)
            server.gate.set()
            await draining
        events = [event for record in await read_log(kafka_settings) for event in record.events]
    of_sockets = [event for event in events if isinstance(event, Connect | Disconnect | Renew)]
    assert [type(event) for event in of_sockets] == [Connect, Disconnect]


def written(ingest: Ingest, kind: str) -> float:
    return ingest.metric("rollcall_ingest_events_total", kind=kind, transport="websocket")
