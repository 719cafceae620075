"""API keys, as they are taken instead of a token (``rollcall key`` makes them).

All of them are read at once, at most once a second while keys are used: so a new key and a revoked
one count within a second, and a storm of bad keys costs no more reads than one good one.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import psycopg
from psycopg.rows import class_row

from api.postgres.database import Connection, Database
from api.postgres.shared_read import SharedRead
from schemas.database.named_queries import load_queries
from schemas.http.problems import ProblemError
from schemas.tokens.api_keys import MAX_KEYS, key_digest
from schemas.tokens.identity import Identity, TokenRefusedError

READ_SECONDS: Final = 1.0
#: The last use of a key is stored no more often, by each process.
NOTE_SECONDS: Final = 60.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A row of ``api_keys``; ``expires_at`` is in Unix seconds."""

    id: int
    name: str
    digest: bytes
    scopes: list[str]
    expires_at: float | None
    revoked: bool


class ApiKeys:
    """Says who a key speaks for. ``clock`` gives Unix seconds, ``monotonic`` the time for ages."""

    def __init__(
        self,
        database: Database,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._clock = clock
        self._monotonic = monotonic
        queries = load_queries("api.presence", "queries.sql")
        self._keys_query, self._used_query = queries["keys"], queries["key_used"]
        self._keys = SharedRead(self._read_keys, READ_SECONDS, monotonic)
        self._noted: dict[int, float] = {}
        self._notes: set[asyncio.Task[None]] = set()

    async def verify(self, key: str) -> Identity:
        """The service behind a key.

        Raises :class:`TokenRefusedError`, or ``ProblemError`` with code ``unavailable`` while the
        database cannot be asked.
        """
        stored = (await self._keys.get()).get(key_digest(key))
        if stored is None:
            raise TokenRefusedError("token_invalid", "There is no such key.")
        if stored.revoked:
            raise TokenRefusedError("token_revoked", "The key was revoked; ask for a new one.")
        if stored.expires_at is not None and self._clock() >= stored.expires_at:
            raise TokenRefusedError("token_expired", "The key has expired; ask for a new one.")
        self._note_use(stored.id)
        return Identity(
            user=f"key:{stored.name}",
            token=f"key:{stored.id}",
            name=stored.name,
            device=None,
            scopes=frozenset(stored.scopes),
            accepted_until=stored.expires_at,
            kind="api_key",
        )

    async def close(self) -> None:
        for task in self._notes:
            task.cancel()
        await asyncio.gather(*self._notes, return_exceptions=True)

    async def _read_keys(self) -> dict[bytes, StoredKey]:
        async def read(connection: Connection) -> list[StoredKey]:
            async with connection.cursor(row_factory=class_row(StoredKey)) as cursor:
                await cursor.execute(self._keys_query, {"limit": 2 * MAX_KEYS})
                return await cursor.fetchall()

        keys = await self._database.read("keys", read)
        ids = {key.id for key in keys}
        self._noted = {key: at for key, at in self._noted.items() if key in ids}
        return {key.digest: key for key in keys}

    def _note_use(self, key_id: int) -> None:
        now = self._monotonic()
        if now - self._noted.get(key_id, -math.inf) < NOTE_SECONDS:
            return
        self._noted[key_id] = now
        # Nobody waits for it, and nobody is refused because it failed.
        task = asyncio.create_task(self._store_use(key_id), name="key-used")
        self._notes.add(task)
        task.add_done_callback(self._notes.discard)

    async def _store_use(self, key_id: int) -> None:
        async def write(connection: Connection) -> None:
            await connection.execute(self._used_query, {"id": key_id})

        try:
            await self._database.write("key_used", write)
        except (ProblemError, psycopg.Error) as error:
            logger.warning("The last use of key %d was not stored: %r", key_id, error)
