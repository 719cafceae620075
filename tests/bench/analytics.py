"""``make bench-analytics``: how long a dashboard waits for each answer, over a month of a fleet.

The tables are filled by ``tests/bench/fleet.sql``; a real API answers over HTTP. For each call: p50
and p95 of the time to the last byte, one call after the other, and which tables it read how much
of, from PostgreSQL's own statistics. A call that reads more than a few rows of a table that it has
a rollup of ends the bench with an error: then its cost grows with the fleet.
"""

from __future__ import annotations

import asyncio
import secrets
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path

import jwt
import psycopg
import typer
from rich.console import Console
from rich.table import Column, Table

from deploy.local.child import RunningChild
from deploy.local.postgres import LocalPostgres
from schemas.database.migrate import migrate
from schemas.database.named_queries import load_queries
from tests.bench.fleet import Fleet, fill
from tests.bench.servers import answers, service
from tests.bench.smoke import Smoke, check_measured
from tests.rigs.rig import free_port, wait_for

#: What rollups are made of: read by the calls about single people and instants only.
HISTORY = frozenset(
    {
        "spans",
        "sessions",
        "changes",
        "user_days",
        "screen_minutes",
        "screen_transitions",
        "concurrency_samples",
        "screen_samples",
    }
)
#: What is not rolled up yet, three quarter-hours at most, is read as it is; and a planner looks at
#: the ends of an index.
FEW_ROWS = 50_000
#: Tables of which a call reads fewer are not shown.
SHOWN_ROWS = 100
#: PostgreSQL adds up what a connection read once a second.
STATISTICS_SECONDS = 1.1
#: With the user, the screen and the days that :func:`calls` names.
SMALLEST = Fleet(users=1_001, days=4, screens=8, partitions=1, sessions=20)
console = Console()


@dataclass(frozen=True)
class Call:
    """A path, and the tables of history that it is about."""

    path: str
    reads: frozenset[str] = frozenset()


def calls(as_of: datetime) -> list[Call]:
    """What a dashboard asks for."""
    today = as_of.replace(hour=0, minute=0, second=0, microsecond=0)

    def ago(days: int) -> str:
        return f"from={(today - timedelta(days=days)):%Y-%m-%d}&to={today:%Y-%m-%d}"

    week, month = ago(7), ago(30)
    then = f"{(as_of - timedelta(days=3)):%Y-%m-%dT%H:%M:%SZ}"
    past = frozenset({"spans", "changes"})
    samples = frozenset({"screen_samples", "concurrency_samples"})
    v1 = "/api/v1"
    return [
        Call("/api/online-users-count"),
        Call(f"{v1}/screens"),
        Call(f"{v1}/screens/engagement"),
        Call(f"{v1}/screens/engagement?{week}"),
        Call(f"{v1}/screens/engagement?{month}"),
        Call(f"{v1}/screens/engagement?{month}&sort=unique_users"),
        Call(f"{v1}/screens/engagement?{month}&tz=Europe/Berlin"),
        Call(f"{v1}/screens/engagement?{month}&screen=Screen%2007&bucket=1h"),
        Call(f"{v1}/screens/engagement?{month}&bucket=1d&limit=20"),
        Call(f"{v1}/screens/Screen%2007?{month}"),
        Call(f"{v1}/flows"),
        Call(f"{v1}/flows?{month}&limit=500"),
        Call(f"{v1}/flows?{month}&screen=Screen%2007"),
        Call(f"{v1}/concurrency?{week}&bucket=15m"),
        Call(f"{v1}/concurrency?{month}&bucket=1h"),
        Call(f"{v1}/concurrency?{week}&screen=Screen%2007", samples),
        Call(f"{v1}/active-users?{month}"),
        Call(f"{v1}/breakdown?by=app_version"),
        Call(f"{v1}/breakdown?by=device&{month}", frozenset({"user_days"})),
        Call(f"{v1}/sessions/summary?{month}&bucket=1h"),
        Call(f"{v1}/users/user-0001000/timeline", past | {"sessions"}),
        Call(f"{v1}/users/user-0001000?at={then}", past),
        Call(f"{v1}/screens?at={then}", past),
        Call(f"{v1}/online-users?at={then}", past),
    ]


@dataclass(frozen=True)
class Figures:
    """Seconds of each answer, its bytes, and rows read by table."""

    call: Call
    seconds: list[float]
    size: int
    rows: dict[str, int]

    @property
    def p95_ms(self) -> float:
        return 1000 * statistics.quantiles(self.seconds, n=20, method="inclusive")[18]

    @property
    def shown_rows(self) -> str:
        shown = [f"{t} {rows:,}" for t, rows in sorted(self.rows.items()) if rows >= SHOWN_ROWS]
        return ", ".join(shown)

    @property
    def problem(self) -> str | None:
        """Which history it read that it is not about; ``None``: none."""
        for table in sorted(HISTORY - self.call.reads):
            if self.rows.get(table, 0) > FEW_ROWS:
                return f"{self.call.path} read {self.rows[table]:,} rows of {table}"
        return None


