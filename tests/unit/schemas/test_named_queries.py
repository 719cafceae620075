"""Parts of queries: of their own file, from elsewhere, and of a call."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from schemas.database.named_queries import filled, load_queries

SQL = """\
-- What stands before the first name is no query.

-- name: users
SELECT {columns} FROM ({those}) AS those {order}

-- name: those
-- Of one screen.
SELECT * FROM presence WHERE {matching}

-- name: matching
screen = %(screen)s AND {given}
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "some_queries").mkdir()
    (tmp_path / "some_queries" / "__init__.py").touch()
    (tmp_path / "some_queries" / "queries.sql").write_text(SQL)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "some_queries", raising=False)
    return "some_queries"


def test_a_part_is_the_query_of_its_name_or_what_is_given(package: str) -> None:
    queries = load_queries(
        package, "queries.sql", {"columns": "user_id", "given": b"{columns} > 1"}
    )
    assert queries["matching"] == b"screen = %(screen)s AND user_id > 1"
    assert queries["users"] == (
        b"SELECT user_id FROM (-- Of one screen.\n"
        b"SELECT * FROM presence WHERE screen = %(screen)s AND user_id > 1) AS those {order}"
    )


def test_a_call_gives_what_is_left(package: str) -> None:
    queries = load_queries(package, "queries.sql")
    wanted = filled(queries["matching"], given=b"{order}", order=b"nothing of this one")
    assert wanted == b"screen = %(screen)s AND {order}"
