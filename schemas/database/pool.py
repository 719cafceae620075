"""A few connections to PostgreSQL for what runs beside notify's lanes: alerts, deliveries."""

from __future__ import annotations

from typing import Any

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool


def small_pool(
    name: str,
    dsn: str,
    *,
    pooled: bool,
    size: int,
    wait_seconds: float,
    statement_timeout_ms: int,
) -> AsyncConnectionPool[AsyncConnection[Any]]:
    """To be opened. Behind a pooler (``pooled``) there are no prepared statements, nor a time-out
    of ours: both are a session's, and each transaction may have another one."""
    options: dict[str, Any] = {"autocommit": True}
    if pooled:
        options["prepare_threshold"] = None
    else:
        options["options"] = f"-c statement_timeout={statement_timeout_ms}"
    return AsyncConnectionPool(
        dsn,
        kwargs=options,
        min_size=1,
        max_size=size,
        timeout=wait_seconds,
        check=AsyncConnectionPool.check_connection,
        open=False,
        name=name,
    )
