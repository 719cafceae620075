"""Rows as JSON, CSV or NDJSON, whichever the caller accepts. PURE.

``Accept`` names ``text/csv`` or ``application/x-ndjson``; anything else, unknown or missing, is
JSON. A text cell of a CSV that begins with ``=``, ``+``, ``-``, ``@``, one of their wide forms, a
tab or a line break gets a leading apostrophe, because spreadsheets take it for a formula: screen
names come from phones. All cells are quoted; and between a semicolon and such a sign there is one
too, because spreadsheets of many countries separate by semicolons, whatever is in quotes further on
in a line. Unknown is an empty cell. The other two formats give texts as they are.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

import msgspec

Format: TypeAlias = Literal["json", "csv", "ndjson"]

CONTENT_TYPES: Final[dict[Format, str]] = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8; header=present",
    "ndjson": "application/x-ndjson",
}
_FORMATS: Final[dict[str, Format]] = {
    "application/json": "json",
    "text/csv": "csv",
    "application/x-ndjson": "ndjson",
}
_FORMULA: Final = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n")
_FORMULA_WITHIN: Final = re.compile(r';(?="*[=+\-@＝＋－＠\t\r\n])')
_SIGNED_NUMBER: Final = re.compile(r"[+-][0-9]+")


def accepted_format(accept: str | None) -> Format:
    """The format of highest quality among those that are named; on a tie the first."""
    best: Format = "json"
    best_quality = 0.0
    for part in (accept or "").split(","):
        name, *options = (piece.strip().lower() for piece in part.split(";"))
        found = _FORMATS.get(name)
        quality = _quality(options)
        if found is not None and quality > best_quality:
            best, best_quality = found, quality
    return best


def csv_head(columns: Sequence[str]) -> bytes:
    """The line of names."""
    return _csv_lines([columns])


def csv_rows(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> bytes:
    """A line per row (RFC 4180)."""
    return _csv_lines([_cell(row[column]) for column in columns] for row in rows)


def csv_ids(ids: Iterable[str]) -> bytes:
    """A line per id, in one column. A sign and digits, such as a telephone number, stay as they
    are: a number to a spreadsheet, nothing to run."""
    return _csv_lines([each if _SIGNED_NUMBER.fullmatch(each) else _cell(each)] for each in ids)


def ndjson_rows(rows: Iterable[Mapping[str, Any] | msgspec.Struct]) -> bytes:
    """A JSON object a line."""
    return msgspec.json.Encoder().encode_lines(rows)


def _csv_lines(lines: Iterable[Sequence[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n", quoting=csv.QUOTE_ALL).writerows(lines)
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        value = _FORMULA_WITHIN.sub(";'", value)
        return f"'{value}" if value.startswith(_FORMULA) else value
    if isinstance(value, bool):
        return "true" if value else "false"
    return value


def _quality(options: Sequence[str]) -> float:
    for option in options:
        if option.startswith("q="):
            try:
                return float(option[2:])
            except ValueError:
                return 0.0
    return 1.0
