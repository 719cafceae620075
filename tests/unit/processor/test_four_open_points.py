"""Decision 5: the four points on which the first design and the code differed. Each in a log of its
own, in which the oracle and the recount must say the same."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias

from msgspec.structs import replace as with_fields

from processor.core.model import Policy
from schemas.log.events import Connect, Disconnect, Event, Heartbeat, Logout, Tick
from tests.unit.processor.presence_logs import Processor, Written, agree, oracle_of
from tests.unit.processor.test_analytics_oracle import agree_on_analytics

Log: TypeAlias = list[tuple[int, Event]]
START_MS = 1_700_000_000_000
POLICY = Policy(offline_after_ms=300_000, logout_fence_ms=30_000, reconnect_grace_ms=200_000)


def told(*log: tuple[int, Event], policy: Policy = POLICY) -> Processor:
    """What the processor makes of these events, each at its second, with ticks between."""
    records: list[Written] = []
    now = log[0][0]
    for second, event in log:
        while now + 10 < second:
            now += 10
            records.append(Written(now, (Tick(),)))
        now = second
        records.append(Written(now, (event,)))
    records = [replace(r, timestamp=START_MS + 1000 * r.timestamp) for r in records]
    processor = Processor(policy)
    processor.batch(records)
    oracle = oracle_of(records, policy)
    agree(processor, oracle)
    agree_on_analytics(processor.effects, oracle)
    return processor


def beat(device: str, screen: str | None = None, connection: str | None = None) -> Heartbeat:
    return Heartbeat(
        user="ann", token=f"t-{device}", device_id=device, screen=screen, connection=connection
    )


def connect(connection: str, device: str = "a") -> Connect:
    return Connect(user="ann", token=f"t-{device}", device_id=device, connection=connection)


def lost(connection: str, silent_ms: int) -> Disconnect:
    return Disconnect(user="ann", connection=connection, silent_ms=silent_ms)


def test_a_logout_ends_an_outage_of_ticks_only() -> None:
    busy = with_fields(POLICY, client_interval_ms=500)
    log: Log = [(0, beat("a")), (200, Logout(user="ann", token="t-a")), (205, Tick())]
    outages = told(*log, policy=busy).outages
    assert list(outages.values()) == [START_MS + 200_000]


def test_a_heartbeat_frame_keeps_its_connection_remembered() -> None:
    """A logout elsewhere can still close the socket of a phone that was never renewed."""
    log: Log = [(0, connect("c1"))]
    log += [(second, beat("a", connection="c1")) for second in range(200, 1_001, 200)]
    log.append((1_010, Logout(user="ann", token="t-a", device_id="a")))
    assert told(*log).changes[-1].changed.connections == ("c1",)


def test_a_visit_after_a_lost_socket_ends_at_a_later_sign_of_life() -> None:
    """Two sockets, of which the dead one is noticed last."""
    processor = told(
        (0, connect("dead")),
        (10, connect("alive")),
        (100, beat("a", connection="alive")),
        (101, lost("alive", 0)),
        (102, lost("dead", 90_000)),
        (140, Tick()),
    )
    [span] = processor.effects.spans
    assert span.finding.ended_by == "disconnected"
    assert span.finding.ended_ms == START_MS + 100_000


def test_a_visit_after_a_lost_socket_ends_before_the_silence_if_nothing_was_heard_since() -> None:
    processor = told((0, connect("c1")), (60, lost("c1", 20_000)), (100, Tick()))
    [span] = processor.effects.spans
    assert (span.finding.ended_ms, span.finding.shown_until_ms) == (
        START_MS + 40_000,
        START_MS + 90_000,
    )


def test_the_reason_of_a_user_in_the_foreground_is_that_of_the_device_that_changed_it() -> None:
    log: Log = [(0, beat("phone", "Home")), (60, beat("tablet", "Film"))]
    processor = told(*log, (90, Logout(user="ann", token="t-tablet", device_id="tablet")))
    row = processor.rows["ann"]
    assert (row["state"], row["screen"], row["reason"]) == ("foreground", "Home", "logged_out")
    assert row["changed_ms"] == START_MS + 90_000
