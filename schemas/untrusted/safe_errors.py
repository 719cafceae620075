"""What may be said of an exception where people read it: logs and ``presence.rejects``. PURE.

Texts of exceptions quote what they stumble over, and that may be a person: PostgreSQL's ("Key
(user_id)=(ada) already exists"), the decoders' ("Invalid enum value 'ada'"), Python's own
(``KeyError: 'ada'``). So of each there is its kind, and its text only where that speaks of
something else:

- our own classes, whose messages we write;
- what the system, the network and Kafka say;
- PostgreSQL, of connections, transactions, locks, resources and names of the schema; of all else
  the SQLSTATE with the table and the constraint;
- msgspec, of types and places.

Where it happened is told by the lines of a traceback, which hold no values.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import Final

#: Packages whose exceptions say nothing of people.
_TELLING: Final = ("aiokafka", "api", "deploy", "ingest", "processor", "psycopg_pool", "schemas")
#: Classes of SQLSTATE of which the first line quotes no values.
_TELLING_STATES: Final = (
    *("08", "0A", "25", "26", "28", "3D", "3F", "40", "42", "53", "55", "57", "58"),
)
_NAMES: Final = ("table_name", "column_name", "constraint_name")
_PLACE: Final = r"(?: - at `[^`]*`)?"
#: What msgspec says of types and of places.
_OF_TYPES: Final = re.compile(
    rf"(?:Expected `[^`]*`(?: [^`']*)?(?:, got (?:`[^`]*`|\d+))?"
    rf"|Object missing required field `\w+`|Input data was truncated"
    rf"|MessagePack data is malformed: [^'`]*|JSON is malformed: [^'`]*){_PLACE}"
)


def told(error: BaseException) -> str:
    """One line: the kind of error, and of its text what names nobody."""
    kind = type(error).__name__
    text = _text(error)
    return f"{kind}: {text}" if text else kind


def told_with_place(error: BaseException) -> str:
    """As :func:`told`, with the line of code where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return told(error)
    last = frames[-1]
    return f"{told(error)} (in {last.name}, line {last.lineno} of {_file(last.filename)})"


def traceback_of(error: BaseException) -> str:
    """As Python prints it, each exception as :func:`told` has it."""
    return "\n".join(_lines(error, seen=set())).rstrip()


def _text(error: BaseException) -> str:
    package = type(error).__module__.partition(".")[0]
    if package == "psycopg":
        return _text_of_postgres(error)
    if package == "msgspec":
        text = str(error)
        return text if _OF_TYPES.fullmatch(text) else ""
    if package in _TELLING or isinstance(error, OSError):
        return str(error)
    return ""


def _text_of_postgres(error: BaseException) -> str:
    state: str | None = getattr(error, "sqlstate", None)
    if state is None:
        # Of the connection: the class of what psycopg itself finds wrong with values is another.
        is_of_connection = type(error).__name__ == "OperationalError"
        return str(error).partition("\n")[0] if is_of_connection else ""
    if state[:2] in _TELLING_STATES:
        return f"SQLSTATE {state}, {str(error).partition(chr(10))[0]}"
    diagnosis = getattr(error, "diag", None)
    names = [getattr(diagnosis, name, None) for name in _NAMES]
    return ", ".join([f"SQLSTATE {state}", *(name for name in names if name)])


def _lines(error: BaseException, seen: set[int]) -> Iterator[str]:
    seen.add(id(error))
    cause = error.__cause__
    context = None if error.__suppress_context__ else error.__context__
    before = cause or context
    if before is not None and id(before) not in seen:
        yield from _lines(before, seen)
        because = "The above exception was the direct cause of the following exception:"
        during = "During handling of the above exception, another exception occurred:"
        yield f"\n{because if cause is not None else during}\n"
    yield from _frames(error.__traceback__)
    yield told(error)
    if isinstance(error, BaseExceptionGroup):
        for number, one in enumerate(error.exceptions, 1):
            if id(one) not in seen:
                yield f"-- {number} of {len(error.exceptions)} in this group:"
                yield from _lines(one, seen)


def _frames(where: TracebackType | None) -> Iterator[str]:
    if where is not None:
        yield "Traceback (most recent call last):"
        yield from (frame.rstrip("\n") for frame in traceback.format_tb(where))


def _file(path: str) -> str:
    return "/".join(path.replace("\\", "/").rsplit("/", 2)[-2:])
