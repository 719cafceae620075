"""Connections that tests keep for looks at a database: `rows` of tests/rigs/rig.py."""

from __future__ import annotations

from typing import Any, Final

import psycopg

#: What PostgreSQL knows them by.
LOOKS: Final = "rollcall-tests-look"


def end_looks(connection: psycopg.Connection[Any], database: str) -> None:
    """Close those of any thread: a database is copied while nobody is in it."""
    connection.execute(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
        "WHERE datname = %s AND application_name = %s",
        (database, LOOKS),
    )
