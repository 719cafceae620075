"""What failures of PostgreSQL mean to the API: the table in docs/operations.md."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors

from api.metrics import FAILURES
from api.postgres.sqlstates import failure_of


@pytest.mark.parametrize(
    ("states", "cause", "is_asked_again"),
    [
        (("57P01", "57P02", "57P03", "57P04", "57P05"), "connection", True),
        (("40001", "40P01"), "connection", True),
        (("53000", "53100", "53200", "53300", "53400"), "connection", True),
        (("08000", "08003", "08006", "58000", "58030", "28P01", "3D000"), "connection", True),
        (("55P03", "25P03", "25P04"), "connection", True),
        (("25006",), "read_only", True),
        (("57014",), "statement_timeout", False),
        (("42501",), "not_granted", False),
        (("42P01", "42703", "42883", "3F000"), "not_migrated", False),
    ],
)
def test_a_state_means(states: tuple[str, ...], cause: str, is_asked_again: bool) -> None:
    for state in states:
        failure = failure_of(errors.lookup(state)("…"))
        assert failure is not None, state
        assert (failure.cause, failure.is_asked_again) == (cause, is_asked_again), state
        assert failure.cause in FAILURES


def test_a_connection_that_died_without_a_word_is_away() -> None:
    failure = failure_of(psycopg.OperationalError("server closed the connection"))
    assert failure is not None
    assert failure.cause == "connection"


@pytest.mark.parametrize("state", ["22P02", "23505", "42601", "54000", "P0001", "XX000", "25P02"])
def test_a_mistake_of_ours_is_none_of_them(state: str) -> None:
    assert failure_of(errors.lookup(state)("…")) is None


def test_an_error_without_a_state_is_ours() -> None:
    assert failure_of(psycopg.ProgrammingError("too few parameters")) is None
