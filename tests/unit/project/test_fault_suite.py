"""The parts of the fault suite that could let a fault pass unseen."""

from __future__ import annotations

import asyncio
import random
import re
import struct
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from schemas.log.events import Heartbeat, Logout, Tick, decode_batch, encode_batch
from tests.faults.__main__ import SMOKE, plan
from tests.faults.brokers import THREE
from tests.faults.fleet import Phone, ids_of, spelled
from tests.faults.judge import Loss
from tests.faults.kinds import Kind, all_kinds
from tests.faults.postgres_wire import CommitWatch
from tests.faults.segments import batches, tear
from tests.faults.truth import LOGOUT, Spell, Truth, falsely_offline


def message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", 4 + len(body)) + body


SSL_REQUEST = struct.pack("!ii", 8, 80_877_103)
START = struct.pack("!ii", 17, 196_608) + b"user\0ann\0"
SYNC = message(b"S", b"")
#: By protocol: what a client says, up to the end of the message that commits.
COMMITS = {
    "simple": message(b"Q", b"COMMIT\0"),
    "extended": message(b"P", b"\0COMMIT\0\0\0") + message(b"E", b"\0\0\0\0\0") + SYNC,
}
OTHERS = message(b"Q", b"BEGIN\0") + message(b"P", b"\0SELECT 'COMMIT'\0\0\0") + SYNC


@pytest.mark.parametrize("protocol", COMMITS)
@pytest.mark.parametrize("cut", [1, 3, 10_000])
def test_a_commit_is_found_where_it_ends_however_its_bytes_come(protocol: str, cut: int) -> None:
    before = SSL_REQUEST + START + OTHERS + message(b"d", b"\0" * 99) + COMMITS[protocol]
    said = before + message(b"Q", b"SELECT 1\0")
    watch, found = CommitWatch(), []
    for at in range(0, len(said), cut):
        end = watch.feed(said[at : at + cut])
        if end is not None:
            found.append(at + end)
    assert found == [len(before)]


def test_what_is_no_commit_is_none() -> None:
    assert CommitWatch().feed(START + OTHERS + message(b"Q", b"ROLLBACK\0")) is None


def test_a_phone_that_is_there_or_was_heard_of_is_falsely_offline() -> None:
    there = Spell("phone", 100.0, None, beat_at=130.0)
    gone = Spell("phone", 100.0, 131.0, beat_at=130.0)
    signed_out = Spell("phone", 100.0, 131.0, beat_at=130.0, logged_out=True)

    def at(spell: Spell, seconds: float, *, by_silence: bool = True) -> str | None:
        return falsely_offline([spell], "phone", seconds, 15.0, by_silence=by_silence)

    assert at(there, 150) == "in use since 100.0"
    assert at(gone, 144) == "heard of at 130.0"
    assert at(gone, 130.5) == "in use since 100.0"
    assert at(gone, 145) is None
    assert at(gone, 140, by_silence=False) is None
    assert at(signed_out, 140) is None
    assert at(there, 99) is None
    assert falsely_offline([there], "tablet", 150, 15.0, by_silence=True) is None


def test_no_two_events_of_a_phone_look_the_same() -> None:
    assert len({spelled(number) for number in range(128)}) == 128
    assert {spelled(number).lower() for number in range(128)} == {"unknown"}


def test_what_is_in_a_record_is_what_phones_know_of_it() -> None:
    record = encode_batch(
        [
            Heartbeat(user="ann", token="t", app_version="1.0", screen="Home"),
            Tick(),
            Logout(user="ann", token="t"),
        ]
    )
    assert ids_of(decode_batch(record)) == [("ann", "1.0", "Home"), ("ann", "t", LOGOUT)]


