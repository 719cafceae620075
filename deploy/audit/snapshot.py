"""The rows of one moment, copied to files: the transaction lasts as long as the copy, no longer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import msgspec
import psycopg

from deploy.audit.states import Policy
from schemas.database.named_queries import load_queries

QUERIES: Final = load_queries("deploy.audit", "snapshot.sql")
#: Those that are copied to a file each, by partition.
COPIED: Final = (
    *("presence", "changes", "spans", "sessions", "user_days", "screen_minutes"),
    *("screen_transitions", "concurrency_samples", "screen_samples", "outages", "clock_steps"),
    *("erasures", "privacy_flags", "live_screens"),
)
_ROWS_AT_ONCE: Final = 5_000
_LENGTH_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class From:
    """From where on a partition's rows are wanted; times in milliseconds."""

    offset: int = 0
    day: int = 0
    minute: int = 0
    time: int = 0


@dataclass(frozen=True, slots=True)
class Stored:
    """A partition as ``stream_offsets`` has it."""

    next_offset: int
    log_time: int
    foreground: int
    background: int
    #: Else a release that does not count them went on, and ``live_screens`` is not believed.
    has_live_screens: bool


@dataclass(slots=True)
class Snapshot:
    """What the database said at one moment."""

    topic_id: str
    partitions: dict[int, Stored]
    policies: dict[int, list[tuple[int, Policy]]]
    #: By partition, how many records were accepted as lost before which offset.
    lost: dict[int, dict[int, int]]
    kept_from: dict[str, int]
    folder: Path
    #: By table and partition, where its rows begin in the file and how many they are.
    places: dict[tuple[str, int], tuple[int, int]] = field(default_factory=dict)
    #: Of the logs before: what was known of one still is.
    former_topic_ids: list[str] = field(default_factory=list)
    #: What is stored as an offset is Kafka's offset and this.
    log_base: int = 0

    @property
    def topic_ids(self) -> set[str]:
        """Of this log, and of those before it."""
        return {self.topic_id, *self.former_topic_ids}

    def keep(self, table: str, rows: Iterable[Sequence[Any]]) -> None:
        """Write a table's file; each row begins with its partition, in whose order they come."""
        with (self.folder / table).open("wb") as file:
            place = 0
            for partition, *row in rows:
                encoded = msgspec.msgpack.encode(row)
                key = (table, partition)
                start, count = self.places.get(key, (place, 0))
                self.places[key] = (start, count + 1)
                file.write(len(encoded).to_bytes(_LENGTH_BYTES) + encoded)
                place += _LENGTH_BYTES + len(encoded)

    def rows(self, table: str, partition: int) -> Iterator[tuple[Any, ...]]:
        """Those of a partition, without ``partition``, in the order of the query."""
        start, count = self.places.get((table, partition), (0, 0))
        with (self.folder / table).open("rb") as file:
            file.seek(start)
            for _ in range(count):
                length = int.from_bytes(file.read(_LENGTH_BYTES))
                yield tuple(msgspec.msgpack.decode(file.read(length)))


class NothingToAuditError(RuntimeError):
    """No deployment in the database, or no record was processed so far."""


def take_snapshot(
    dsn: str,
    wanted: Callable[[set[str], Mapping[int, Stored]], Mapping[int, From]],
    folder: Path,
    copy_more: Callable[[psycopg.Connection[Any], Snapshot], None] | None = None,
) -> Snapshot:
    """Copy what is to be compared into ``folder``: of topics with these ids, whose partitions
    are stored so far, from where ``wanted`` says, else all; and in the same transaction what
    ``copy_more`` copies. Raises ``psycopg.Error`` and :class:`NothingToAuditError`."""
    with psycopg.connect(dsn, connect_timeout=10) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        found = connection.execute(QUERIES["deployment"]).fetchone()
        if found is None:
            raise NothingToAuditError("the database belongs to no log: no processor has run so far")
        topic_id, partitions, log_base, former = found
        snapshot = Snapshot(
            topic_id,
            {row[0]: Stored(*row[1:]) for row in connection.execute(QUERIES["offsets"])},
            {},
            {},
            dict(connection.execute(QUERIES["kept_from"]).fetchall()),
            folder,
            former_topic_ids=former,
            log_base=log_base,
        )
        for partition, offset, policy in connection.execute(QUERIES["policies"]):
            decoded = msgspec.json.decode(policy, type=Policy)
            snapshot.policies.setdefault(partition, []).append((offset, decoded))
        for partition, start, end in connection.execute(QUERIES["lost_ranges"]):
            snapshot.lost.setdefault(partition, {})[end] = end - start
        known = wanted(snapshot.topic_ids, snapshot.partitions)
        froms = [known.get(partition, From()) for partition in range(partitions)]
        for partition, offset, _, to_time in connection.execute(QUERIES["clock_steps"]):
            start = froms[partition]
            if offset >= start.offset:
                # From there on instants pass that may not have passed before.
                froms[partition] = replace(start, time=min(start.time, to_time))
        parameters = {
            "partitions": list(range(partitions)),
            "offsets": [one.offset for one in froms],
            "days": [one.day for one in froms],
            "minutes": [one.minute for one in froms],
            "times": [one.time for one in froms],
        }
        for table in COPIED:
            copy_rows(connection, table, QUERIES[table], parameters, snapshot)
        if copy_more is not None:
            copy_more(connection, snapshot)
    return snapshot


def copy_rows(
    connection: psycopg.Connection[Any],
    table: str,
    query: bytes,
    parameters: Mapping[str, int | Sequence[int]],
    snapshot: Snapshot,
) -> None:
    """Copy what a query says, by its first column, in whose order its rows come."""
    given = parameters if b"%(" in query else None
    with connection.cursor(f"audit_{table}") as cursor:
        cursor.itersize = _ROWS_AT_ONCE
        snapshot.keep(table, cursor.execute(query, given))


def note_result(dsn: str, result: Mapping[str, object]) -> None:
    """Leave a row in ``audits``, from which the API's metrics tell."""
    with psycopg.connect(dsn, connect_timeout=10) as connection:
        connection.execute(QUERIES["note_result"], result)


def still_stored(
    dsn: str, left: Sequence[tuple[str, int, int | None]]
) -> list[tuple[str, str, int]]:
    """Rows of users who left (user, offset, only what is older), of before that: table, user and
    offset. None of them comes back, so that this may be a later moment."""
    found: list[tuple[str, str, int]] = []
    if not left:
        return found
    with psycopg.connect(dsn, connect_timeout=10) as connection:
        connection.read_only = True
        for user, offset, before in left:
            given = {"user": user, "offset": offset, "before": before}
            found += connection.execute(QUERIES["still_stored"], given).fetchall()
    return found
