"""Which rollups the audit holds against the rows that they are made of, and which it leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deploy.audit.differences import Differences
from deploy.audit.rollups.compared import compare_rollups
from deploy.audit.rollups.rows import (
    HOUR_MS,
    QUARTER_MS,
    Day,
    RollupRows,
    RollupState,
    days_between,
)
from deploy.audit.rollups.users import compare_users
from deploy.audit.rollups.versions import versions_of_hour
from deploy.audit.snapshot import Snapshot

DAY = 20_000
DAY_MS = DAY * 24 * HOUR_MS
ENGAGEMENT = (1, 1, 500, 0, 1, 1, [0, 0, 0, 0, 0, 1])
VISIT = ("u", "visit", "Home", None, None, 500, "navigated", 1)


def made(folder: Path, **tables: list[tuple[Any, ...]]) -> RollupRows:
    """A day on which somebody was on a screen once, with all that is made of it."""
    snapshot = Snapshot("t", {}, {}, {}, {}, folder)
    kept: dict[str, list[tuple[Any, ...]]] = {
        "minutes": [(DAY_MS, "Home", *ENGAGEMENT)],
        "transitions": [(DAY_MS, "(start)", "Home", 1)],
        "ended_sessions": [(DAY_MS, DAY_MS, DAY_MS + 500, "timed_out", 500, 1)],
        "samples": [(DAY_MS, DAY_MS, 1, 2), (DAY_MS, DAY_MS, 3, 4), (DAY_MS, DAY_MS + 10, 9, 9)],
        "visits": [(DAY_MS, *VISIT)],
        "visitors_of_hours": [(DAY_MS, "Home", 1)],
        "visitors_of_days": [(DAY_MS, "Home", 1)],
        "active": [(DAY, 1, 1, 1, 1)],
        "screen_quarters": [(DAY_MS, "Home", *ENGAGEMENT)],
        "screen_hours": [(DAY_MS, "Home", *ENGAGEMENT)],
        "transition_quarters": [(DAY_MS, "(start)", "Home", 1)],
        "session_quarters": [(DAY_MS, 1, 500, 500, 1, 1, 1, [0, 0, 0, 0, 0, 1])],
        "concurrency_quarters": [(DAY_MS, 1, 4, 6, 10, DAY_MS, 4, DAY_MS)],
        "screen_version_hours": [
            (DAY_MS, "Home", "(none)", "(none)", 1, 1, 500, 0, 0, 0, 1, [0, 0, 0, 0, 0, 1])
        ],
        "screen_hour_users": [(DAY_MS, "Home", 1)],
        "screen_days": [(DAY, "Home", *ENGAGEMENT, 1, None)],
        "transition_days": [(DAY, "(start)", "Home", 1)],
        "active_user_days": [(DAY, 1, 1, 1, 1)],
        **tables,
    }
    for table, rows in kept.items():
        snapshot.keep(f"rollups_{table}", rows)
    end = DAY_MS + 24 * HOUR_MS
    return RollupRows(
        snapshot,
        2,
        range(DAY_MS, end, QUARTER_MS),
        range(DAY_MS, end, HOUR_MS),
        [Day(DAY, DAY_MS, end, is_new=True, has_changes=True)],
        RollupState(end, end, DAY + 1, "UTC"),
    )


def found(rows: RollupRows) -> list[str]:
    differences = Differences()
    for _ in compare_rollups(rows, differences):
        pass
    return sorted({each.table for each in differences.kept})


def test_rollups_of_what_there_is_are_as_they_must_be(tmp_path: Path) -> None:
    rows = made(tmp_path)
    assert not found(rows)
    # Users of a day of screens are a comparison of their own.
    assert sum(compare_rollups(rows, Differences())) == 11


def test_what_is_to_be_made_again_is_left_for_the_next_run(tmp_path: Path) -> None:
    rows = made(tmp_path, minutes=[], transitions=[], ended_sessions=[], visits=[], active=[])
    assert len(found(rows)) == 6
    rows.late_quarters, rows.late_days = {DAY_MS}, {DAY}
    assert not found(rows)


def test_what_an_erasure_took_rows_of_stays_as_it_was(tmp_path: Path) -> None:
    rows = made(tmp_path, ended_sessions=[], visits=[], visitors_of_hours=[], visitors_of_days=[])
    assert found(rows) == [
        *("screen_days", "screen_hour_users", "screen_version_hours", "session_quarters"),
    ]
    rows.erased_quarters = {DAY_MS}
    assert not found(rows)
    rows = made(tmp_path, active=[(DAY, 0, 0, 2, 2)])
    assert found(rows) == ["active_user_days"]
    rows.erased_days = {DAY - 29}
    assert not found(rows)


def test_sums_that_hold_nobody_are_compared_whoever_was_erased(tmp_path: Path) -> None:
    rows = made(tmp_path, minutes=[], transitions=[])
    rows.erased_quarters = {DAY_MS}
    assert found(rows) == ["screen_hours", "screen_quarters", "transition_quarters"]


def test_days_of_before_the_deployment_have_no_active_users(tmp_path: Path) -> None:
    """As in the first run of a deployment of which no day is over."""
    assert not found(made(tmp_path, active=[], active_user_days=[]))
    assert found(made(tmp_path, active_user_days=[])) == ["active_user_days"]


@pytest.mark.parametrize(
    ("exact", "stored", "is_right"),
    [(5, 5, True), (5, 6, False), (1_000, 1_090, True), (1_000, 890, False), (0, 1, False)],
)
def test_users_are_as_many_as_a_sketch_can_tell(exact: int, stored: int, is_right: bool) -> None:
    differences = Differences()
    compare_users("screen_hour_users", "then", [("Home", exact)], {"Home": stored}, differences)
    assert (differences.count == 0) is is_right


def test_where_names_are_beyond_their_cap_no_screen_has_more_users_than_it_had() -> None:
    visitors = [("Home", 90), ("Rare", 3)]
    differences = Differences()
    stored = {"Home": 20, "(other)": 70}
    compare_users("screen_hour_users", "then", visitors, stored, differences)
    assert not differences.count
    compare_users("screen_hour_users", "then", visitors, {**stored, "Rare": 4}, differences)
    assert [each.row for each in differences.kept] == ["Rare at then"]


def test_of_an_hour_those_with_most_visits_count_as_themselves() -> None:
    ends = [
        (f"u{n}", "visit", None, f"1.{version:02d}", "ios", 1, "navigated", 0)
        for version in range(12)
        for n in range(20 - version)
    ]
    ends.sort()
    table = versions_of_hour(lambda: ends)
    assert ("(none)", "1.09", "ios") in table
    others = table["(none)", "(other)", "ios"]
    # Visits of two versions, by ten users.
    assert (others[1], others[6]) == (10 + 9, 10)


def test_days_are_of_the_zone_with_their_hours() -> None:
    days = list(days_between(20_540, 20_543, "Europe/Berlin"))
    assert [number for number, _, _ in days] == [20_540, 20_541, 20_542]
    # 2026-03-29 has 23 of them.
    assert [(until - since) // HOUR_MS for _, since, until in days] == [24, 23, 24]
