"""Everyone online of a partition, some rows at a time: memory never holds all rows beside users.

PostgreSQL finds the next rows while those before are made into users: the next ones are asked for
before the last ones are given.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any, Final

from psycopg import AsyncConnection

from processor.core.model import User
from processor.store.presence_row import user_of_row

#: Rows at a time: some milliseconds of work.
ROWS_AT_ONCE: Final = 1_000


async def chunks(
    connection: AsyncConnection[tuple[Any, ...]], query: bytes, parameters: Sequence[Any]
) -> AsyncGenerator[list[tuple[User, int]], None]:
    """The users of a query, each with the offset of the last record that changed the row; in a
    transaction, and closed before its end. Raises ``psycopg.Error``."""
    async with connection.cursor("online", binary=True) as cursor:
        await cursor.execute(query, parameters)
        rows = await cursor.fetchmany(ROWS_AT_ONCE)
        while rows:
            following = asyncio.create_task(cursor.fetchmany(ROWS_AT_ONCE))
            try:
                # The question is on its way before the work begins.
                await asyncio.sleep(0)
                yield [user_of_row(row) for row in rows]
            finally:
                # Nothing else may use the connection before the answer is there.
                rows = await following
