"""What a failure of PostgreSQL means to a caller of the API. PURE.

``schemas/database/sqlstates.py`` says what an error is, for all services. Away or to be tried
again: asked once more on a new connection, then a 503. Somebody must mend it: a 503 that names the
remedy. All else is a mistake of ours: a 500, and an error in the log.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import psycopg

from schemas.database.sqlstates import Meaning, meaning_of


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

#: No failure of PostgreSQL's, and told as no 503: deploy/federation/queries.sql raises it.
NOT_FEDERATED: Final = Failure(
    "not_federated",
    "This is a federation: it adds up counts, screens, concurrency and engagement of several "
    "deployments, and has nothing else of them. Ask the API of the member that has it.",
)

_BY_STATE: Final = {
    "RC003": NOT_FEDERATED,
    "57014": TOO_LONG,
    "25006": READ_ONLY,
    "42501": NOT_GRANTED,
}
#: Where somebody must do something: classes of what a release may lack.
_OF_A_RELEASE: Final = ("3F", "42")


def failure_of(error: psycopg.Error) -> Failure | None:
    """``None``: a mistake of ours."""
    state = error.sqlstate or ""
    if state in _BY_STATE:
        return _BY_STATE[state]
    meaning = meaning_of(error)
    if meaning is Meaning.OPERATOR:
        return NOT_MIGRATED if state[:2] in _OF_A_RELEASE else AWAY
    return AWAY if meaning in (Meaning.AWAY, Meaning.AGAIN) else None
