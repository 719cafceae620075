"""A federation's members are looked at, whatever goes wrong in between."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from api.metrics import ApiMetrics
from api.postgres import members


class Database:
    """Fails at the first question, and at the first one after its answer to that."""

    keeps_plans = True

    def __init__(self) -> None:
        self.asked = 0
        self.again = asyncio.Event()

    async def read(self, *_: object) -> Any:
        self.asked += 1
        if self.asked in (1, 3):
            raise LookupError("nobody thought of this")
        if self.asked == 2:
            return True
        self.again.set()
        return {}


async def test_members_are_looked_at_after_an_error_nobody_thought_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(members, "ASK_SECONDS", 0.0)
    monkeypatch.setattr(members, "LOOK_SECONDS", 0.0)
    registry, database = CollectorRegistry(), Database()
    watch = members.Members(cast(Any, database), ApiMetrics(registry))
    watch.watch()
    async with asyncio.timeout(60):
        await database.again.wait()
    await watch.close()
    name = "rollcall_api_background_errors_total"
    assert registry.get_sample_value(name, {"work": "members"}) == 2
    assert not database.keeps_plans
