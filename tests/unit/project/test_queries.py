"""Every named query says what it is for, in a line above it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
NAME = re.compile(r"^-- name: (\w+).*\n(.*)$", re.MULTILINE)
FILES = [
    path
    for service in ("api", "deploy", "processor", "schemas")
    for path in sorted((ROOT / service).rglob("*.sql"))
    if NAME.search(path.read_text())
]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_query_has_a_line_that_says_what_it_is_for(path: Path) -> None:
    undescribed = [
        name for name, line in NAME.findall(path.read_text()) if not line.startswith("-- ")
    ]
    assert undescribed == []
