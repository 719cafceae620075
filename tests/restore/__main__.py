"""``make test-restore``: PostgreSQL is lost under a fleet of phones, and restored from a dump.

Real Kafka and PostgreSQL, two ingests, two processors and the API as processes of their own
(``tests/faults``). In the middle of the work ``pg_dump`` writes the database; then it goes on, one
user is erased and one opts out. Then the server is lost, and what docs/operations.md says is done
with an empty one: restore, migrate, `rollcall erase --since-restore`, and the processors read on
where the dump ends. Then all of this must hold:

1. `rollcall audit`, which knows nothing of the database before, finds no difference.
2. Every event that was acknowledged is in the log, and nobody was falsely offline.
3. Nothing is stored of the two who left.
4. The server that was lost comes back, elsewhere, and reads the same log to its end: its tables
   and those of the restored one have the same rows.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
import os
import random
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.request import Request, urlopen

import jwt
import psycopg
import typer
from psycopg import sql
from rich.console import Console

from deploy.local.postgres import LocalPostgres, binary
from tests.ending import end_by_sigterm
from tests.faults.fleet import Fleet
from tests.faults.judge import Judge, Loss
from tests.faults.links import Background
from tests.faults.managed import Managed
from tests.faults.names import API, BEAT_SECONDS, INGESTS, POSTGRES, PROCESSORS, TIMING
from tests.faults.recount import Recount
from tests.faults.stack import START_SECONDS, Stack, until
from tests.rigs.privacy_rig import traces
from tests.rigs.rig import wait_for

PHONES: Final = 60
PHONES_OF_SMOKE: Final = 20
DUMP_SECONDS: Final = 120
ERASED, OPTED_OUT = "erased-since", "opted-out-since"
#: Those whose rows follow from the log alone, but for what says when this was stored.
TABLES: Final = {
    # The newer half of each user: which one a sign of life went to depends on the batches.
    "current_presence": "",
    "changes": "",
    "spans": "",
    "sessions": "",
    "user_days": "",
    "screen_minutes": "",
    "screen_transitions": "",
    "concurrency_samples": "",
    "screen_samples": "",
    "live_screens": "",
    "outages": "",
    "erasures": "requested_at removed",
    "privacy_flags": "",
    "stream_offsets": "published_through",
}
console = Console()


def say(line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)


class Drill:
    """One dump, one loss, one restore."""

    def __init__(self, directory: Path, seed: int, background: Background, phones: int) -> None:
        TIMING["EVENT_VERSION"] = "2"
        self.directory = directory
        self.stack = Stack(directory, background)
        doors = [self.stack.links[f"phones to {name}"] for name in INGESTS]
        self.phones = phones
        self.fleet = Fleet(phones, doors, self.stack.secret, seed, BEAT_SECONDS, background)
        self.recount = Recount(self.stack.kafka_settings)
        self.dump = directory / "rollcall.dump"
        self._beside: list[Managed] = []

    def run(self, seconds: float) -> list[str]:
        """What does not hold; ``seconds`` go by between the dump and the loss."""
        stack, fleet = self.stack, self.fleet
        fleet.start()
        until(lambda: len(fleet.truth.users()) > self.phones // 2, 60)
        for user in (ERASED, OPTED_OUT):
            fleet.truth.tried((user, "", "Home"))
            self._call(user, INGESTS[0], "/api/update-online-status", "POST", {"screen": "Home"})
        wait_for("they are stored", lambda: self._stored_of(ERASED, OPTED_OUT))
        began = time.monotonic()
        self._dump()
        say(f"dumped in {time.monotonic() - began:.1f} s, with everything running")
        done = stack.command("erase", "--user", ERASED)
        assert done.returncode == 0, done.stderr
        self._call(OPTED_OUT, API, "/api/v1/me/tracking", "PUT", {"enabled": False})
        time.sleep(seconds)
        dumped = stack.next_offsets()
        lost = self._lose()
        began = time.monotonic()
        self._restore()
        behind = sum(dumped[p] - at for p, at in stack.next_offsets().items())
        said = stack.command("erase", "--since-restore")
        assert said.returncode == 0, said.stderr
        for name in (*PROCESSORS, API):
            stack.managed[name].start()
        self._caught_up()
        say(
            f"restored and caught up in {time.monotonic() - began:.1f} s; the dump was {behind} "
            f"records older; {said.stdout.strip().replace(chr(10), '; ')}"
        )
        verdict = Judge(stack, fleet, self.recount).verdict(Loss(), time.time())
        say(
            f"audit: {verdict.differences} differences; {verdict.acknowledged} acknowledged, "
            f"{verdict.missing} missing, {verdict.false_offline} falsely offline"
        )
        wrong = list(verdict.said) if not verdict.holds or verdict.in_part else []
        wrong += [f"in part: {verdict.in_part}"] if verdict.in_part else []
        found = traces(stack.database_url, ERASED, OPTED_OUT)
        wrong += [f"{table} holds somebody who left" for table in found]
        return wrong + self._unlike(lost)

    def stop(self) -> None:
        for each in self._beside:
            each.stop()
        self.stack.stop()

    def _dump(self) -> None:
        """As an operator does it, from beside."""
        command = [str(binary("pg_dump")), "-Fc", "-f", str(self.dump), self.stack.database_url]
        subprocess.run(command, check=True, timeout=DUMP_SECONDS)

    def _lose(self) -> LocalPostgres:
        """The server is away from now on; services wait, and phones go on. Gives what is left."""
        stack = self.stack
        postgres = stack.managed[POSTGRES]
        postgres.kill(stays_away=True)
        time.sleep(2)
        for name in (*PROCESSORS, API):
            stack.managed[name].stop()
        return stack._postgres

    def _restore(self) -> None:
        """An empty server in its place, under the same address."""
        stack = self.stack
        port = int(stack._postgres.address.rpartition(":")[2])
        empty = LocalPostgres(self.directory / "postgres-restored", port=port)
        self._start(empty, stack.managed[POSTGRES])
        stack._postgres = empty
        stack.database_url = empty.dsn
        stack._managed_services()
        command = [str(binary("pg_restore")), "--exit-on-error", "-d", empty.dsn, str(self.dump)]
        subprocess.run(command, check=True, timeout=DUMP_SECONDS)
        migrated = stack.command("migrate")
        assert migrated.returncode == 0, migrated.stderr

    def _start(self, server: LocalPostgres, managed: Managed | None) -> None:
        server.prepare()
        child = dataclasses.replace(server.child(), name=POSTGRES)
        if managed is None:
            managed = Managed(child)
            self._beside.append(managed)
        managed.child, managed._before_start = child, None
        asyncio.run(server.wait_ready(START_SECONDS, managed.start()))

    def _caught_up(self) -> None:
        def settled() -> bool:
            if self.stack.not_ready():
                return False
            ends = self.recount.go_on()
            return until(lambda: self._has(self.stack.next_offsets(), ends), 10) is not None

        wait_for("all is stored", settled, START_SECONDS)

    @staticmethod
    def _has(following: dict[int, int], ends: dict[int, int]) -> bool:
        return all(following.get(number, 0) >= end for number, end in ends.items())

    def _unlike(self, lost: LocalPostgres) -> list[str]:
        """Tables that differ at the end of the log between the restored server and the lost one,
        which is found again and reads the same log."""
        stack = self.stack
        for name in INGESTS:
            stack.managed[name].stop()
        ends = self.recount.go_on()
        wait_for("all is stored", lambda: self._has(stack.next_offsets(), ends))
        for name in (*PROCESSORS, API):
            stack.managed[name].stop()
        found = LocalPostgres(lost.data_dir, port=stack._port())
        self._start(found, None)
        name = PROCESSORS[0]
        child = stack.managed[name].child
        url = found.dsn
        processor = Managed(
            dataclasses.replace(
                child, environment={**child.environment, "ROLLCALL_DATABASE_URL": url}
            )
        )
        self._beside.append(processor)
        processor.start()
        wait_for(
            "the lost one has it, too",
            lambda: self._has(dict(_rows(url, _FOLLOWING)), ends),
            START_SECONDS,
        )
        processor.stop()
        rows, unlike = _compared(stack.database_url, url)
        say(f"{rows} rows of {len(TABLES)} tables; unlike those never lost: {len(unlike)} tables")
        stack.rows("UPDATE changes SET screen = 'altered by hand' RETURNING 1")
        if not unlike and not _compared(stack.database_url, url)[1]:
            unlike.append(
                "a row that was altered by hand is not seen: nothing of this is worth a bit"
            )
        return unlike

    def _call(self, user: str, service: str, path: str, method: str, said: Any) -> None:
        claims = {"sub": user, "sid": user, "exp": int(time.time()) + 3600}
        token = jwt.encode(claims, self.stack.secret)
        request = Request(
            f"http://127.0.0.1:{self.stack.ports[service]}{path}",
            data=json.dumps(said).encode(),
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
            method=method,
        )
        with urlopen(request, timeout=20) as answer:  # noqa: S310 - our own address
            assert answer.status in (200, 202)

    def _stored_of(self, *users: str) -> bool:
        query = "SELECT count(*) FROM presence WHERE user_id = ANY (%s)"
        return self.stack.rows(query, list(users)) == [(len(users),)]


_FOLLOWING: Final = 'SELECT "partition", next_offset FROM stream_offsets'


def _rows(url: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query.encode()).fetchall()


def _compared(restored_url: str, lost_url: str) -> tuple[int, list[str]]:
    """How many rows are restored, and which tables hold others than the server that was lost."""
    count, unlike = 0, []
    for table, without in TABLES.items():
        restored = _table(restored_url, table, without)
        never_lost = _table(lost_url, table, without)
        count += len(restored)
        if restored != never_lost:
            only = [*(restored - never_lost)][:3], [*(never_lost - restored)][:3]
            unlike.append(f"{table}: only restored {only[0]}, only never lost {only[1]}")
    return count, unlike


def _table(url: str, table: str, without: str) -> set[str]:
    query = sql.SQL("SELECT (to_jsonb(t) - %s::text[])::text FROM {} t")
    with psycopg.connect(url) as connection:
        found = connection.execute(query.format(sql.Identifier(table)), (without.split(),))
        return {row for (row,) in found}


def main(
    seed: Annotated[int | None, typer.Option(help="Chances; another one by default.")] = None,
    seconds: Annotated[float, typer.Option(help="Between the dump and the loss.")] = 60.0,
    keep: Annotated[bool, typer.Option("--keep", help="Keep all logs, whatever came.")] = False,
    smoke: Annotated[bool, typer.Option("--smoke", help="A few seconds instead.")] = False,
) -> None:
    """Lose PostgreSQL, restore it from a dump, and compare."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    end_by_sigterm()
    chosen = seed if seed is not None else random.SystemRandom().randrange(1_000_000)
    directory = Path(tempfile.mkdtemp(prefix="rollcall-restore-"))
    say(f"seed {chosen}; logs in {directory}")
    background = Background()
    drill: Drill | None = None
    try:
        drill = Drill(directory, chosen, background, PHONES_OF_SMOKE if smoke else PHONES)
        wrong = drill.run(3.0 if smoke else seconds)
    finally:
        if drill is not None:
            drill.stop()
        background.stop()
    for line in wrong:
        say(f"    {line}")
    if wrong:
        say(f"the restored database is not what it should be: see {directory}")
        raise SystemExit(1)
    say("the restored database is as if it had never been lost")
    if not keep:
        shutil.rmtree(directory)


if __name__ == "__main__":
    os.umask(0o022)
    typer.run(main)
