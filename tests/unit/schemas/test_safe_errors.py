"""Texts of exceptions that may name people reach neither logs nor presence.rejects."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable

import msgspec
import psycopg
import pytest
from aiokafka.errors import KafkaConnectionError
from psycopg import errors

from schemas.http.problems import ProblemError
from schemas.log.events import BadEvent, decode_batch
from schemas.service.logging import ServiceHandler, formatter
from schemas.service.repeats import Repeats
from schemas.untrusted.safe_errors import told, told_with_place, traceback_of

ADA = "ada@example.com"


@pytest.mark.parametrize(
    "error",
    [
        KeyError(ADA),
        ValueError(f"no such user: {ADA}"),
        RuntimeError(ADA),
        UnicodeEncodeError("utf-8", ADA, 0, 1, "surrogates not allowed"),
        errors.UniqueViolation(f"duplicate key\nDETAIL: Key (user_id)=({ADA}) already exists."),
        errors.InvalidTextRepresentation(f'invalid input syntax for type uuid: "{ADA}"'),
        errors.RaiseException(ADA),
        psycopg.DataError(f"cannot dump {ADA}"),
        msgspec.ValidationError(f"Invalid enum value '{ADA}' - at `$[1]`"),
        msgspec.ValidationError(f"Object contains unknown field `{ADA}`"),
        msgspec.ValidationError(f"Expected `str`, got '{ADA}'"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_text_that_may_name_somebody_is_not_told(error: BaseException) -> None:
    assert told(error).startswith(type(error).__name__)
    assert "ada" not in told(error)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (errors.AdminShutdown("terminating connection"), "57P01, terminating connection"),
        (errors.InsufficientPrivilege("permission denied for table x"), "denied for table x"),
        (psycopg.OperationalError("connection refused\nIs it there?"), "connection refused"),
        (ConnectionRefusedError(111, "Connection refused"), "Connection refused"),
        (KafkaConnectionError("Unable to bootstrap from kafka:9092"), "kafka:9092"),
        (ProblemError("unavailable", "The database is busy."), "The database is busy."),
        (msgspec.ValidationError("Expected `int`, got `str` - at `$[1][3]`"), "at `$[1][3]`"),
        (msgspec.DecodeError("Input data was truncated"), "truncated"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_a_text_of_ours_the_networks_or_the_schemas_is_told(
    error: BaseException, text: str
) -> None:
    assert text in told(error)


def fail_with(error: BaseException) -> Callable[[], None]:
    def fail() -> None:
        try:
            raise KeyError(ADA)
        except KeyError as before:
            raise error from before

    return fail


def caught(error: BaseException) -> BaseException:
    with pytest.raises(type(error)) as raised:
        fail_with(error)()
    return raised.value


def test_a_traceback_has_its_places_and_no_texts() -> None:
    text = traceback_of(caught(ExceptionGroup(ADA, [ValueError(ADA), RuntimeError(ADA)])))
    assert "ada" not in text
    assert "in fail" in text
    assert "direct cause" in text
    for kind in ("KeyError", "ExceptionGroup", "ValueError", "RuntimeError"):
        assert f"\n{kind}" in text
    assert "test_safe_errors.py" in told_with_place(caught(ValueError(ADA)))


@pytest.mark.parametrize("as_json", [True, False])
def test_no_line_of_a_log_names_anybody(as_json: bool) -> None:
    out = io.StringIO()
    handler = ServiceHandler(Repeats(), out)
    handler.setFormatter(formatter(as_json=as_json))
    log = logging.Logger("api.test")
    log.addHandler(handler)
    error = caught(errors.UniqueViolation(f"duplicate key\nDETAIL: Key (user_id)=({ADA})"))
    log.warning("It was not stored: %r (%s)", error, error)
    log.error("It failed", exc_info=error)
    written = out.getvalue()
    assert "ada" not in written
    assert "It was not stored: UniqueViolation: SQLSTATE 23505" in written
    assert "in fail" in written


def test_what_is_rejected_names_nobody() -> None:
    record = msgspec.msgpack.encode([1, [[ADA], [ADA, ADA]]])
    found = decode_batch(record)
    problems = [event.error for event in found if isinstance(event, BadEvent)]
    assert len(problems) == 2
    assert all(problems)
    assert "ada" not in "".join(problems)
