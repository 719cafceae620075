"""Deliveries of audiences in PostgreSQL: shown, cancelled, resumed by `rollcall deliveries`.

Errors of the database are ``psycopg.Error``, except those that the caller can mend.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from schemas.deliveries.forms import (
    MAX_RUNNING,
    NO_DESTINATION,
    NOT_RESUMABLE,
    TOO_MANY,
    asked,
    queries,
    resumption,
)
from schemas.managed.manager import Manager

CONNECT_SECONDS: Final = 5


class DeliveryProblemError(RuntimeError):
    """What was asked for cannot be. The message names the remedy."""


class DeliveryTable:
    """The deliveries of one database."""

    def __init__(self, url: str, by: Manager) -> None:
        self._url = url
        self._by = by
        self._queries = queries()

    def all(self) -> list[dict[str, Any]]:
        """The latest, newest first."""
        return self._read(None)

    def cancel(self, delivery: UUID) -> None:
        """What has ended stays as it is."""
        self._one(delivery)
        with self._connection() as connection:
            connection.execute(self._queries["cancel"], {"id": delivery, **self._by._asdict()})

    def resume(self, delivery: UUID) -> int:
        """How many users are still to be sent."""
        found = self._one(delivery)
        with self._connection() as connection:
            row = connection.execute(self._queries["running"]).fetchone()
            if row is not None and row[0] >= MAX_RUNNING:
                raise DeliveryProblemError(f"it {TOO_MANY}")
            open_to = connection.execute(self._queries["reachable"], {"id": delivery}).fetchone()
            if open_to != (True,):
                raise DeliveryProblemError(NO_DESTINATION)
            resumed = connection.execute(
                self._queries["resume"], resumption(delivery, self._by)
            ).fetchone()
        if resumed is None:
            raise DeliveryProblemError(f"{delivery} {NOT_RESUMABLE}")
        return int(found["users"] - found["sent"] - found["left_out"])

    def _one(self, delivery: UUID) -> dict[str, Any]:
        found = self._read(delivery)
        if not found:
            raise DeliveryProblemError(
                f"there is no delivery {delivery}: rollcall deliveries list has the latest"
            )
        return found[0]

    def _read(self, delivery: UUID | None) -> list[dict[str, Any]]:
        with (
            self._connection() as connection,
            connection.cursor(row_factory=dict_row) as cursor,
        ):
            return cursor.execute(self._queries["deliveries"], asked(delivery)).fetchall()

    def _connection(self) -> psycopg.Connection:
        return psycopg.connect(self._url, autocommit=True, connect_timeout=CONNECT_SECONDS)
