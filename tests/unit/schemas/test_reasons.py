"""Reasons are one closed set: code, SQL, the published schema, OpenAPI and the pages have the same.

What one of them lacks turns a batch of events into refusals, or a page into a sentence with an
underscore.
"""

from __future__ import annotations

import json
import re
from importlib.resources import files
from typing import Final, get_args

import pytest

from api.http import words
from schemas.log.changes import SILENT_ENDS, SILENT_ENDS_SQL, Ending, Reason, State
from tests.repository_text import texts

MIGRATIONS: Final = "schemas/database/sql/"
PAGES: Final = "api/dashboard/static/"
REASONS: Final = set(get_args(Reason))
#: A reason and no end: a span is not over because a session begins.
STARTS: Final = {"started"}
ENDINGS: Final = {*REASONS, "continued"} - STARTS


def enum(name: str) -> set[str]:
    """The values of an enum after all migrations."""
    migrations = "".join(
        text for path, text in sorted(texts().items()) if path.startswith(MIGRATIONS)
    )
    [created] = re.findall(rf"CREATE TYPE {name} AS ENUM \((.*?)\)", migrations, re.S)
    pattern = rf"ALTER TYPE {name} ADD VALUE (?:IF NOT EXISTS )?'(\w+)'"
    return {*re.findall(r"'(\w+)'", created), *re.findall(pattern, migrations)}


def keys(script: str, name: str) -> set[str]:
    """The keys of an object of a script of the pages."""
    [body] = re.findall(rf"^const {name} = {{(.*?)^}};", texts()[PAGES + script], re.S | re.M)
    return set(re.findall(r"^  (\w+):", body, re.M))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("presence_state", set(get_args(State))),
        ("change_reason", REASONS),
        ("span_end", ENDINGS),
    ],
)
def test_an_enum_of_postgresql_has_the_values_of_the_code(name: str, values: set[str]) -> None:
    assert enum(name) == values


def test_the_published_schema_and_openapi_have_all_reasons_and_ends() -> None:
    published = json.loads((files("schemas.log") / "changes.schema.json").read_text("utf-8"))
    assert set(published["properties"]["reason"]["enum"]) == REASONS == set(words.REASONS)
    assert set(words.ENDINGS) == ENDINGS
    assert {name for part in get_args(Ending) for name in (get_args(part) or (part,))} == (
        ENDINGS | STARTS
    )


def test_pages_have_a_sentence_for_each_reason() -> None:
    assert keys("lib/reasons.js", "ONLINE") == REASONS
    online = {"started", "resumed", "navigated", "backgrounded"}
    assert keys("lib/reasons.js", "OFFLINE") == REASONS - online
    words_of_pages = texts()[PAGES + "lib/words.js"]
    assert set(re.findall(r'^    case "(\w+)":', words_of_pages, re.M)) >= REASONS


def test_what_is_silence_is_said_once_in_code_and_once_for_the_pages() -> None:
    [listed] = re.findall(r"SILENT_ENDS = new Set\((.*?)\)", texts()[PAGES + "lib/reasons.js"])
    assert tuple(json.loads(listed)) == SILENT_ENDS
    assert SILENT_ENDS_SQL == "('timed_out', 'disconnected')"
    again = [
        path
        for path, text in texts().items()
        if path.startswith(("api/", "processor/"))
        and re.search(r"""['"]timed_out['"], ['"]disconnected['"]""", text)
    ]
    assert again == [PAGES + "lib/reasons.js"]
