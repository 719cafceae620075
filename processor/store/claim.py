"""Whether the database is this deployment's, and one that the processor can work with.

Asked once at the start (``processor/startup.py``).
"""

from __future__ import annotations

from typing import Any

from psycopg import AsyncConnection

from processor.core.deployment import UnusableDeploymentError, check_deployment
from processor.core.log.positions import positions
from processor.store.store import CONNECT_TIMEOUT_SECONDS, Store
from schemas.database.migrate import not_applied
from schemas.service.user_hash import check_fingerprint


class NotMigratedError(RuntimeError):
    """The database is behind this release; the message names the command that brings it up."""


async def claim_deployment(
    store: Store, topic: str, topic_id: str, earliest: dict[int, int]
) -> int:
    """Claim an empty database for this topic, or check that it is the one it belongs to; gives the
    base of its positions.

    ``earliest`` holds the first offset of every partition. Raises
    :class:`UnusableDeploymentError` if the database belongs to another log.
    """
    connection = await store.connected()
    async with connection.transaction():
        create = store.queries["create_deployment"]
        await connection.execute(create, (topic, topic_id, len(earliest)))
        cursor = await connection.execute(store.queries["deployment"])
        row = await cursor.fetchone()
        assert row is not None  # noqa: S101  (it was just made)
        *known, log_base = row
        check_deployment(known, topic, topic_id, len(earliest))
        begins = positions(earliest, log_base)
        starts = (list(begins), list(begins.values()))
        await connection.execute(store.queries["create_offsets"], starts)
    store.log_base = log_base
    return int(log_base)


async def require_schema(store: Store) -> None:
    """Raises :class:`NotMigratedError` if the database lacks a migration of this release; one
    that is ahead is as good (docs/operations.md, Upgrades)."""
    connection = await store.connected()
    async with connection.transaction():
        cursor = await connection.execute(store.queries["has_migrations"])
        names: list[str] = []
        if await cursor.fetchone() == (True,):
            cursor = await connection.execute(store.queries["migrations"])
            names = [name for (name,) in await cursor.fetchall()]
    missing = not_applied(names)
    if missing:
        raise NotMigratedError(
            f"the database lacks migration {missing[0]}: run rollcall migrate of this release"
        )


async def require_user_hash_key(store: Store) -> None:
    """Claim the database for our key of users' hashes, or check that it is the one it belongs
    to. Raises ``schemas.service.user_hash.UserHashKeyError``."""
    ours = store.user_hash
    connection = await store.connected()
    wanted = {"ours": ours.fingerprint if ours else None}
    row: tuple[Any, ...] | None = None
    for _ in range(2):  # another one may have claimed it in this moment
        if row is None:
            async with connection.transaction():
                cursor = await connection.execute(store.queries["user_hash_key"], wanted)
                row = await cursor.fetchone()
    if row is not None:
        check_fingerprint(ours, row[0], "the database")


async def require_session(store: Store) -> None:
    """Make sure that a connection is a session: batches go through temporary tables.

    Raises :class:`UnusableDeploymentError` behind a pooler that gives each transaction another
    one: there a connection changes sessions, or two have the same.
    """
    first = await store.connected()
    own: set[Any] = set()
    others: set[Any] = set()
    second = await AsyncConnection.connect(
        store.dsn,
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        application_name="rollcall-processor",
    )
    async with second:
        for _ in range(3):
            for connection, seen in ((first, own), (second, others)):
                async with connection.transaction():
                    cursor = await connection.execute(store.queries["session"])
                    seen.add(await cursor.fetchone())
    if len(own) > 1 or own & others:
        raise UnusableDeploymentError(
            "PostgreSQL is behind a pooler that gives each transaction another session "
            "(PgBouncer with pool_mode=transaction), and the processor needs one to itself: "
            "set ROLLCALL_DATABASE_SESSION_URL to PostgreSQL, or to a pool with "
            "pool_mode=session"
        )
