"""``make bench``: CPU µs per heartbeat of each part, beside a plain service and FastAPI with Redis,
in one run.

Trust CPU per heartbeat, not heartbeats per second: the load generator shares the machine. Each
figure is a difference of two readings of /proc; the second one is taken after the processor has
stored everything. The plain service (``tests/bench/baseline.py``) upserts one row a request; the
other one (``tests/bench/fastapi_redis.py``) keeps a sorted set, where there is a ``redis-server``.

Three fleets: phones that keep their connections, of whose heartbeats two in eight name another
screen; phones that browse, where each one does; and phones that connect for each heartbeat.
"""

from __future__ import annotations

import json
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from deploy.local.child import Child, RunningChild
from tests.bench import report
from tests.bench.cpu import cpu_seconds
from tests.bench.servers import (
    answers,
    drained,
    kafka_environment,
    listens,
    python_says,
    servers,
    service,
)
from tests.bench.smoke import Smoke, check_measured
from tests.rigs.rig import free_port, rows, wait_for

TOKENS_LAST_SECONDS = 6 * 3600
#: In place of a rate: the plain service, and FastAPI with Redis, as fast as they answer.
PLAIN, REDIS = -1.0, -2.0
#: Of the table, and what is in them: each service has one of each.
COLUMNS = {
    "door": ("ingest", "service"),
    "processor": ("processor",),
    "store": ("postgres", "redis"),
    "kafka": ("kafka",),
    "total": ("total",),
}
#: Made by the Makefile from `tests/fastapi.lock`.
FASTAPI = Path(".venv-fastapi").absolute()
#: How long a rate below saturation is held.
RATE_SECONDS = 20
console = Console()


@dataclass(frozen=True)
class Fleet:
    """The phones: their tokens stay the same for the whole run, as they do for an hour in life."""

    secret: str
    tokens_expire_at: int
    connections: int
    users: int


def load(port: int, fleet: Fleet, heartbeats: int, mode: str, rate: float = 0.0) -> float:
    """Run the load generator, at ``rate`` heartbeats a second or (0) as fast as answers come; gives
    the heartbeats per second. Every answer must be a 200."""
    arguments: list[object] = [port, fleet.secret, fleet.tokens_expire_at, heartbeats]
    arguments += [fleet.connections, fleet.users, mode, rate]
    result = json.loads(python_says("tests.bench.load", arguments))
    if result["failed"]:
        raise SystemExit(f"{result['failed']} of {heartbeats} heartbeats were not answered 200")
    return float(result["heartbeats"] / result["seconds"])


def measure(
    heartbeats: int,
    connections: int,
    users: int,
    rates: list[float],
    rounds: int,
    *,
    quick_start: bool,
) -> report.Figures:
    """CPU µs per heartbeat by way of connecting and by rate, then by part: medians of so many
    rounds, in which the services take turns."""
    secret = secrets.token_hex(32)
    fleet = Fleet(secret, int(time.time()) + TOKENS_LAST_SECONDS, connections, users)
    runs: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        directory = Path(temporary)
        # PostgreSQL may run as another user, who must get in.
        directory.chmod(0o755)
        run = stack.enter_context(servers(directory, quick_start=quick_start))
        ingest_port, ingest_admin, admin, baseline_port = (free_port() for _ in range(4))
        common = {
            **kafka_environment(run.kafka_settings),
            "ROLLCALL_DATABASE_URL": run.database_url,
            "ROLLCALL_JWT_SECRET": secret,
            "ROLLCALL_INGEST_PORT": str(ingest_port),
            "ROLLCALL_INGEST_ADMIN_PORT": str(ingest_admin),
            "ROLLCALL_PROCESSOR_ADMIN_PORT": str(admin),
        }
        pids = {
            "ingest": stack.enter_context(service(directory, "ingest", ["-m", "ingest"], **common)),
            "processor": stack.enter_context(
                service(directory, "processor", ["-m", "processor"], **common)
            ),
            "postgres": run.postgres_pid,
            "kafka": run.kafka_pid,
        }
        wait_for("ingest is ready", lambda: answers(f"http://127.0.0.1:{ingest_admin}/readyz"))
        wait_for("the processor is ready", lambda: answers(f"http://127.0.0.1:{admin}/readyz"))
        plain = stack.enter_context(
            service(
                directory,
                "baseline",
                ["-m", "tests.bench.baseline", str(baseline_port), run.baseline_url, secret],
            )
        )
        wait_for("the plain service is up", lambda: listens(baseline_port))
        others = {PLAIN: ("plain", baseline_port, {"service": plain, "postgres": run.postgres_pid})}
        redis_port = free_port()
        redis_pids = stack.enter_context(fastapi_redis(directory, redis_port, secret))
        if redis_pids:
            others[REDIS] = ("redis", redis_port, redis_pids)
        for mode, share in (("keep", 1.0), ("browse", 0.4), ("new", 0.4)):
            sent = int(heartbeats * share)
            # Not measured: caches, tables and the JVM warm up, the same for both.
            load(ingest_port, fleet, sent, mode)
            for _, port, _ in others.values():
                load(port, fleet, sent, mode)
            drained(run)

            for at in rounds * [0.0, *(rates if mode == "keep" else []), *others]:
                if at in others:
                    whose, port, parts = others[at]
                    name = f"{whose}, {mode}"
                else:
                    parts, port = pids, ingest_port
                    name = f"rollcall, {mode}" + (f" at {at:g}/s" if at else "")
                count = min(sent, int(at * RATE_SECONDS)) if at > 0 else sent
                before = {part: cpu_seconds(pid) for part, pid in parts.items()}
                rate = load(port, fleet, count, mode, max(at, 0.0))
                drained(run)
                spent = {part: cpu_seconds(pid) - before[part] for part, pid in parts.items()}
                runs.setdefault(name, []).append(_per_heartbeat(spent, count, rate))
        online = rows(run.database_url, "SELECT sum(foreground)::bigint FROM stream_offsets")
        if online != [(min(users, heartbeats),)]:
            raise SystemExit(f"the count is wrong: {online}, not {users}")
    return report.medians(runs)


