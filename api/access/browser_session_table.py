"""The table ``browser_sessions``: what PostgreSQL keeps of the dashboard's sessions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from psycopg.rows import class_row

from api.postgres.database import Connection, Database
from schemas.database.named_queries import load_queries

#: Of one reader at once; one more ends the one that was not used for longest. An API key may be
#: many people's.
MAX_SESSIONS: Final = 200
#: Of sessions that are over, with each login.
MOST_FORGOTTEN: Final = 1_000


@dataclass(frozen=True, slots=True)
class KeptSession:
    """``token`` is sealed. ``is_due``: its use is to be written down."""

    token: bytes
    is_due: bool


class SessionTable:
    """Raises ``ProblemError`` as :class:`Database` does. ``digest`` says which session; ``life`` is
    how many seconds it has left."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queries = load_queries("api.access", "browser_sessions.sql")

    async def find(self, digest: bytes, seconds: int) -> KeptSession | None:
        """One that was used within ``seconds``; ``None``: it is over, or never was."""
        values = {"digest": digest, "seconds": seconds}

        async def read(connection: Connection) -> KeptSession | None:
            async with connection.cursor(row_factory=class_row(KeptSession)) as cursor:
                await cursor.execute(self._queries["find"], values)
                return await cursor.fetchone()

        return await self._database.read("session", read)

    async def begin(self, digest: bytes, owner: bytes, token: bytes, life: int) -> None:
        """A new one. Those that are over go, and what is too many of the owner's."""
        values = {
            "digest": digest,
            "owner": owner,
            "token": token,
            "life": life,
            "most": MAX_SESSIONS,
            "forgotten": MOST_FORGOTTEN,
        }
        await self._write("session_begin", ("begin", "forget", "bound"), values)

    async def used(self, digest: bytes, life: int) -> None:
        """It lasts anew, unless it was ended meanwhile."""
        await self._write("session_used", ("used",), {"digest": digest, "life": life})

    async def end(self, digest: bytes) -> None:
        await self._write("session_end", ("end",), {"digest": digest})

    async def _write(self, query: str, names: Sequence[str], values: dict[str, Any]) -> None:
        async def write(connection: Connection) -> None:
            for name in names:
                await connection.execute(self._queries[name], values)

        await self._database.write(query, write)
