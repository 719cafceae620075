"""The processor as a process, on a real Kafka and a real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from schemas.log.events import (
    Connect,
    Disconnect,
    Event,
    Heartbeat,
    Logout,
    Renew,
    Tick,
    encode_event,
    partition_of,
)
from schemas.log.settings import KafkaSettings
from schemas.log.topics import REJECTS
from tests.rigs.rig import (
    ProcessorProcess,
    batch,
    processor_environment,
    produce,
    published_changes,
    published_sign_outs,
    read_all,
    rows,
    stored_through,
    wait_for,
)


@pytest.fixture
def environment(kafka_settings: KafkaSettings, database_url: str) -> dict[str, str]:
    return processor_environment(kafka_settings, database_url)


@pytest.fixture
def processor(environment: dict[str, str], tmp_path: Path) -> Iterator[ProcessorProcess]:
    process = ProcessorProcess(environment, tmp_path / "processor.log")
    yield process
    if process.exit_status is None:
        process.kill()


def partition(kafka: KafkaSettings, user: str) -> int:
    return partition_of(user, kafka.partitions)


def user_in(kafka: KafkaSettings, wanted: int, prefix: str = "user") -> str:
    """Some user of a partition."""
    return next(name for n in range(1000) if partition(kafka, name := f"{prefix}-{n}") == wanted)


def test_a_heartbeat_becomes_a_row_a_change_and_a_count(
    processor: ProcessorProcess, kafka_settings: KafkaSettings, database_url: str
) -> None:
    beat = Heartbeat(user="ada", token="t1", name="Ada", screen="Home", app_version="1.2")
    asyncio.run(produce(kafka_settings, [(partition(kafka_settings, "ada"), batch(beat))]))
    found = wait_for(
        "ada is stored",
        lambda: rows(database_url, "SELECT state::text, screen, name, reason::text FROM presence"),
    )
    assert found == [("foreground", "Home", "Ada", "started")]
    assert rows(database_url, "SELECT sum(foreground), sum(background) FROM stream_offsets") == [
        (1, 0)
    ]
    [change] = wait_for("the change is published", lambda: published_changes(kafka_settings))
    assert (change["user_id"], change["state"], change["screen"], change["reason"]) == (
        "ada",
        "foreground",
        "Home",
        "started",
    )
    assert processor.stop() == 0
    assert sorted(path.name for path in processor.log.parent.iterdir()) == ["processor.log"]


def four_changes(kafka: KafkaSettings) -> list[dict[str, Any]] | None:
    """The first four, without the repeats that a restart may bring."""
    found = list({change["id"]: change for change in published_changes(kafka)}.values())
    return found if len(found) == 4 else None


def test_sockets_outlive_a_restart_and_a_logout_names_them(
    processor: ProcessorProcess,
    environment: dict[str, str],
    kafka_settings: KafkaSettings,
    database_url: str,
    tmp_path: Path,
) -> None:
    where = partition(kafka_settings, "ada")
    beat = Heartbeat(user="ada", token="t1", device_id="tv", screen="Home")
    connects = [
        Connect(user="ada", token="t2", device_id="phone", connection=name) for name in ("c1", "c2")
    ]
    asyncio.run(produce(kafka_settings, [(where, batch(beat, *connects))]))
    wait_for("they are stored", lambda: stored_through(database_url).get(where) == 1)
    assert processor.stop() == 0

    other = ProcessorProcess(environment, tmp_path / "other.log")
    try:
        events: list[Event] = [
            Renew(user="ada", token="t3", connection="c1"),
            Disconnect(user="ada", connection="c2"),
            Disconnect(user="ada", connection="never seen"),
            Heartbeat(user="ada", token="t3", connection="c1", screen="Cart"),
            Logout(user="ada", token="t3", connection="c1"),
        ]
        asyncio.run(produce(kafka_settings, [(where, batch(*events))]))
        wait_for("all is stored", lambda: stored_through(database_url).get(where) == 2)
        published = wait_for("all is published", lambda: four_changes(kafka_settings))
    finally:
        other.kill()
    assert [(c["device"], c["reason"], c["connections"]) for c in published] == [
        ("tv", "started", []),
        ("phone", "started", []),
        ("phone", "navigated", []),
        ("phone", "logged_out", ["c1"]),
    ]
    [(key, value), *repeats] = published_sign_outs(kafka_settings)
    assert (key, msgspec.json.decode(value)) == (b"ada", published[-1])
    assert set(repeats) <= {(key, value)}
    assert rows(database_url, "SELECT connections FROM changes WHERE connections IS NOT NULL") == [
        (["c1"],)
    ]
    assert rows(database_url, "SELECT state::text, screen, log_offset FROM current_presence") == [
        ("foreground", "Home", 1)
    ]


def test_an_outage_of_ticks_only_is_seen_while_it_runs_and_when_it_is_over(
    environment: dict[str, str], kafka_settings: KafkaSettings, database_url: str, tmp_path: Path
) -> None:
    where = partition(kafka_settings, "ada")
    short = {
        "ROLLCALL_OUTAGE_GAP_SECONDS": "2",
        "ROLLCALL_CLIENT_INTERVAL_SECONDS": "0.01",
        "ROLLCALL_OFFLINE_AFTER_SECONDS": "4",
    }
    query = "SELECT ended_at IS NULL FROM outages WHERE kind = 'ticks_only'"
    beat = Heartbeat(user="ada", token="t", device_id="phone", screen="Home")

    def write(event: Event) -> None:
        asyncio.run(produce(kafka_settings, [(where, batch(event))]))

    def running() -> list[tuple[bool]]:
        write(Tick())
        return rows(database_url, query)

    first = ProcessorProcess({**environment, **short}, tmp_path / "first.log")
    try:
        write(beat)
        assert wait_for("ticks alone are an outage", running) == [(True,)]
        assert first.stop() == 0
    finally:
        first.kill()
    second = ProcessorProcess({**environment, **short}, tmp_path / "second.log")
    try:
        write(beat)
        wait_for("it is over", lambda: rows(database_url, query) == [(False,)])
    finally:
        second.kill()
    assert rows(database_url, "SELECT reason::text FROM changes") == [("started",)]


def test_bad_events_are_rejected_alone(
    processor: ProcessorProcess, kafka_settings: KafkaSettings, database_url: str
) -> None:
    where = 2
    good, nul = (user_in(kafka_settings, where, prefix) for prefix in ("good", "nul\x00"))
    elsewhere = user_in(kafka_settings, 1, "elsewhere")
    # Nothing that the codec lets through is known to be refused by PostgreSQL: this is now.
    with psycopg.connect(database_url) as db:
        db.execute("ALTER TABLE changes ADD CHECK (screen <> 'refused')")
    events = [
        encode_event(Heartbeat(user=good, token="t", screen="Home")),
        encode_event(Heartbeat(user=nul, token="t", screen="Home")),
        encode_event(Heartbeat(user=elsewhere, token="t")),
        msgspec.msgpack.encode(["heartbeat", 5]),
        msgspec.msgpack.encode(["no such kind"]),
        encode_event(Heartbeat(user=good, token="t", device_id="tv", screen="bad\x00screen")),
        encode_event(Heartbeat(user=good, token="t", device_id="tv", screen="refused")),
        encode_event(Heartbeat(user=good, token="t", device_id="x" * 100_000, screen="Cart")),
        encode_event(Logout(user=good, token="other", device_id="nowhere", token_expires_ms=2**62)),
        encode_event(Heartbeat(user=good, token="t2", screen="Last")),
    ]
    value = msgspec.msgpack.encode((1, [msgspec.Raw(event) for event in events]))
    records = [
        (where, value),
        (where, b"\xc1 no msgpack"),
        (where, None),
        (where, msgspec.msgpack.encode((0, []))),
        (where, batch(Heartbeat(user=good, token="t2", screen="After"))),
    ]
    asyncio.run(produce(kafka_settings, records))
    wait_for("all is stored", lambda: stored_through(database_url).get(where) == len(records))
    assert rows(database_url, "SELECT user_id, state::text, screen FROM presence") == [
        (good, "foreground", "After")
    ]
    rejects = [
        msgspec.json.decode(record.value)
        for record in asyncio.run(read_all(kafka_settings, REJECTS))
    ]
    rejected = {(reject["offset"], reject["index"]) for reject in rejects}
    assert {
        (0, 1),
        (0, 2),
        (0, 3),
        (0, 4),
        (0, 5),
        (0, 6),
        (0, 7),
        (1, None),
        (2, None),
        (3, None),
    } == rejected
    assert all(len(reject["sha256"]) == 64 for reject in rejects)
    assert processor.exit_status is None


def test_another_topic_under_the_same_name_is_refused(
    processor: ProcessorProcess,
    environment: dict[str, str],
    kafka_settings: KafkaSettings,
    database_url: str,
    tmp_path: Path,
) -> None:
    asyncio.run(produce(kafka_settings, [(0, batch(Tick()))]))
    wait_for("the tick is stored", lambda: stored_through(database_url).get(0) == 1)
    assert processor.stop() == 0
    rows(
        database_url,
        "UPDATE deployment SET topic_id = gen_random_uuid() RETURNING topic",
    )
    other = ProcessorProcess(environment, tmp_path / "other.log")
    wait_for("it refuses to start", lambda: other.exit_status is not None)
    assert other.exit_status == 1
    assert "the topic was made again" in other.log.read_text()
