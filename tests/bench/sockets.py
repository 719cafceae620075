"""``make bench-sockets``: what an idle socket costs ingest, in memory and in CPU.

Each figure comes from an ingest process of its own with 10,000 sockets: memory as the difference
of two readings, before the sockets and with all of them at rest; CPU as that of two readings of
/proc around so many connects, pings or renewals. A renewal is only written for a client that was
heard of, so it comes with a ping, whose cost is taken off again.
"""

from __future__ import annotations

import json
import resource
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import psutil
import typer
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console
from rich.table import Table

from tests.bench.cpu import cpu_seconds
from tests.bench.servers import answers, kafka, kafka_environment, service
from tests.bench.smoke import Smoke, check_measured
from tests.rigs.rig import free_port, wait_for

#: So that nothing of it happens while something else is measured.
NEVER_SECONDS = 3600
console = Console()


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    sockets: int
    #: Spent on pings, and as many on renewals.
    seconds: float
    #: Opened and closed before anything is measured: code, caches and buffers are there afterwards.
    warm_up_sockets: int = 200
    #: Short, so that many happen while they are counted; a renewal needs a ping since the last one.
    ping_seconds: float = 10
    renewal_seconds: float = 12
    client_processes: int = 2
    quick_start: bool = False


#: Long enough for a renewal of every socket.
SMALLEST = Plan(
    sockets=20,
    seconds=3,
    warm_up_sockets=2,
    ping_seconds=0.5,
    renewal_seconds=1,
    client_processes=1,
    quick_start=True,
)


@dataclass(frozen=True)
class Reading:
    """Of the processes at one moment."""

    ingest_cpu_seconds: float
    kafka_cpu_seconds: float
    rss_bytes: int
    pss_bytes: int
    pings: int
    renewals: float


