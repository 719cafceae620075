"""The benchmark's figures beside those of an earlier run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.report import comparison, medians, ratios, read_figures, write_figures

FIGURES = {
    "rollcall, keep": {"total": 50.0},
    "rollcall, keep at 500/s": {"total": 100.0},
    "plain, keep": {"total": 500.0},
}


def test_each_rate_is_told_as_a_share_of_the_plain_service() -> None:
    assert ratios(FIGURES) == [
        "rollcall, keep: 0.10 of the plain service's CPU",
        "rollcall, keep at 500/s: 0.20 of the plain service's CPU",
    ]


def test_two_runs_are_compared_by_their_shares(tmp_path: Path) -> None:
    file = tmp_path / "earlier.json"
    write_figures(file, {"rollcall, keep": {"total": 200.0}, "plain, keep": {"total": 1000.0}})
    assert comparison(FIGURES, read_figures(file)) == [
        "rollcall, keep: 0.50 of the earlier run's 0.20"
    ]


def test_a_figure_is_the_median_of_its_rounds_with_their_spread() -> None:
    rounds = [{"ingest": each, "total": 2 * each} for each in (30.0, 10.0, 20.0)]
    assert medians({"rollcall, keep": rounds}) == {
        "rollcall, keep": {"ingest": 20.0, "total": 40.0, "spread": 1.0}
    }


def test_another_file_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "other.json"
    file.write_text("[1]")
    with pytest.raises(SystemExit, match=r"other\.json: not figures"):
        read_figures(file)
