"""Rows of PostgreSQL in batches, through a server-side cursor: memory is that of one batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, Self, TypeVar

from psycopg import AsyncServerCursor

T = TypeVar("T")


class CursorBatches(Generic[T]):
    """What a query gives, ``size`` rows at a time; in a transaction.

    Not a generator: one that its reader drops is closed when Python comes to collect it. By then
    the connection is somebody else's, and so is the cursor of that name. One of these that is
    dropped touches no connection, and PostgreSQL closes its cursor with the transaction.
    """

    def __init__(
        self,
        cursor: AsyncServerCursor[T],
        query: bytes,
        parameters: Mapping[str, Any],
        size: int,
    ) -> None:
        self._cursor = cursor
        self._query, self._parameters = query, parameters
        self._size = size
        self._has_begun = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[T]:
        if self._cursor.closed:
            raise StopAsyncIteration
        if not self._has_begun:
            await self._cursor.execute(self._query, self._parameters)
            self._has_begun = True
        batch = await self._cursor.fetchmany(self._size)
        if not batch:
            await self._cursor.close()
            raise StopAsyncIteration
        return batch
