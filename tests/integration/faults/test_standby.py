"""PostgreSQL fails over to a real standby: away until that is promoted, then all goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.log.events import Heartbeat, partition_of
from schemas.log.settings import KafkaSettings
from tests.integration.api_harness import Answer, Api, api_settings, running_api, token, wait_until
from tests.integration.faults.processors import running
from tests.integration.faults.standby import Servers, streaming
from tests.integration.rig import DEADLINE_SECONDS, batch, produce, rows, wait_for


@pytest.fixture
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with streaming(tmp_path_factory.mktemp("servers")) as started:
        yield started


@pytest.mark.parametrize(
    ("target", "said"), [("any", "SQLSTATE 25006"), ("read-write", "PostgreSQL is away")]
)
def test_a_processor_waits_for_the_standby_to_be_promoted(
    servers: Servers, kafka_settings: KafkaSettings, tmp_path: Path, target: str, said: str
) -> None:
    def beat(user: str) -> None:
        record = batch(Heartbeat(user=user, token="t"))
        asyncio.run(
            produce(kafka_settings, [(partition_of(user, kafka_settings.partitions), record)])
        )

    def stored(url: str) -> set[str]:
        return {name for (name,) in rows(url, "SELECT user_id FROM presence")}

    with running(kafka_settings, servers.url(target), tmp_path / "log") as processor:
        beat("ada")
        wait_for("it works", lambda: stored(servers.primary.dsn) == {"ada"})
        servers.lose_primary()
        beat("bob")
        wait_for("it says what it met", lambda: said in processor.log)
        assert processor.process.exit_status is None
        assert "PostgreSQL" in processor.readiness
        assert stored(servers.standby.dsn) == {"ada"}
        servers.promote()
        wait_for("it goes on by itself", lambda: stored(servers.standby.dsn) == {"ada", "bob"})
        wait_for("it is ready", lambda: processor.readiness == "ready")
        assert processor.process.stop() == 0
        assert "PostgreSQL is back" in processor.log


async def log_in(api: Api) -> Answer:
    return await api.call("/login", "POST", bearer=None, data={"token": token()})


async def test_the_api_reads_a_standby_and_writes_once_it_is_promoted(servers: Servers) -> None:
    async with running_api(api_settings(servers.url("any"))) as api:
        assert (await log_in(api)).status == 303
        await asyncio.to_thread(servers.lose_primary)

        async def reads() -> bool:
            return (await api.call("/api/v1/online-users")).status == 200

        await wait_until(reads, DEADLINE_SECONDS)
        refused = await log_in(api)
        assert refused.status == 503
        assert "takes no writes" in refused.body.decode()
        await asyncio.to_thread(servers.promote)

        async def writes() -> bool:
            return (await log_in(api)).status == 303

        await wait_until(writes, DEADLINE_SECONDS)


async def test_the_api_waits_for_a_server_that_takes_writes_by_default(servers: Servers) -> None:
    async with running_api(api_settings(servers.url("read-write"))) as api:
        assert (await log_in(api)).status == 303
        await asyncio.to_thread(servers.lose_primary)
        assert (await api.call("/api/v1/online-users")).status == 503
        await asyncio.to_thread(servers.promote)

        async def answers() -> bool:
            return (await log_in(api)).status == 303

        await wait_until(answers, DEADLINE_SECONDS)
