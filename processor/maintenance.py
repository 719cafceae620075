"""Housekeeping by whichever processor comes first: partitions of days to come, retention."""

from __future__ import annotations

import asyncio
import logging

import psycopg
from psycopg import AsyncConnection

from processor.settings import ProcessorSettings
from schemas.sql_files import load_queries

log = logging.getLogger(__name__)

EVERY_SECONDS = 3600.0
# Arbitrary, but never to change: one runner in the whole deployment.
_ADVISORY_LOCK = 0x726F6C6C6B656570


async def keep_house(settings: ProcessorSettings) -> None:
    """Run for ever. PostgreSQL away, or a runner elsewhere, only means: next hour."""
    while True:
        try:
            await _run_once(settings)
        except psycopg.Error as error:
            log.warning("maintenance failed, next try in an hour: %s", error)
        await asyncio.sleep(EVERY_SECONDS)


async def _run_once(settings: ProcessorSettings) -> None:
    queries = load_queries("processor", "queries.sql")
    connection = await AsyncConnection.connect(settings.dsn, connect_timeout=5)
    async with connection:
        cursor = await connection.execute(queries["acquire_maintenance"], (_ADVISORY_LOCK,))
        row = await cursor.fetchone()
        if row is not None and row[0]:
            await connection.execute(
                queries["maintain_changes"], (settings.changes_retention_days,)
            )
