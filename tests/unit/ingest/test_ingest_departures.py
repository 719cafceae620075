"""Records of one instant in one request: who gets which answer, and what is never sent."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError, NodeNotReadyError

from ingest.log.departures import MAX_REQUEST_BYTES, Answer, Departures

LEADER = 7


class Client:
    """Of brokers that answer each record with its length as the offset."""

    def __init__(self) -> None:
        self.requests: list[dict[int, bytes]] = []
        self.connected = asyncio.Event()
        self.connected.set()
        self.is_ready = True
        self.failure: Exception | None = None
        self.says_nothing_of: int | None = None

    async def ready(self, _node: int) -> bool:
        await self.connected.wait()
        return self.is_ready

    async def send(self, _node: int, request: Any) -> Any:
        [(topic, records)] = request._topics
        self.requests.append(dict(records))
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure
        refused = 19
        if self.says_nothing_of is not None:
            records = [each for each in records if each[0] != self.says_nothing_of]
        answers = [
            (partition, refused if batch == b"refused" else 0, len(batch))
            for partition, batch in reversed(records)
        ]
        return SimpleNamespace(topics=[(topic, answers)])


def join(departures: Departures, client: Client, partition: int, batch: bytes) -> Any:
    return departures.join(client, LEADER, partition, batch, 500)


async def test_records_of_one_instant_share_a_request_and_no_fate() -> None:
    client, departures = Client(), Departures("t")
    answers = await asyncio.gather(
        join(departures, client, 0, b"one"),
        join(departures, client, 1, b"refused"),
        join(departures, client, 2, b"three"),
    )
    assert client.requests == [{0: b"one", 1: b"refused", 2: b"three"}]
    assert [*answers] == [Answer(0, 3), Answer(19, 7), Answer(0, 5)]


async def test_what_is_large_goes_in_requests_of_its_own() -> None:
    client, departures = Client(), Departures("t")
    large = bytes(MAX_REQUEST_BYTES + 1)
    answers = [join(departures, client, n, large) for n in range(2)]
    answers += [join(departures, client, n, b"small") for n in range(2, 5)]
    await asyncio.gather(*answers)
    assert [[*request] for request in client.requests] == [[0], [1], [2, 3, 4]]


async def test_who_gave_up_while_the_broker_was_connected_to_is_not_sent() -> None:
    client, departures = Client(), Departures("t")
    client.connected.clear()
    late, patient = (join(departures, client, n, b"x") for n in range(2))
    await asyncio.sleep(0)
    late.cancel()
    client.connected.set()
    assert await patient == Answer(0, 1)
    assert client.requests == [{1: b"x"}]


async def test_where_all_gave_up_nothing_is_sent() -> None:
    client, departures = Client(), Departures("t")
    client.connected.clear()
    join(departures, client, 0, b"x").cancel()
    client.connected.set()
    assert await join(departures, client, 1, b"y") == Answer(0, 1)
    assert client.requests == [{1: b"y"}]


async def test_a_broken_connection_is_told_to_all() -> None:
    client, departures = Client(), Departures("t")
    client.failure = KafkaConnectionError("gone")
    answers = [join(departures, client, n, b"x") for n in range(3)]
    told = await asyncio.gather(*answers, return_exceptions=True)
    assert told == [client.failure] * 3


async def test_a_broker_that_cannot_be_reached_is_told_to_all() -> None:
    client, departures = Client(), Departures("t")
    client.is_ready = False
    for answer in [join(departures, client, n, b"x") for n in range(2)]:
        with pytest.raises(NodeNotReadyError):
            await answer
    assert client.requests == []


async def test_a_record_that_the_answer_says_nothing_of_is_not_known_to_be_there() -> None:
    client, departures = Client(), Departures("t")
    client.says_nothing_of = 1
    answers = [join(departures, client, n, b"x") for n in range(2)]
    told = await asyncio.gather(*answers, return_exceptions=True)
    assert told[0] == Answer(0, 1)
    assert isinstance(told[1], KeyError)
