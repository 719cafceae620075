"""Who is on which screen now: from counters, without reading anybody, and from the users of a
partition that a release without counters goes on with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from api.analytics.screens import screens_now_query
from tests.rigs.api_harness import Api, Table, api_settings, running_api

SCREENS = "/api/v1/screens"


@pytest.fixture
def table(database_url: str) -> Iterator[Table]:
    opened = Table(database_url)
    opened.deployment(2)
    for partition, screens in enumerate(({"Home": 40, "(none)": 2, "(other)": 5}, {"Home": 7})):
        opened.offsets(partition, foreground=sum(screens.values()), background=3)
        for screen, users in screens.items():
            opened.run("INSERT INTO live_screens VALUES (%s, %s, %s)", partition, screen, users)
    opened.run("UPDATE stream_offsets SET live_screens_offset = next_offset")
    # Whoever reads users finds another answer than in the counters.
    for n in range(4):
        opened.user(f"p0-{n}", screen="Cart", partition=0)
    opened.user("p1-a", screen="Cart", partition=1)
    opened.user("p1-b", screen="(none)", partition=1)
    opened.user("p1-c", "background", screen="Cart", partition=1)
    opened.user("p1-d", "offline", partition=1)
    yield opened
    opened.close()


async def answer(api: Api) -> tuple[dict[str | None, int], tuple[int, int, int]]:
    told = (await api.get(SCREENS)).json
    items = {item["screen"]: item["foreground"] for item in told["items"]}
    return items, (told["foreground"], told["background"], told["screens"])


async def test_counters_answer_and_of_a_partition_that_is_behind_its_users_do(
    database_url: str, table: Table
) -> None:
    async with running_api(api_settings(database_url)) as api:
        assert await answer(api) == ({"Home": 47, "(other)": 5, None: 2}, (54, 6, 3))
        # A release that knows nothing of counters stores a batch.
        table.run('UPDATE stream_offsets SET next_offset = 9 WHERE "partition" = 1')
        wanted: dict[str | None, int] = {"Home": 40, "(other)": 6, None: 2, "Cart": 1}
        assert await answer(api) == (wanted, (49, 4, 4))
        # As it was before there were any.
        table.run("UPDATE stream_offsets SET live_screens_offset = NULL")
        assert await answer(api) == ({"Cart": 5, "(other)": 1}, (6, 1, 2))


def test_nobody_is_read_where_all_are_counted(table: Table) -> None:
    query = screens_now_query().decode().replace("%(limit)s", "10")

    def plan() -> str:
        found = table.run(f"EXPLAIN (ANALYZE, TIMING off, COSTS off) {query}")
        return "\n".join(line for (line,) in found)

    def reads_of_presence(plan: str) -> list[Any]:
        return [line for line in plan.splitlines() if "presence" in line and "Scan" in line]

    [read] = reads_of_presence(plan())
    assert "never executed" in read
    table.run('UPDATE stream_offsets SET next_offset = 9 WHERE "partition" = 1')
    [read] = reads_of_presence(plan())
    assert "never executed" not in read
