"""A partition as PostgreSQL has it, with everyone online in it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
from psycopg import AsyncConnection

from processor.core.analytics.screen_names import MINUTE_MS, Remembered, ScreenNames
from processor.core.deployment import UnusableDeploymentError
from processor.core.log.clock_steps import MAX_STEPS, ClockStep
from processor.core.log.last_read import LastRead
from processor.core.model import Policy, User
from processor.core.outage import Grace, Silence
from processor.core.privacy import Privacy, StoredFlag, flag_as_of_now
from processor.store.online import chunks

_graces = msgspec.json.Decoder(list[Grace])
_silence = msgspec.json.Decoder(Silence)
_last_read = msgspec.json.Decoder(LastRead)
_remembered = msgspec.json.Decoder(Remembered)
_policy = msgspec.json.Decoder(Policy)


@dataclass(frozen=True, slots=True)
class Stored:
    """A partition as stored: where it stands, the record before that if it is known, whether
    records before that were lost, the policy in force and everyone online, some rows at a time
    (``processor/store/online.py``)."""

    next_offset: int
    log_time_ms: int | None
    steps: list[ClockStep]
    published_through: int
    policy: Policy | None
    graces: list[Grace]
    silence: Silence | None
    last_read: LastRead | None
    after_loss: bool
    online: AsyncIterator[list[tuple[User, int]]]
    #: ``None`` where a release that does not count them went on.
    live_screens: dict[str, int] | None
    screen_names: ScreenNames
    privacy: Privacy


@asynccontextmanager
async def read_stored(
    connection: AsyncConnection[tuple[Any, ...]],
    queries: Mapping[str, bytes],
    partition: int,
    own_log_base: int,
    hashed: Callable[[str], bytes],
) -> AsyncIterator[Stored]:
    """In a transaction that sees one moment. ``own_log_base`` is that of the topic which is read
    (``processor/core/log/positions.py``). Raises ``UnusableDeploymentError``."""
    cursor = await connection.execute(queries["load_partition"], (partition,))
    row = await cursor.fetchone()
    if row is None:
        raise UnusableDeploymentError(
            f"the database has no offset of partition {partition}: start the processor again"
        )
    log_base, next_offset, log_time_ms, published_through, policy = row[:5]
    graces, silence, last_read, after_loss, is_counted = row[5:]
    if log_base != own_log_base:
        raise UnusableDeploymentError(
            "the database belongs to another topic since somebody accepted that "
            "(rollcall offsets accept-loss --new-topic), and this processor reads the "
            "one before: start the processor again, with the Kafka of the new topic"
        )
    live = queries["load_live_screens"]
    cursor = await connection.execute(live, (partition,))
    live_screens = dict(await cursor.fetchall()) if is_counted else None
    cursor = await connection.execute(queries["load_clock_steps"], (partition, MAX_STEPS))
    steps = [ClockStep(*row) async for row in cursor]
    minute_ms = (log_time_ms or 0) // MINUTE_MS * MINUTE_MS
    names = queries["load_screen_names"]
    cursor = await connection.execute(names, (partition, minute_ms))
    new_names = await cursor.fetchall()
    known = queries["load_known_screens"]
    cursor = await connection.execute(known, (partition,))
    row = await cursor.fetchone()
    remembered = _remembered.decode(row[0]) if row is not None else None
    screen_names = ScreenNames(minute_ms, new_names, remembered)
    cursor = await connection.execute(queries["load_flags"], (partition,))
    flags = [flag_as_of_now(StoredFlag(*row), steps) async for row in cursor]
    found = chunks(connection, queries["load_online"], (partition,))
    async with aclosing(found) as online:
        yield Stored(
            next_offset=next_offset,
            log_time_ms=log_time_ms,
            steps=steps,
            published_through=published_through,
            policy=_policy.decode(policy) if policy is not None else None,
            graces=_graces.decode(graces),
            silence=_silence.decode(silence) if silence is not None else None,
            last_read=_last_read.decode(last_read) if last_read is not None else None,
            after_loss=after_loss,
            online=online,
            live_screens=live_screens,
            screen_names=screen_names,
            privacy=Privacy(hashed, flags),
        )
