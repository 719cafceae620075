"""``make bench-door``: CPU µs that a heartbeat costs ingest itself, by the straight lane and by the
ordinary one.

The log answers at once, so Kafka's client is not in it: compare the two, and each with itself
before a change. The runs of the two alternate, because other work on the machine makes both dearer;
a figure is the median of its rounds.
"""

from __future__ import annotations

import asyncio
import json
import logging
import multiprocessing
import secrets
import socket
import statistics
import time
from functools import partial
from typing import Any

import psutil
import typer
import uvloop
from prometheus_client import CollectorRegistry
from rich.console import Console
from rich.table import Table

import ingest.app
from ingest.garbage_collection import spare_the_living
from ingest.settings import IngestSettings
from schemas.http.eager_site import EagerSite
from schemas.http.server import BoundedRunner
from tests.bench.servers import python_says
from tests.bench.smoke import Smoke
from tests.rigs.rig import free_port, wait_for

USERS = 1000
LANES = ("ordinary", "straight")
ROWS = {
    "unwired": "without the kernel",
    "keep": "kept alive",
    "new": "a connection each",
}
console = Console()


class _Log:
    """Takes every record at once."""

    max_record_bytes = 1_000_000
    away = None

    def __init__(self, *_: Any) -> None:
        pass

    async def append(self, _partition: int, _value: bytes, _deadline: float) -> None:
        await asyncio.sleep(0)


def create_door(secret: str, *, straight: bool) -> BoundedRunner:
    """Ingest, with or without its straight lane, before a log that answers at once."""
    vars(ingest.app)["EventLog"] = _Log
    settings = IngestSettings(
        jwt_secret=secret, kafka_bootstrap="127.0.0.1:1", user_events_burst=10**9, partitions=4
    )
    app = ingest.app.create_app(settings, registry=CollectorRegistry())
    runner = ingest.app.create_runner(app, settings)
    if not straight:
        runner._lanes = {}
    return runner


async def _serve(port: int, secret: str, straight: bool) -> None:
    runner = create_door(secret, straight=straight)
    await runner.setup()
    await EagerSite(runner, "127.0.0.1", port, backlog=4096).start()
    spare_the_living()
    await asyncio.Event().wait()


def _run(port: int, secret: str, straight: bool) -> None:
    logging.disable()  # that there is no Kafka
    uvloop.run(_serve(port, secret, straight))


def _cpu_seconds(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def _load(port: int, phones: list[object], mode: str) -> None:
    arguments: list[object] = [port, *phones, USERS, mode, 0]
    if failed := json.loads(python_says("tests.bench.load", arguments))["failed"]:
        raise SystemExit(f"{failed} heartbeats were not answered 200")


def _unwired(secret: str, heartbeats: int, connections: int, lane: str) -> float:
    arguments: list[object] = [secret, heartbeats, connections, lane]
    return float(python_says("tests.bench.door_unwired", arguments))


def main(
    heartbeats: int = 20_000, connections: int = 256, rounds: int = 3, smoke: Smoke = False
) -> None:
    """Print CPU µs a heartbeat of both lanes, kept alive and with a connection each."""
    if smoke:
        heartbeats, connections, rounds = 200, 4, 1
    secret, expiry = secrets.token_hex(32), int(time.time()) + 6 * 3600
    servers = {}
    for lane in LANES:
        port = free_port()
        server = multiprocessing.get_context("spawn").Process(
            target=_run, args=(port, secret, lane == "straight"), daemon=True
        )
        server.start()
        servers[lane] = (port, server)
        wait_for(f"the {lane} door", partial(_listens, port))
    micros: dict[tuple[str, str], list[float]] = {}
    for mode in ("keep", "new"):
        for _, (port, _server) in servers.items():
            _load(port, [secret, expiry, max(1000, heartbeats // 4), connections], mode)
        for _ in range(rounds):
            for lane, (port, server) in servers.items():
                before = _cpu_seconds(server.pid or 0)
                _load(port, [secret, expiry, heartbeats, connections], mode)
                spent = _cpu_seconds(server.pid or 0) - before
                micros.setdefault((mode, lane), []).append(1e6 * spent / heartbeats)
    for _ in range(rounds):
        for lane in LANES:
            spent = _unwired(secret, heartbeats, connections, lane)
            micros.setdefault(("unwired", lane), []).append(spent)
    table = Table("", *LANES, "ratio", title="CPU µs of ingest per heartbeat")
    for mode, words in ROWS.items():
        ordinary, straight = (statistics.median(micros[mode, lane]) for lane in LANES)
        ratio = f"{straight / ordinary:.2f}" if ordinary else ""
        table.add_row(words, f"{ordinary:.1f}", f"{straight:.1f}", ratio)
    console.print(table)
    for _, server in servers.values():
        server.terminate()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    typer.run(main)
