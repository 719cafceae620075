"""The database of ``tests/unit/processor/test_fence_model.py`` has the real one's conditions."""

from __future__ import annotations

import uuid

from processor.store.claim import claim_deployment
from processor.store.store import Store
from tests.unit.processor.fence_reference import PARTITIONS
from tests.unit.processor.fence_script import Owner, play
from tests.unit.processor.store_in_memory import Database, Stands, StoreInMemory


async def test_two_processors_meet_the_same_in_memory_and_in_postgresql(database_url: str) -> None:
    stores = [Store(database_url) for _ in range(3)]
    try:
        await claim_deployment(
            stores[0], "events", str(uuid.uuid4()), dict.fromkeys(range(PARTITIONS), 0)
        )
        real = await play(*[Owner(store) for store in stores])
    finally:
        for store in stores:
            await store.close()
    database = Database({p: Stands(0, 0) for p in range(PARTITIONS)})
    model = await play(*[Owner(StoreInMemory(database)) for _ in stores])
    assert model == real
    outcomes = [step[0] for step in real if isinstance(step, tuple) and isinstance(step[0][0], str)]
    assert outcomes == [
        ("applied",),
        ("fence lost",),
        ("fence lost",),
        ("applied",),
        ("applied", "fence lost"),
        ("fence lost",),
        ("applied", "fence lost"),
    ]
