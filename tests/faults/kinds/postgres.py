"""PostgreSQL that loses sessions, answers, time, disk or the right to write."""

from __future__ import annotations

import time
from typing import Final

import psycopg
from psycopg import sql

from tests.faults.kinds import NothingHappenedError, Round, told
from tests.faults.links import Link
from tests.faults.names import PROCESSORS
from tests.faults.stack import Stack

_TERMINATE: Final = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


def _links(round_: Round) -> list[Link]:
    return [round_.stack.links[f"{name} to postgres"] for name in PROCESSORS]


def terminate_sessions(round_: Round) -> None:
    """All sessions of the database are terminated again and again for 3 to 6 s."""
    ends_at = time.monotonic() + round_.chance.uniform(3, 6)
    ended = 0
    while time.monotonic() < ends_at:
        ended += round_.stack.rows(_TERMINATE)[0][0]
        time.sleep(round_.chance.uniform(0, 0.2))
    if not ended:
        raise NothingHappenedError("there was no session to terminate")


def lose_the_answers_to_commits(round_: Round) -> None:
    """Processors' COMMITs are done, and the connection ends before their answer: eight times, the
    outcome is not known."""
    links = _links(round_)
    before = sum(link.commits_cut for link in links)
    for link in links:
        link.commits_to_cut = 8
    ends_at = time.monotonic() + 20
    while any(link.commits_to_cut for link in links) and time.monotonic() < ends_at:
        time.sleep(0.05)
    for link in links:
        link.commits_to_cut = 0
    if sum(link.commits_cut for link in links) == before:
        raise NothingHappenedError("nobody committed")


def read_only(round_: Round) -> None:
    """New sessions take no writes for 3 to 8 s, as those of a standby; those there were end."""
    _set_read_only(round_.stack, "on")
    try:
        round_.last(3, 8)
    finally:
        _set_read_only(round_.stack, "off")


def _set_read_only(stack: Stack, value: str) -> None:
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        connection.execute("SET default_transaction_read_only = off")
        name = sql.Identifier(connection.info.dbname)
        statement = sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = {}")
        connection.execute(statement.format(name, sql.Literal(value)))
        connection.execute(_TERMINATE)


def slow_answers(round_: Round) -> None:
    """Each answer of PostgreSQL to a processor takes 2 s longer, for 6 to 12 s."""
    for link in _links(round_):
        link.answer_delay_seconds = 2.0
    try:
        round_.last(6, 12)
    finally:
        for link in _links(round_):
            link.answer_delay_seconds = 0.0


def disk_full(round_: Round) -> None:
    """PostgreSQL's disk is full for 4 to 8 s, its write-ahead log's too."""
    disk = round_.stack.disk
    assert disk is not None
    ballast = disk / "ballast"
    try:
        with ballast.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(1 << 16))
            except OSError:
                pass
            ends_at = time.monotonic() + round_.chance.uniform(4, 8)
            while time.monotonic() < ends_at:
                # What is freed meanwhile is taken, too.
                try:
                    file.write(bytes(1 << 12))
                except OSError:
                    time.sleep(0.02)
    finally:
        ballast.unlink()


def _no_small_disk(stack: Stack) -> str | None:
    return None if stack.disk is not None else "no tmpfs can be mounted here (needs root)"


KINDS: Final = [
    told("terminate-sessions", terminate_sessions),
    told("commit-unanswered", lose_the_answers_to_commits),
    told("read-only", read_only),
    told("slow-postgres", slow_answers),
    told("disk-full", disk_full, _no_small_disk),
]
