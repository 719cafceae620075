"""The one table of what PostgreSQL's errors mean."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from psycopg import errors

from schemas.database.sqlstates import TABLE, Meaning, meaning_of, told

DOCS = Path(__file__).parents[3] / "docs" / "operations.md"


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (errors.AdminShutdown, Meaning.AWAY),  # 57P01
        (errors.CrashShutdown, Meaning.AWAY),  # 57P02
        (errors.CannotConnectNow, Meaning.AWAY),  # 57P03
        (errors.DatabaseDropped, Meaning.AWAY),  # 57P04
        (errors.IdleSessionTimeout, Meaning.AWAY),  # 57P05
        (errors.IdleInTransactionSessionTimeout, Meaning.AWAY),  # 25P03
        (errors.ReadOnlySqlTransaction, Meaning.AWAY),  # 25006
        (errors.QueryCanceled, Meaning.AGAIN),  # 57014
        (errors.SerializationFailure, Meaning.AGAIN),  # 40001
        (errors.DeadlockDetected, Meaning.AGAIN),  # 40P01
        (errors.LockNotAvailable, Meaning.AGAIN),  # 55P03
        (errors.DiskFull, Meaning.AWAY),  # 53100
        (errors.OutOfMemory, Meaning.AWAY),  # 53200
        (errors.TooManyConnections, Meaning.AWAY),  # 53300
        (errors.InsufficientPrivilege, Meaning.OPERATOR),  # 42501
        (errors.UndefinedTable, Meaning.OPERATOR),  # 42P01
        (errors.CheckViolation, Meaning.DATA),  # 23514
        (errors.UntranslatableCharacter, Meaning.DATA),  # 22P05
        (errors.ProgramLimitExceeded, Meaning.DATA),  # 54000
        (errors.SyntaxError, Meaning.BUG),  # 42601
        (errors.InternalError_, Meaning.BUG),  # XX000
    ],
)
def test_an_error_of_postgresql_means_what_the_table_says(
    error: type[psycopg.Error], meaning: Meaning
) -> None:
    assert meaning_of(error("no")) is meaning


def test_an_error_of_the_client_alone_has_a_meaning_too() -> None:
    assert meaning_of(psycopg.OperationalError("connection refused")) is Meaning.AWAY
    assert meaning_of(psycopg.DataError("a text with NUL")) is Meaning.DATA
    assert meaning_of(psycopg.ProgrammingError("one placeholder too few")) is Meaning.BUG


def test_every_class_that_the_server_can_end_a_session_with_is_tried_again() -> None:
    fatal = [code for code in ("57P01", "57P02", "57P03", "57P05", "25P03") if code]
    for code in fatal:
        assert meaning_of(errors.lookup(code)("ended")) is Meaning.AWAY, code


def test_what_somebody_must_mend_is_told_with_the_remedy() -> None:
    line = told(errors.InsufficientPrivilege("permission denied for table presence\nHINT: none"))
    assert line == (
        "permission denied for table presence (SQLSTATE 42501: the role lacks a right; connect as "
        "the owner of the tables, which ran rollcall migrate)"
    )
    assert "run rollcall migrate of this release" in told(errors.UndefinedColumn("no column"))
    assert "target_session_attrs=read-write" in told(errors.ReadOnlySqlTransaction("no"))
    assert told(errors.AdminShutdown("terminating connection")) == "terminating connection"


def test_the_documentation_has_the_same_table() -> None:
    section = DOCS.read_text("utf-8").partition("## Errors of PostgreSQL")[2].partition("\n## ")[0]
    lines = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in section.splitlines()
        if line.startswith("| `")
    ]
    told_there = {cells[0].strip("`"): (cells[1], cells[2]) for cells in lines if len(cells) == 3}
    assert told_there == {code: (what, m.value) for code, (m, what) in TABLE.items()}
    actions = {cells[0].strip("`") for cells in lines if len(cells) == 4}
    assert actions == {meaning.value for meaning in Meaning}
