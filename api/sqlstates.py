"""What a failure of PostgreSQL means to the API, by its SQLSTATE (docs/operations.md has the table
of all services). PURE.

Away: what the database cannot do now it can do soon, on this connection or on a new one. Not
migrated, not granted: somebody has to do something, which the answer names. All else is a mistake
of ours: a 500, and an error in the log.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import psycopg


@dataclass(frozen=True, slots=True)
class Failure:
    """``cause`` is one of ``api.metrics.FAILURES``, ``detail`` what the caller is told.
    ``is_asked_again``: once, on a new connection."""

    cause: str
    detail: str
    is_asked_again: bool = False


TOO_LONG: Final = Failure("statement_timeout", "The database took too long for this answer.")
AWAY: Final = Failure("connection", "The database cannot be reached.", is_asked_again=True)
READ_ONLY: Final = Failure(
    "read_only",
    "The database takes no writes: after a failover the API is connected to a standby, or the "
    "database was made read-only.",
    is_asked_again=True,
)
NOT_MIGRATED: Final = Failure(
    "not_migrated", "The database has not been migrated to this version yet."
)
NOT_GRANTED: Final = Failure(
    "not_granted",
    "The API's PostgreSQL role lacks a right: run rollcall migrate --api-role with its name, as "
    "after every upgrade.",
)

_BY_STATE: Final = {
    "57014": TOO_LONG,  # query_canceled
    "25006": READ_ONLY,  # read_only_sql_transaction
    "25P03": AWAY,  # idle_in_transaction_session_timeout
    "25P04": AWAY,  # transaction_timeout
    "42501": NOT_GRANTED,  # insufficient_privilege
    "42P01": NOT_MIGRATED,  # undefined_table
    "42703": NOT_MIGRATED,  # undefined_column
    "42883": NOT_MIGRATED,  # undefined_function
    "42704": NOT_MIGRATED,  # undefined_object
    "3F000": NOT_MIGRATED,  # invalid_schema_name
}
#: Connection exceptions, a wrong password, a database that is gone, transactions that were rolled
#: back, resources that are short, objects in use, an operator's shutdown, errors of the system.
_AWAY_CLASSES: Final = ("08", "28", "3D", "40", "53", "55", "57", "58")


def failure_of(error: psycopg.Error) -> Failure | None:
    """``None``: a mistake of ours."""
    state = error.sqlstate
    if state is None:
        return AWAY if isinstance(error, psycopg.OperationalError) else None
    known = _BY_STATE.get(state)
    if known is None and state[:2] in _AWAY_CLASSES:
        return AWAY
    return known
