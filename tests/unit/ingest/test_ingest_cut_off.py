"""Which partitions' sockets are sent to another process, and when."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from deploy.local.ports import free_port
from ingest.log.appender import NotAppendedError
from ingest.log.cut_off import LOOKS, CutOff, Written, look_seconds
from ingest.log.publisher import Publisher
from ingest.metrics import IngestMetrics
from schemas.log.diagnosis import turns_away
from schemas.log.events import Heartbeat, encode_event
from schemas.log.settings import KafkaSettings
from tests.rigs.harness import ingest_settings

FAILS = Written(7, fails=True)
KAFKA = KafkaSettings(kafka_bootstrap="127.0.0.1:1", partitions=1, replication_factor=1)


def test_who_is_cut_off_is_told_so_and_told_again_after_as_long() -> None:
    cut_off = CutOff(1)
    looks = [cut_off.look([FAILS]) for _ in range(1 + 2 * LOOKS)]
    # The first look has seen what was acknowledged before.
    told = [number for number, found in enumerate(looks) if found]
    assert told == [LOOKS, 2 * LOOKS]
    assert looks[LOOKS] == {0}


def test_who_comes_before_kafka_was_ever_there_is_told_as_soon() -> None:
    cut_off = CutOff(1)
    told = [bool(cut_off.look([Written(0, fails=True)])) for _ in range(LOOKS)]
    assert told == [*[False] * (LOOKS - 1), True]


def test_a_partition_by_itself_may_be_cut_off() -> None:
    """As where the broker that leads it cannot be reached, and another one can."""
    cut_off = CutOff(3)
    for n in range(LOOKS):
        assert not cut_off.look([Written(n + 1, fails=False), FAILS, Written(n + 1, fails=False)])
    assert cut_off.look([Written(9, fails=False), FAILS, Written(9, fails=False)]) == {1}


def test_a_record_that_is_answered_begins_it_anew() -> None:
    cut_off = CutOff(1)
    for answered in (1, 2):
        for _ in range(LOOKS):
            assert not cut_off.look([Written(answered, fails=True)])
    assert cut_off.look([Written(2, fails=True)])


def test_a_partition_that_is_only_quiet_or_waits_is_not_cut_off() -> None:
    cut_off = CutOff(1)
    for _ in range(3 * LOOKS):
        assert not cut_off.look([Written(0, fails=False)])
    # Then the attempt fails that was waited for all the time.
    assert cut_off.look([Written(0, fails=True)])


@pytest.mark.parametrize(
    "timing",
    [
        {},
        {"heartbeat_interval_seconds": 30, "offline_after_seconds": 110},
        {"heartbeat_interval_seconds": 60, "offline_after_seconds": 900},
        {"websocket_ping_interval_seconds": 100, "websocket_ping_timeout_seconds": 30},
    ],
)
def test_whoever_is_sent_away_is_back_before_offline_after(timing: dict[str, float]) -> None:
    settings = ingest_settings(KAFKA, **timing)
    # The longest that a socket that is well is silent for the log.
    silent = settings.heartbeat_interval_seconds + settings.ping_interval_seconds
    silent += settings.ping_timeout_seconds
    noticed = (LOOKS + 1) * look_seconds(settings.cut_off_seconds)
    told = settings.cut_off_seconds
    to_connect = settings.offline_after_seconds - silent - noticed - told
    assert to_connect >= 6
    assert to_connect == pytest.approx(settings.cut_off_seconds)


class Log:
    """Says at once whether it takes a record."""

    max_record_bytes = 100_000
    away = None
    takes = answers = False

    async def append(self, _partition: int, _value: bytes, _deadline: float) -> None:
        if not self.takes:
            raise NotAppendedError("too few copies", answered=self.answers)


async def test_a_lane_tells_what_was_answered_and_what_was_not() -> None:
    settings = ingest_settings(KAFKA, accept_timeout_seconds=60, tick_interval_seconds=5)
    log = Log()
    publisher = Publisher(settings, log, IngestMetrics(CollectorRegistry()))  # type: ignore[arg-type]
    publisher.start()
    event = encode_event(Heartbeat(user="u", token="t"))
    assert publisher.written == [Written(0, fails=False)]
    assert not await publisher.publish("u", event)
    assert publisher.written == [Written(0, fails=True)]
    log.answers = True
    assert not await publisher.publish("u", event)
    assert publisher.written == [Written(1, fails=False)]
    log.takes = True
    assert await publisher.publish("u", event)
    # The tick that went first, too.
    assert publisher.written == [Written(3, fails=False)]
    await publisher.close()


async def test_a_closed_door_is_told_from_silence() -> None:
    async def says_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def closes(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    silent = await asyncio.start_server(says_nothing, "127.0.0.1", 0)
    closing = await asyncio.start_server(closes, "127.0.0.1", 0)
    async with silent, closing:
        silence, closed = (f"127.0.0.1:{s.sockets[0].getsockname()[1]}" for s in (silent, closing))
        refused = f"127.0.0.1:{free_port()}"
        for servers, turned_away in (
            (silence, False),
            (closed, True),
            (refused, True),
            (f"{silence},{refused}", True),
        ):
            assert await turns_away(KafkaSettings(kafka_bootstrap=servers)) == turned_away
