"""Databases made from others."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql

from tests.rigs.looks import end_looks
from tests.suite.scratch import in_memory


def copy_database(connection: psycopg.Connection[Any], original: str, name: str) -> None:
    """Make ``name`` as ``original`` is; nobody but looks of tests may be connected to that."""
    # Cheapest in memory, dearest on a disk: it waits for two checkpoints.
    strategy = "FILE_COPY" if in_memory() else "WAL_LOG"
    end_looks(connection, original)
    connection.execute(
        sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY {}").format(
            sql.Identifier(name), sql.Identifier(original), sql.SQL(strategy)
        )
    )