@contextmanager
def fastapi_redis(directory: Path, port: int, secret: str) -> Iterator[dict[str, int]]:
    """The pids of its parts; none where there is no Redis, and then it says so."""
    program = shutil.which("redis-server")
    if program is None or not FASTAPI.exists():
        console.print("Not compared with FastAPI and Redis: install redis-server, and `make bench`")
        yield {}
        return
    path = directory / "redis.sock"
    settings = ["--port", "0", "--unixsocket", str(path), "--appendonly", "yes"]
    redis = RunningChild(
        Child("redis", [program, *settings, "--dir", str(directory)], directory / "redis.log", {})
    )
    try:
        wait_for("Redis is up", path.exists)
        command = ["-m", "tests.bench.fastapi_redis", str(port), str(path), secret]
        with service(directory, "fastapi", command, PYTHONPATH=str(FASTAPI)) as pid:
            wait_for("FastAPI is up", lambda: listens(port))
            yield {"service": pid, "redis": redis.pid}
    finally:
        redis.stop()


def _per_heartbeat(spent: dict[str, float], heartbeats: int, rate: float) -> dict[str, float]:
    micros = {part: 1e6 * seconds / heartbeats for part, seconds in spent.items()}
    return {**micros, "total": sum(micros.values()), "heartbeats_per_second": rate}


def main(
    heartbeats: int = 60_000,
    connections: int = 256,
    users: int = 20_000,
    rates: Annotated[
        str, typer.Option(help="Heartbeats a second, beside saturation.")
    ] = "500,3000",
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the figures here.")
    ] = None,
    against: Annotated[Path | None, typer.Option(help="An earlier run's file.")] = None,
    rounds: Annotated[int, typer.Option(help="Figures are the medians of so many.")] = 3,
    smoke: Smoke = False,
) -> None:
    """Print CPU µs per heartbeat of Rollcall and of a plain service, and their ratio."""
    if smoke:
        # As many connections as in earnest: what has room for fewer shows it.
        heartbeats, connections, users, rates, rounds = 400, 256, 40, "100", 1
    held = [float(rate) for rate in rates.split(",") if rate]
    earlier = report.read_figures(against) if against is not None else {}
    figures = measure(heartbeats, connections, users, held, rounds, quick_start=smoke)
    table = Table(
        *("", *COLUMNS, "spread", "per s"),
        title=f"CPU µs per heartbeat, and heartbeats a second: medians of {rounds}",
    )
    for name, row in figures.items():
        cells = [
            " ".join(f"{row[part]:.1f}" for part in of if part in row) for of in COLUMNS.values()
        ]
        table.add_row(name, *cells, f"{row['spread']:.0%}", f"{row['heartbeats_per_second']:.0f}")
    console.print(table)
    for line in [*report.ratios(figures), *report.comparison(figures, earlier)]:
        console.print(line)
    if json_file is not None:
        report.write_figures(json_file, figures)
    for row in figures.values():
        check_measured(row)


if __name__ == "__main__":
    typer.run(main)
