"""Formats: which is chosen, and that a table survives each of them."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.http.tabular import accepted_format, csv_head, csv_ids, csv_rows, ndjson_rows

cells = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(st.characters(exclude_categories=["Cs", "Cc"]))
)
rows = st.lists(st.fixed_dictionaries({"a": cells, "b,": cells}))


@pytest.mark.parametrize(
    ("accept", "format"),
    [
        (None, "json"),
        ("", "json"),
        ("*/*", "json"),
        ("text/*", "json"),
        ("application/json", "json"),
        ("text/csv", "csv"),
        ("TEXT/CSV; charset=utf-8", "csv"),
        ("application/x-ndjson", "ndjson"),
        ("text/csv, application/json", "csv"),
        ("text/csv;q=0.5, application/json", "json"),
        ("text/csv;q=0.5, application/json;q=0.4, */*", "csv"),
        ("application/x-ndjson;q=0.9,text/csv;q=0.8", "ndjson"),
        ("text/csv;q=0", "json"),
        ("text/csv;q=nonsense", "json"),
        ("text/csv;q=nan", "json"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "json"),
    ],
)
def test_the_format_is_the_one_accepted_most(accept: str | None, format: str) -> None:  # noqa: A002
    assert accepted_format(accept) == format


@given(st.text())
def test_any_accept_is_some_format(accept: str) -> None:
    assert accepted_format(accept) in ("json", "csv", "ndjson")


@given(rows)
def test_a_sheet_gives_its_cells_back(table: list[dict[str, object]]) -> None:
    text = (csv_head(["a", "b,"]) + csv_rows(["a", "b,"], table)).decode()
    head, *lines = csv.reader(io.StringIO(text, newline=""))
    assert head == ["a", "b,"]
    assert len(lines) == len(table)
    for line, row in zip(lines, table, strict=True):
        for cell, value in zip(line, (row["a"], row["b,"]), strict=True):
            if value is None:
                assert cell == ""
            elif isinstance(value, bool):
                assert cell == str(value).lower()
            elif isinstance(value, int):
                assert cell == str(value)
            else:
                assert cell.replace("'", "") == str(value).replace("'", "")
                if str(value)[:1] in tuple("=+-@＝＋－＠"):
                    assert cell.startswith("'")


# Between a semicolon and a sign there is an apostrophe: another test's.
@given(st.text().filter(lambda text: ";" not in text))
def test_no_text_of_a_sheet_is_a_formula(text: str) -> None:
    [[cell]] = csv.reader(io.StringIO(csv_rows(["a"], [{"a": "x" + text}]).decode(), newline=""))
    assert cell == "x" + text
    for start in "=+-@＝＋－＠\t\r\n":
        line = csv_rows(["a", "b"], [{"a": start, "b": 1}]).decode()
        assert line.lstrip('"').startswith("'")


@given(rows)
def test_lines_are_the_rows(table: list[dict[str, object]]) -> None:
    lines = ndjson_rows(table).split(b"\n")
    assert lines.pop() == b""
    assert [json.loads(line) for line in lines] == table


def test_ids_in_a_spreadsheet_run_nothing_and_telephone_numbers_stay_as_they_are() -> None:
    ids = ["ada", "+4915112345", "-7", "=1+1", "+1+1", "-a", "@SUM(A1)", 'a,"b"', "+"]
    assert csv_ids(ids) == (
        b'"ada"\r\n"+4915112345"\r\n"-7"\r\n"\'=1+1"\r\n"\'+1+1"\r\n"\'-a"\r\n"\'@SUM(A1)"\r\n'
        b'"a,""b"""\r\n"\'+"\r\n'
    )


@given(rows)
def test_where_semicolons_separate_no_cell_begins_a_formula(table: list[dict[str, object]]) -> None:
    texts = [{name: value for name, value in row.items() if value is not None} for row in table]
    for row in texts:
        line = csv_rows(list(row), [row]).decode()
        for cells in csv.reader(io.StringIO(line, newline=""), delimiter=";"):
            assert not [cell for cell in cells if cell.startswith(tuple("=@＝＋－＠"))]


@pytest.mark.parametrize("hostile", ["x;=1+1", 'x;"=1+1', "x;＝1+1", "x;@SUM(A1)", 'x;""-1+1'])
def test_a_formula_behind_a_semicolon_runs_nowhere(hostile: str) -> None:
    line = csv_rows(["a", "b"], [{"a": "Home", "b": hostile}]).decode()
    for separator in ",;":
        for cells in csv.reader(io.StringIO(line, newline=""), delimiter=separator):
            assert not [cell for cell in cells if cell.startswith(tuple("=+-@＝＋－＠"))]
