"""What is known of a federation's members."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg.rows import class_row

from deploy.federation.make import CONNECT_SECONDS, FederationError
from schemas.database.named_queries import load_queries


@dataclass(frozen=True, slots=True)
class State:
    """``since``: it is here, or away. ``migration`` is the last one that it has."""

    name: str
    here: bool
    problem: str | None
    since: datetime
    migration: str | None
    as_of: datetime | None


def states_of(url: str) -> list[State]:
    """Every member, looked at now. Raises `FederationError`, `psycopg.Error`."""
    queries = load_queries("deploy.federation", "queries.sql")
    with psycopg.connect(url, autocommit=True, connect_timeout=CONNECT_SECONDS) as connection:
        if connection.execute(queries["is_federation"]).fetchone() != (True,):
            raise FederationError(
                "this database is no federation: rollcall federate --members makes one of it"
            )
        for (place,) in connection.execute(queries["places"]).fetchall():
            connection.execute(queries["look"], (place,))
        with connection.cursor(row_factory=class_row(State)) as cursor:
            return cursor.execute(queries["told"]).fetchall()
