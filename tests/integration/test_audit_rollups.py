"""What maintenance makes of random rows is what the audit counts, whatever came late meanwhile."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from random import Random

import psycopg
import pytest

from deploy.audit.differences import Differences
from deploy.audit.rollups.compared import compare_rollups
from deploy.audit.rollups.rows import RollupState, copy_rollups
from deploy.audit.snapshot import Snapshot
from tests.rigs.maintenance_rig import (
    fill,
    late_visit,
    random_source,
    run,
    utc,
)

START = utc(2026, 3, 27, 22)
HOURS = 60


def audited(url: str, folder: Path, state: RollupState | None = None) -> tuple[int, RollupState]:
    """How many rows were compared, none of which differed, and from where the next run begins."""
    differences = Differences()
    with psycopg.connect(url) as connection:
        kept_from: dict[str, int] = dict(
            connection.execute(
                "SELECT table_name, to_ms(kept_from) FROM retention_progress"
            ).fetchall()
        )
        snapshot = Snapshot("t", {}, {}, {}, kept_from, folder)
        rows = copy_rollups(connection, snapshot, state)
    assert rows is not None
    checked = sum(compare_rollups(rows, differences))
    assert not differences.count, "\n".join(
        line for found in differences.kept for line in found.lines()
    )
    return checked, rows.next


@pytest.mark.parametrize(
    "zone",
    [
        "Asia/Kathmandu",
        *(pytest.param(zone, marks=pytest.mark.long) for zone in ("UTC", "Europe/Berlin")),
    ],
)
def test_random_rows_and_what_came_late_are_counted_alike(
    database_url: str, tmp_path: Path, zone: str
) -> None:
    random = Random(zone)
    source = random_source(random.randrange(1_000), START, HOURS, zone)
    fill(database_url, source, START + timedelta(hours=HOURS))
    run(database_url)
    checked, state = audited(database_url, tmp_path)
    assert checked > 1_000
    at = START + timedelta(hours=30, minutes=random.randrange(600))
    late_visit(database_url, source, at, offset=1, random=random)
    # What is to be made again is not compared, and the next run does not forget it.
    _, waiting = audited(database_url, tmp_path, state)
    assert waiting.quarter <= at.timestamp() * 1000 < state.quarter
    run(database_url)
    again, done = audited(database_url, tmp_path, waiting)
    assert 0 < again < checked
    assert done == state