def test_a_torn_log_ends_in_the_middle_of_its_first_lost_batch(tmp_path: Path) -> None:
    segment = tmp_path / "00000000000000000000.log"
    segment.write_bytes(
        b"".join(struct.pack(">qi", n, 20) + bytes(20) for n in range(5)) + b"\0" * 7
    )
    assert [offset for offset, _, _ in batches(segment)] == [0, 1, 2, 3, 4]
    assert tear(tmp_path, 2) == 3
    assert [offset for offset, _, _ in batches(segment)] == [0, 1, 2]
    assert segment.stat().st_size == 3 * 32 + 16
    assert tear(tmp_path, 3) is None


def test_only_what_the_fault_took_may_be_missing() -> None:
    event, other = ("ann", "1.0", "Home"), ("bob", "1.0", "Home")
    assert Loss(events={event}).may_lack(event, 5.0)
    assert not Loss(events={event}).may_lack(other, 5.0)
    assert Loss(between=(4.0, 6.0)).may_lack(event, 5.0)
    assert not Loss(between=(4.0, 6.0)).may_lack(event, 6.5)


def test_every_kind_comes_before_one_comes_again_and_a_seed_gives_the_same_rounds() -> None:
    kinds = all_kinds()
    names = [kind.name for kind in kinds]
    assert len(set(names)) == len(names)
    assert set(SMOKE) <= set(names)
    assert all(kind.does for kind in kinds)
    planned = [kind.name for kind in plan(kinds, random.Random(1), 2 * len(kinds))]
    assert sorted(planned[: len(kinds)]) == sorted(planned[len(kinds) :]) == sorted(names)
    assert planned == [kind.name for kind in plan(kinds, random.Random(1), 2 * len(kinds))]


def told_in_the_docs() -> dict[str, str]:
    """The table of kinds: what each does, by name."""
    page = (Path(__file__).parents[3] / "docs/faults.md").read_text()
    table = page.split("## What is done", 1)[1].split("## What came of it", 1)[0]
    rows = [line.split("|")[1:3] for line in table.splitlines() if line.startswith("| `")]
    return {name: does for names, does in rows for name in re.findall("`([^`]+)`", names)}


@pytest.mark.parametrize("kind", all_kinds(), ids=lambda kind: kind.name)
def test_a_kind_is_told_in_the_docs_with_the_brokers_that_it_wants(kind: Kind) -> None:
    does = told_in_the_docs()[kind.name]
    assert {1: "(*one*)", THREE: "(*three*)"}.get(kind.brokers or 0, "") in does
    assert kind.brokers or "(*" not in does


def test_the_docs_tell_of_no_kind_that_is_none() -> None:
    assert {*told_in_the_docs()} == {kind.name for kind in all_kinds()}


class Door(NamedTuple):
    name: str
    port: int


async def test_a_phone_whose_socket_is_pinged_beats_and_no_auth_frame_counts_as_an_event() -> None:
    frames: list[dict[str, Any]] = []
    three = asyncio.Event()

    async def serve(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)

        async def ping() -> None:
            while not socket.closed:
                await socket.ping()
                await asyncio.sleep(0.02)

        pinging = asyncio.ensure_future(ping())
        async for message in socket:
            frames.append(message.json())
            await socket.send_json({"type": "ack", "id": frames[-1]["id"]})
            if len(frames) > 3:
                three.set()
        await pinging
        return socket

    app = web.Application()
    app.router.add_get("/api/ws", serve)
    truth = Truth()
    async with TestServer(app) as server, asyncio.timeout(60):
        phone = Phone(3, "ann", [Door("phones to it", server.port or 0)], "s" * 32, "1", truth, 0.2)  # type: ignore[list-item]
        living = asyncio.ensure_future(phone.live())
        await three.wait()
        living.cancel()
        await asyncio.gather(living, return_exceptions=True)
    auth, *beats = frames
    assert {*auth} == {"id", "type", "token"}
    assert all(beat["device_id"] == "phone-3" for beat in beats)
    assert {("ann", beat["app_version"], beat["screen"]) for beat in beats} >= {*truth.acknowledged}
