"""Rollups held against the rows that they are made of, a period at a time. PURE but for the rows,
which come from files.

Written from the design, section 7, and from nothing of maintenance. Engagement of quarter-hours and
hours is added up from minutes; that of days from quarter-hours, which were compared themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import Final

from deploy.audit.columns import ACTIVE
from deploy.audit.differences import Differences, date_text, time_text
from deploy.audit.rollups.rows import HOUR_MS, QUARTER_MS, Day, RollupRows
from deploy.audit.rollups.tables import KEYS, Row, Table, add_rows, as_rows, compare, keyed
from deploy.audit.rollups.users import compare_users
from deploy.audit.rollups.versions import versions_of_hour
from deploy.audit.sums import bucket_of

_SILENT: Final = ("timed_out", "disconnected")


def compare_rollups(rows: RollupRows, differences: Differences) -> Iterator[int]:
    """How many rows were compared, of one period after the other."""
    yield from _compare_quarters(rows, differences)
    for hour in rows.hours:
        yield _compare_hour(rows, hour, differences)
    for day in rows.days:
        if day.number not in rows.late_days:
            yield _compare_day(rows, day, differences)
            yield _compare_users_of_day(rows, day, differences) if day.is_new else 0


def _compare_quarters(rows: RollupRows, differences: Differences) -> Iterator[int]:
    """And the hours that they are in."""
    of_hour: Table = {}
    is_late = False
    for quarter in rows.quarters:
        engagement: Table = {}
        add_rows(engagement, rows.rows("minutes", quarter), KEYS["screen_quarters"])
        add_rows(of_hour, as_rows(engagement), KEYS["screen_hours"])
        if quarter in rows.late_quarters:
            is_late = True
        else:
            yield _compare_quarter(rows, quarter, engagement, differences)
        after = quarter + QUARTER_MS
        if after % HOUR_MS == 0 or after == rows.quarters.stop:
            hour = quarter // HOUR_MS * HOUR_MS
            if not is_late:
                has = keyed(rows.rows("screen_hours", hour), KEYS["screen_hours"])
                yield compare("screen_hours", time_text(hour), of_hour, has, differences)
            of_hour, is_late = {}, False


def _compare_quarter(
    rows: RollupRows, quarter: int, engagement: Table, differences: Differences
) -> int:
    moves: Table = {}
    add_rows(moves, rows.rows("transitions", quarter), KEYS["transition_quarters"])
    made = {
        "screen_quarters": engagement,
        "transition_quarters": moves,
        "concurrency_quarters": _concurrency(rows.rows("samples", quarter), rows.partitions),
    }
    if quarter not in rows.erased_quarters:
        made["session_quarters"] = _sessions(rows.rows("ended_sessions", quarter))
    return sum(
        compare(
            table,
            time_text(quarter),
            log,
            keyed(rows.rows(table, quarter), KEYS[table]),
            differences,
        )
        for table, log in made.items()
    )


def _compare_hour(rows: RollupRows, hour: int, differences: Differences) -> int:
    quarters = range(hour, hour + HOUR_MS, QUARTER_MS)
    if any(one in rows.late_quarters or one in rows.erased_quarters for one in quarters):
        return 0
    at, table = time_text(hour), "screen_version_hours"
    log = versions_of_hour(lambda: rows.rows("visits", hour))
    checked = compare(table, at, log, keyed(rows.rows(table, hour), KEYS[table]), differences)
    users = dict(rows.rows("screen_hour_users", hour))
    visitors = rows.rows("visitors_of_hours", hour)
    return checked + compare_users("screen_hour_users", at, visitors, users, differences)


def _compare_day(rows: RollupRows, day: Day, differences: Differences) -> int:
    at = date_text(day.number)
    checked = 0
    for table, made_of in (
        ("screen_days", "screen_quarters"),
        ("transition_days", "transition_quarters"),
    ):
        log: Table = {}
        for quarter in range(day.since, day.until, QUARTER_MS):
            add_rows(log, rows.rows(made_of, quarter), KEYS[table])
        has = keyed(rows.rows(table, day.number), KEYS[table])
        if table == "screen_days":
            for key, values in list(has.items()):
                del values[-2:]
                # A screen on which visits began and none ended has users alone.
                if key not in log and not any(values):
                    del has[key]
        checked += compare(table, at, log, has, differences)
    return checked


def _compare_users_of_day(rows: RollupRows, day: Day, differences: Differences) -> int:
    at = date_text(day.number)
    checked = 0
    quarters = range(day.since, day.until, QUARTER_MS)
    if day.has_changes and rows.erased_quarters.isdisjoint(quarters):
        stored = list(rows.rows("screen_days", day.number))
        users = {screen: users for screen, *_, users, _ in stored if users}
        bounds = {screen for screen, *_, at_most in stored if at_most is not None}
        visitors = rows.rows("visitors_of_days", day.since)
        checked += compare_users("screen_days", at, visitors, users, differences, bounds)
    month = range(day.number - 29, day.number + 1)
    is_whole = month.start >= rows.user_days_from and day.number >= rows.first_active_day
    if is_whole and rows.erased_days.isdisjoint(month) and rows.late_days.isdisjoint(month):
        nobody: Row = (0,) * len(ACTIVE)
        log = keyed([next(rows.rows("active", day.number), nobody)], KEYS["active_user_days"])
        has = keyed(rows.rows("active_user_days", day.number), KEYS["active_user_days"])
        if not has and log[()] == [*nobody]:
            return checked  # a day of before the deployment
        checked += compare("active_user_days", at, log, has, differences)
    return checked


def _sessions(ended: Iterable[Row]) -> Table:
    sums = [0] * 6
    histogram: list[int] = []
    for started_at, ended_at, ended_by, foreground_ms, views in ended:
        duration_ms = ended_at - started_at
        one = (1, duration_ms, foreground_ms, views, views == 1, ended_by in _SILENT)
        sums = [before + more for before, more in zip(sums, one, strict=True)]
        bucket = bucket_of(duration_ms)
        histogram += [0] * (bucket + 1 - len(histogram))
        histogram[bucket] += 1
    return {(): [*sums, histogram]} if histogram else {}


def _concurrency(samples: Iterable[Row], partitions: int) -> Table:
    """Of instants of which every partition has a sample."""
    instants: list[tuple[int, int, int]] = []
    for at, group in groupby(samples, key=itemgetter(0)):
        each = list(group)
        if len(each) == partitions:
            foreground = sum(sample[1] for sample in each)
            instants.append((at, foreground, foreground + sum(sample[2] for sample in each)))
    if not instants:
        return {}
    most_online = max(online for _, _, online in instants)
    most_foreground = max(foreground for _, foreground, _ in instants)
    return {
        (): [
            len(instants),
            sum(foreground for _, foreground, _ in instants),
            sum(online - foreground for _, foreground, online in instants),
            most_online,
            min(at for at, _, online in instants if online == most_online),
            most_foreground,
            min(at for at, foreground, _ in instants if foreground == most_foreground),
        ]
    }
