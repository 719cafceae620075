"""After opt-outs and erasures the public count and engagement are what the oracle comes to, which
shares no code with the processor (promise 8)."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from processor.settings import ProcessorSettings
from schemas.log.events import Erase, Heartbeat, OptIn, OptOut, Tick, decode_batch, encode_batch
from tests.rigs.api_harness import Api, api_settings, running_api
from tests.rigs.audit_rig import (
    PARTITIONS,
    START_MS,
    Records,
    Writer,
    append,
    create_time_topics,
    ends_of,
    process,
)
from tests.rigs.maintenance_rig import run
from tests.rigs.rig import rows
from tests.unit.processor.analytics_oracle import OracleOfSums, Recount
from tests.unit.processor.oracle import NOTHING
from tests.unit.processor.presence_logs import stated

HOUR_MS = 3_600_000
USERS = range(14)
SUMS = ("views", "visits", "dwell_ms", "exits", "bounces")
#: No silence is an outage: the oracle of a user is shown few of the records.
SETTINGS = {"OUTAGE_GAP_SECONDS": "7200", "CLIENT_INTERVAL_SECONDS": "7200"}
POLICY = {
    **stated(ProcessorSettings.model_construct().policy),
    "outage_gap": 7_200_000,
    "client_interval": 7_200_000,
}


def story() -> Records:
    """Users leave in the middle of visits, come back, and leave with what is older only; an hour
    later, when rollups are made of that, some are online."""
    writer = Writer(20261129)
    written = writer.records(400, USERS)
    for leaving in (
        OptOut(user="user-01", request="out-1"),
        Erase(user="user-02", request="erase-2"),
        OptOut(user="user-05", request="out-5"),
        Erase(user="nobody", request="erase-nobody"),
        Erase(user="user-07", request="erase-7"),
    ):
        written += writer.of(leaving) + writer.records(60, USERS)
    written += writer.of(Erase(user="user-06", request="erase-6", before_ms=writer.now - 300_000))
    written += writer.of(OptIn(user="user-01", request="in-1"))
    written += writer.records(200, USERS)
    written += writer.of(Erase(user="user-01", request="erase-1"))
    for _ in range(60):
        writer.now += 60_000
        written += [(p, writer.now, encode_batch([Tick()])) for p in range(PARTITIONS)]
    written += writer.records(200, USERS)
    return written + writer.of(Heartbeat(user="late", token="late", screen="background"))


def recount_of(partition: int, written: Records) -> Recount:
    records = [
        (offset, at, decode_batch(value))
        for offset, (_, at, value) in enumerate(w for w in written if w[0] == partition)
    ]
    clock = [{"offset": o, "at": at, "highest": at, "policy": POLICY} for o, at, _ in records]
    users = sorted({e.user for _, _, events in records for e in events if hasattr(e, "user")})
    return Recount([_oracle_of(user, records) for user in users], clock, [])


def _oracle_of(user: str, records: list[tuple[int, int, Any]]) -> OracleOfSums:
    """It is shown the records that concern the user: it looks at everything for each."""
    oracle = OracleOfSums(POLICY)
    due: int | None = None
    for offset, at, events in records:
        # Of others no more than the place that they take in the record.
        mine = [e if getattr(e, "user", None) == user else Tick() for e in events]
        if all(isinstance(e, Tick) for e in mine) and (due is None or at < due):
            continue
        oracle.record(offset, at, mine)
        online = [d for d in oracle.devices(user) if oracle.shown(user, d) != NOTHING]
        due = min((oracle.deadline(user, d) for d in online), default=None)
    return oracle


@pytest.fixture(scope="module")
def written() -> Records:
    return story()


@pytest.fixture
def processed(written: Records, kafka_bootstrap: str, database_url: str, tmp_path: Path) -> str:
    kafka = create_time_topics(kafka_bootstrap)
    asyncio.run(append(kafka, written))
    process(kafka, database_url, tmp_path / "processor.log", ends_of(written), **SETTINGS)
    return database_url


async def engagement(api: Api, written: Records) -> dict[str, dict[str, int]]:
    last_ms = max(at for _, at, _ in written)
    start, end = (
        datetime.fromtimestamp(ms / 1000, UTC).isoformat().replace("+00:00", "Z")
        for ms in (START_MS // HOUR_MS * HOUR_MS, -(-last_ms // HOUR_MS) * HOUR_MS)
    )
    found = await api.get("/api/v1/screens/engagement", **{"from": start, "to": end})
    assert found.status == 200, found.body
    return {row["screen"]: {name: row[name] for name in SUMS} for row in found.json["items"]}


async def test_the_count_and_engagement_are_the_oracles(written: Records, processed: str) -> None:
    recounts = [recount_of(partition, written) for partition in range(PARTITIONS)]
    online = Counter(
        oracle.shown_by_user(user)[0]
        for recount in recounts
        for oracle in recount.oracles
        for user in oracle.users()
    )
    sums: dict[str, Counter[str]] = {}
    for recount in recounts:
        for (_, screen), minute in recount.minutes.items():
            of_screen = {n: minute["dwell" if n == "dwell_ms" else n] for n in SUMS}
            sums.setdefault(screen, Counter()).update(of_screen)
    wanted = {screen: {n: counts[n] for n in SUMS} for screen, counts in sums.items()}
    assert online["foreground"] > 0 < online["background"]
    assert any(
        piece["ended_by"] in ("erased", "opted_out") and piece["state"] == "foreground"
        for recount in recounts
        for piece in recount.pieces
    )
    async with running_api(api_settings(processed)) as api:
        count = (await api.count()).json
        assert count["by_state"] == {s: online[s] for s in ("foreground", "background")}
        assert await engagement(api, written) == wanted
        # The same once rollups stand for the minutes.
        await asyncio.to_thread(run, processed)
        assert rows(processed, "SELECT count(*) > 0 FROM screen_hours") == [(True,)]
        assert await engagement(api, written) == wanted
        assert (await api.count()).json["by_state"] == count["by_state"]
    assert rows(processed, "SELECT count(*) > 3 FROM erasures") == [(True,)]