@contextmanager
def database(directory: Path) -> Iterator[str]:
    """A migrated database of a PostgreSQL as `rollcall up` runs it."""
    postgres = LocalPostgres(directory / "postgres")
    postgres.prepare()
    running = RunningChild(postgres.child())
    try:
        asyncio.run(postgres.wait_ready(120, running))
        migrate(postgres.dsn)
        yield postgres.dsn
    finally:
        running.stop()


class Client:
    """One connection to the API, with the token of a reader."""

    def __init__(self, port: int, secret: str) -> None:
        claims = {"sub": "bench", "scope": "presence:read", "exp": int(time.time()) + 6 * 3600}
        self._headers = {"Authorization": f"Bearer {jwt.encode(claims, secret)}"}
        self._connection = HTTPConnection("127.0.0.1", port, timeout=60)

    def get(self, path: str) -> tuple[float, bytes]:
        """Seconds to the last byte, and the body of a 200."""
        started = time.perf_counter()
        self._connection.request("GET", path, headers=self._headers)
        answer = self._connection.getresponse()
        body = answer.read()
        seconds = time.perf_counter() - started
        if answer.status != 200:
            raise SystemExit(f"{path}: {answer.status} {body.decode()}")
        return seconds, body


def measure(
    client: Client, database_url: str, as_of: datetime, times: int, statistics_seconds: float
) -> Iterator[Figures]:
    """Each call ``times`` times, after one that is not counted."""
    query = load_queries("tests.bench", "fleet.sql")["rows_read"]
    with psycopg.connect(database_url, autocommit=True) as statistics_of:

        def rows_read() -> dict[str, int]:
            # The API's one connection tells what it did with the first answer after a second.
            time.sleep(statistics_seconds)
            client.get("/api/v1/users?limit=1")
            time.sleep(statistics_seconds)
            return dict(statistics_of.execute(query).fetchall())

        for call in calls(as_of):
            client.get(call.path)
            before = rows_read()
            _, body = client.get(call.path)
            read = {table: rows - before.get(table, 0) for table, rows in rows_read().items()}
            seconds = [client.get(call.path)[0] for _ in range(times)]
            yield Figures(call, seconds, len(body), {t: rows for t, rows in read.items() if rows})


def main(
    users: int = 100_000, sessions: int = 25_000, times: int = 40, smoke: Smoke = False
) -> None:
    """Print p50 and p95 of every call of a dashboard over thirty days of a fleet."""
    fleet, statistics_seconds = Fleet(users, sessions=sessions), STATISTICS_SECONDS
    if smoke:
        fleet, statistics_seconds, times = SMALLEST, 0.0, 2
    secret, port, admin = secrets.token_hex(32), free_port(), free_port()
    as_of = datetime.now(UTC).replace(microsecond=0)
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        directory = Path(temporary)
        # PostgreSQL may run as another user, who must get in.
        directory.chmod(0o755)
        database_url = stack.enter_context(database(directory))
        started = time.monotonic()
        with console.status("") as status:
            fill(database_url, fleet, as_of, status.update)
        console.print(f"filled in {time.monotonic() - started:.0f} s")
        console.print(_sizes(database_url))
        environment = {
            "ROLLCALL_DATABASE_URL": database_url,
            "ROLLCALL_JWT_SECRET": secret,
            "ROLLCALL_USER_HASH_KEY": secret,
            "ROLLCALL_API_PORT": str(port),
            "ROLLCALL_API_ADMIN_PORT": str(admin),
            # So that PostgreSQL's statistics come from the calls one after the other.
            "ROLLCALL_API_POOL_SIZE": "1",
            "ROLLCALL_API_STATEMENT_TIMEOUT_SECONDS": "60",
        }
        stack.enter_context(service(directory, "api", ["-m", "api"], **environment))
        wait_for("the API is ready", lambda: answers(f"http://127.0.0.1:{admin}/readyz"))
        table = Table(Column("call", overflow="fold"), "p50 ms", "p95 ms", "KB", "rows read")
        problems = []
        client = Client(port, secret)
        for figures in measure(client, database_url, as_of, times, statistics_seconds):
            table.add_row(
                figures.call.path,
                f"{1000 * statistics.median(figures.seconds):.1f}",
                f"{figures.p95_ms:.1f}",
                f"{figures.size / 1000:.1f}",
                figures.shown_rows,
            )
            check_measured({"p95_ms": figures.p95_ms})
            if figures.problem and not smoke:  # its statistics were not waited for
                problems.append(figures.problem)
        console.print(table)
    if problems:
        raise SystemExit("\n".join(problems))


def _sizes(database_url: str) -> Table:
    query = load_queries("tests.bench", "fleet.sql")["sizes"]
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(query).fetchall()
    table = Table("table", "rows", "size")
    for name, count, size in rows:
        table.add_row(name, f"{count:,}", size)
    return table


if __name__ == "__main__":
    typer.run(main)
