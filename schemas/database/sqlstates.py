"""What PostgreSQL's errors mean to us: one table for processor, API and maintenance.

The codes are those of PostgreSQL's appendix A; the longest beginning that is listed counts. What
each means is told in docs/operations.md, Errors of PostgreSQL, and a test holds the two together.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

import psycopg

from schemas.untrusted import safe_errors


class Meaning(Enum):
    """What a service does about an error."""

    #: The session is lost or of no use: connect anew, and try again until it works.
    AWAY = "away"
    #: The transaction gave way to another one: try it again on the same connection.
    AGAIN = "again"
    #: The database cannot hold a value, however often it is asked: set it aside.
    DATA = "data"
    #: Somebody must mend something that the message names; try again until then.
    OPERATOR = "operator"
    #: Ours: the process ends, or the call is answered with 500.
    BUG = "bug"


#: By SQLSTATE, or its beginning: the meaning, and what happened.
TABLE: Final[dict[str, tuple[Meaning, str]]] = {
    "08": (Meaning.AWAY, "the connection was lost"),
    "22": (Meaning.DATA, "a value that a column cannot hold"),
    "23": (Meaning.DATA, "a value that a constraint forbids"),
    "25006": (
        Meaning.AWAY,
        "the session is read-only: a standby, or a primary that has become one",
    ),
    "25P03": (Meaning.AWAY, "the session was ended: idle in a transaction for too long"),
    "25P04": (Meaning.AWAY, "the session was ended: a transaction took too long"),
    "26": (Meaning.AWAY, "a pooler gave this connection another session"),
    "28": (Meaning.OPERATOR, "the role or its password is refused"),
    "3D": (Meaning.OPERATOR, "there is no such database"),
    "3F": (Meaning.OPERATOR, "a schema is missing: the database is of another release"),
    "40": (Meaning.AGAIN, "a deadlock or a conflict, in which another transaction won"),
    "42501": (Meaning.OPERATOR, "the role lacks a right"),
    "42703": (Meaning.OPERATOR, "a column is missing: the database is of another release"),
    "42883": (Meaning.OPERATOR, "a function is missing: the database is of another release"),
    "42P01": (Meaning.OPERATOR, "a table is missing: the database is of another release"),
    "53": (Meaning.AWAY, "the server has no connection, memory or disk left"),
    "54": (Meaning.DATA, "a value that is beyond a limit of the server"),
    "55006": (Meaning.AGAIN, "an object is in use"),
    "55P03": (Meaning.AGAIN, "a lock was not to be had in time"),
    "57": (Meaning.AWAY, "the server shuts down, starts, or ended the session (57P01 to 57P05)"),
    "57014": (Meaning.AGAIN, "the statement was cancelled, or took too long"),
    "58": (Meaning.AWAY, "the server's system or disk failed"),
    "XX": (Meaning.BUG, "the server's own fault, or corrupt data"),
}


#: What to do where somebody must. The API has a role of its own, and its own words.
_REMEDIES: Final[dict[str, str]] = {
    "28": "check ROLLCALL_DATABASE_URL",
    "3D": "check ROLLCALL_DATABASE_URL",
    "42501": "connect as the owner of the tables, which ran rollcall migrate",
}
_MIGRATE: Final = "run rollcall migrate of this release"
_READ_WRITE: Final = (
    "waiting for the primary; where ROLLCALL_DATABASE_URL names one server of several, name them "
    "all, with target_session_attrs=read-write"
)


def meaning_of(error: psycopg.Error) -> Meaning:
    """What to do about ``error``."""
    key = _key(error.sqlstate)
    if key is not None:
        return TABLE[key][0]
    # Of psycopg itself, which has no SQLSTATE; or of a class that is in nobody's table.
    if isinstance(error, psycopg.DataError | psycopg.IntegrityError):
        return Meaning.DATA
    return Meaning.AWAY if isinstance(error, psycopg.OperationalError) else Meaning.BUG


def told(error: psycopg.Error) -> str:
    """One line: the message, what it means where that is not plain, and the remedy."""
    if meaning_of(error) in (Meaning.DATA, Meaning.BUG):
        return safe_errors.told(error)  # the message may quote somebody
    message = str(error).strip().partition("\n")[0] or type(error).__name__
    key = _key(error.sqlstate)
    if key == "25006" or "session is read-only" in str(error):
        return f"{message} (SQLSTATE 25006: {TABLE['25006'][1]}; {_READ_WRITE})"
    if key is None or TABLE[key][0] is not Meaning.OPERATOR:
        return message
    return f"{message} (SQLSTATE {error.sqlstate}: {TABLE[key][1]}; {_REMEDIES.get(key, _MIGRATE)})"


def _key(sqlstate: str | None) -> str | None:
    """The longest beginning that the table has."""
    if sqlstate is None:
        return None
    return next((sqlstate[:n] for n in range(5, 1, -1) if sqlstate[:n] in TABLE), None)
