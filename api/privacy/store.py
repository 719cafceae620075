"""What PostgreSQL says of opt-outs and erasures."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

import msgspec
from psycopg.rows import class_row

from api.postgres.database import Connection, Database
from api.privacy.answers import ErasureKind
from api.privacy.data import MAX_ROWS, TABLES
from api.privacy.log import Written
from schemas.database.named_queries import load_queries
from schemas.tokens.identity import Identity


@dataclass(frozen=True, slots=True)
class Erasure:
    """``erased_at`` is log time, ``None`` until the processor has passed the event."""

    erasure_id: str
    kind: ErasureKind
    requested_at: datetime
    erased_at: datetime | None
    removed: dict[str, int] | None


@dataclass(frozen=True, slots=True)
class Claim:
    """The fingerprint of the database's key. ``is_new``: it got it a moment ago, and its services
    may be getting theirs one after another."""

    fingerprint: str
    is_new: bool


_QUERY: Final = "privacy"
#: Records of one user and kind; what is asked for beyond is done under the latest one's id.
MOST_A_DAY: Final = 20
#: As long as a rolling change of a setting may take.
NEW_CLAIM_SECONDS: Final = 900.0


class PrivacyStore:
    """Raises ``ProblemError`` as :class:`Database` does."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queries = load_queries("api.privacy", "privacy.sql")

    async def claim(self) -> Claim | None:
        """By which key the database knows users; ``None`` before a processor has one."""
        row = await self._row("fingerprint", {"new_seconds": NEW_CLAIM_SECONDS})
        return Claim(*row) if row is not None else None

    async def opted_out(self, user_hash: bytes) -> bool:
        row = await self._row("flag", {"user_hash": user_hash})
        return row is not None and bool(row[0])

    async def log_base(self) -> int:
        """What makes an offset of the log a position, as all that is stored has it."""
        row = await self._row("log_base", {})
        return int(row[0]) if row is not None else 0

    async def passed(self, written: Written) -> bool:
        """Whether the processor has passed that event."""
        row = await self._row("passed", asdict(written))
        return row is not None and bool(row[0])

    async def note_request(
        self, erasure_id: str, user_hash: bytes, kind: str, partition: int
    ) -> None:
        values = {
            "erasure_id": erasure_id,
            "user_hash": user_hash,
            "kind": kind,
            "partition": partition,
        }

        async def write(connection: Connection) -> None:
            await connection.execute(self._queries["request"], values)

        await self._database.write(_QUERY, write)

    async def same_erasure(self, user_hash: bytes, kind: str) -> str | None:
        """Under which id another request of the user is done; ``None``: under one of its own."""
        values = {"user_hash": user_hash, "kind": kind, "most": MOST_A_DAY}
        row = await self._row("same_erasure", values)
        return row[0] if row is not None else None

    async def erasure(self, erasure_id: str) -> Erasure | None:
        async def read(connection: Connection) -> Erasure | None:
            async with connection.cursor(row_factory=class_row(Erasure)) as cursor:
                await cursor.execute(self._queries["erasure"], {"erasure_id": erasure_id})
                return await cursor.fetchone()

        return await self._database.read(_QUERY, read)

    async def stored(
        self, reader: Identity, user_id: str, user_hash: bytes | None, subject: bytes | None
    ) -> tuple[dict[str, list[Any]], dict[str, int]]:
        """Rows by table, and for how many days each is kept where maintenance has said so.
        ``subject`` is what the audit of reads knows the user by. Few at a time are read."""
        values = {
            "user_id": user_id,
            "user_hash": user_hash,
            "subject": subject,
            "most": MAX_ROWS + 1,
        }

        async def read(connection: Connection) -> tuple[dict[str, list[Any]], dict[str, int]]:
            rows = {}
            for kept in TABLES:
                cursor = await connection.execute(self._queries[kept.table], values)
                # As PostgreSQL wrote them: as objects they would take six times the memory.
                rows[kept.table] = [msgspec.Raw(row.encode()) for (row,) in await cursor.fetchall()]
            cursor = await connection.execute(self._queries["kept_days"])
            return rows, dict(await cursor.fetchall())

        return await self._database.scan(reader, "privacy_data", read)

    async def _row(self, name: str, values: dict[str, Any]) -> tuple[Any, ...] | None:
        async def read(connection: Connection) -> tuple[Any, ...] | None:
            return await (await connection.execute(self._queries[name], values)).fetchone()

        return await self._database.read(_QUERY, read)