class Clients:
    """The client processes."""

    def __init__(self, port: int, secret: str, first: int, count: int, processes: int) -> None:
        module = ["-m", "tests.bench.idle_sockets"]
        each = count // processes
        self._processes = [
            subprocess.Popen(
                [sys.executable, *module, str(port), secret, str(first + number * each), str(each)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for number in range(processes)
        ]
        self._answers()

    @property
    def pids(self) -> list[int]:
        return [process.pid for process in self._processes]

    def ask(self) -> dict[str, int]:
        """Let each go on; the sums of what they say then."""
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        return self._answers()

    def _answers(self) -> dict[str, int]:
        sums: dict[str, int] = {}
        for process in self._processes:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                raise SystemExit("a client process failed: see above")
            for name, value in json.loads(line).items():
                sums[name] = sums.get(name, 0) + value
        return sums

    def end(self) -> None:
        for process in self._processes:
            process.kill()
            process.communicate()


class Ingest:
    """An ingest process under measurement."""

    def __init__(self, guard_pid: int, port: int, admin_port: int, kafka_pid: int) -> None:
        self.port = port
        self._admin_port = admin_port
        self._guard_pid = guard_pid
        self._kafka_pid = kafka_pid
        guard = psutil.Process(guard_pid)
        [self._process] = guard.children() or [guard]  # a fork has none

    def metric(self, name: str, **labels: str) -> float:
        with urlopen(f"http://127.0.0.1:{self._admin_port}/metrics") as answer:
            text = answer.read().decode()
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def events(self, kind: str) -> float:
        return self.metric("rollcall_ingest_events_total", kind=kind)

    @property
    def sockets(self) -> float:
        return self.metric("rollcall_ingest_sockets_open")

    def reading(self, clients: Clients | None) -> Reading:
        told = {"pings": 0} if clients is None else clients.ask()
        if told.keys() != {"pings"}:
            raise SystemExit(f"sockets were closed, the figures say nothing: {told}")
        memory = self._process.memory_full_info()
        return Reading(
            cpu_seconds(self._guard_pid),
            cpu_seconds(self._kafka_pid),
            memory.rss,
            memory.pss,
            told["pings"],
            self.events("renew"),
        )


@contextmanager
def ingest(
    directory: Path,
    kafka_pid: int,
    secret: str,
    where: dict[str, str],
    *,
    heartbeats: float = NEVER_SECONDS,
    pings: float = NEVER_SECONDS,
) -> Iterator[Ingest]:
    """One that asks for heartbeats, and pings, every so many seconds."""
    port, admin_port = free_port(), free_port()
    environment = {
        **where,
        "ROLLCALL_JWT_SECRET": secret,
        "ROLLCALL_INGEST_PORT": str(port),
        "ROLLCALL_INGEST_ADMIN_PORT": str(admin_port),
        "ROLLCALL_OFFLINE_AFTER_SECONDS": str(4 * NEVER_SECONDS),
        "ROLLCALL_HEARTBEAT_INTERVAL_SECONDS": str(heartbeats),
        "ROLLCALL_WEBSOCKET_PING_INTERVAL_SECONDS": str(pings),
    }
    with service(directory, f"ingest-{port}", ["-m", "ingest"], **environment) as guard_pid:
        wait_for("ingest is ready", lambda: answers(f"http://127.0.0.1:{admin_port}/readyz"))
        yield Ingest(guard_pid, port, admin_port, kafka_pid)


@contextmanager
def opened(ingest: Ingest, secret: str, plan: Plan) -> Iterator[tuple[Clients, Reading, Reading]]:
    """All sockets, and the readings before and after they have connected."""
    others, processes = 10 * plan.sockets, plan.client_processes
    warm_up = Clients(ingest.port, secret, others, plan.warm_up_sockets, processes)
    warm_up.ask()
    wait_for("the warm-up is done", lambda: ingest.events("connect") >= plan.warm_up_sockets)
    warm_up.end()
    wait_for("the warm-up has gone", lambda: ingest.sockets == 0)
    clients = Clients(ingest.port, secret, 0, plan.sockets, processes)
    before = ingest.reading(None)
    try:
        clients.ask()
        wait_for(
            "all sockets have connected",
            lambda: ingest.events("connect") >= plan.warm_up_sockets + plan.sockets,
            seconds=300,
        )
        yield clients, before, ingest.reading(clients)
    finally:
        clients.end()


def measure(plan: Plan) -> dict[str, float]:
    """Bytes a socket; CPU µs of ingest and of Kafka a connect, ping and renewal."""
    secret = secrets.token_hex(32)
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        directory = Path(temporary)
        pid, settings = stack.enter_context(kafka(directory, quick_start=plan.quick_start))
        where = kafka_environment(settings)
        with (
            ingest(directory, pid, secret, where) as one,
            opened(one, secret, plan) as (_, before, after),
        ):
            figures["rss"] = (after.rss_bytes - before.rss_bytes) / plan.sockets
            figures["pss"] = (after.pss_bytes - before.pss_bytes) / plan.sockets
            figures["connect"], figures["connect_kafka"] = _micros(before, after, plan.sockets)
        with (
            ingest(directory, pid, secret, where, pings=plan.ping_seconds) as one,
            opened(one, secret, plan) as (clients, _, first),
        ):
            time.sleep(plan.seconds)
            last = one.reading(clients)
            figures["ping"], _ = _micros(first, last, last.pings - first.pings)
        renewed = {"heartbeats": plan.renewal_seconds, "pings": plan.ping_seconds}
        with (
            ingest(directory, pid, secret, where, **renewed) as one,
            opened(one, secret, plan) as (clients, _, first),
        ):
            time.sleep(plan.seconds)
            last = one.reading(clients)
            renewals = last.renewals - first.renewals
            figures["renewals"] = renewals
            both, figures["renewal_kafka"] = _micros(first, last, renewals)
            figures["renewal"] = both - figures["ping"] * (last.pings - first.pings) / renewals
    return figures


def _micros(before: Reading, after: Reading, times: float) -> tuple[float, float]:
    ingest = after.ingest_cpu_seconds - before.ingest_cpu_seconds
    kafka = after.kafka_cpu_seconds - before.kafka_cpu_seconds
    return 1e6 * ingest / times, 1e6 * kafka / times


def allow_open_files() -> None:
    """For this process and those that it starts: all that the kernel lets root have, all that the
    machine lets others have."""
    most = int(Path("/proc/sys/fs/nr_open").read_text())
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    except (ValueError, PermissionError):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main(sockets: int = 10_000, seconds: float = 24.0, smoke: Smoke = False) -> None:
    """Print what idle sockets cost; ``seconds`` are spent on pings, and as many on renewals."""
    allow_open_files()
    plan = SMALLEST if smoke else Plan(sockets, seconds)
    figures = measure(plan)
    table = Table(f"{plan.sockets} idle sockets", "ingest", "kafka")
    table.add_row("resident bytes a socket", f"{figures['rss']:.0f}")
    table.add_row("proportional bytes a socket", f"{figures['pss']:.0f}")
    for name, words in (("connect", "connect, authenticated"), ("renewal", "renewal")):
        kafka_micros = f"{figures[f'{name}_kafka']:.1f}"
        table.add_row(f"CPU µs a {words}", f"{figures[name]:.1f}", kafka_micros)
    table.add_row("CPU µs a ping", f"{figures['ping']:.1f}")
    console.print(table)
    check_measured(figures)


if __name__ == "__main__":
    typer.run(main)
