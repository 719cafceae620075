"""A pool of connections to PostgreSQL, as the API wants them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

Connection: TypeAlias = AsyncConnection[TupleRow]

#: After an attempt to connect failed for this long, the next call makes a new one at once.
RECONNECT_SECONDS: Final = 1.0
CONNECT_SECONDS: Final = 3
#: Idle connections are given back: eight of each API process would be many for PostgreSQL.
MAX_IDLE_SECONDS: Final = 60.0
#: Calls that wait for one of ``n`` connections: more than this times ``n`` would wait in vain.
WAITING_PER_CONNECTION: Final = 32


def connection_pool(
    name: str,
    dsn: str,
    size: int,
    wait_seconds: float,
    configure: Callable[[Connection], Awaitable[None]] | None,
) -> AsyncConnectionPool[Connection]:
    """To be opened. ``configure`` sets up what is a session of PostgreSQL's; ``None``: a
    connection gives each transaction another session."""
    return AsyncConnectionPool(
        dsn,
        open=False,
        min_size=0,
        max_size=size,
        timeout=wait_seconds,
        max_waiting=size * WAITING_PER_CONNECTION,
        max_idle=MAX_IDLE_SECONDS,
        reconnect_timeout=RECONNECT_SECONDS,
        configure=configure,
        name=name,
        kwargs={
            "autocommit": True,
            # Prepared statements are a session's.
            **({} if configure else {"prepare_threshold": None}),
            "connect_timeout": CONNECT_SECONDS,
            "application_name": "rollcall-api",
            # A network that swallows packets is found out while callers still wait.
            "keepalives_idle": 10,
            "keepalives_interval": 3,
            "keepalives_count": 3,
            "tcp_user_timeout": 10_000,
        },
    )
