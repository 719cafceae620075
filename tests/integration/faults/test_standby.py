"""PostgreSQL fails over to a real standby: away until that is promoted, then all goes on."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.log.events import Heartbeat, partition_of
from schemas.log.settings import KafkaSettings
from tests.integration.faults.processors import running
from tests.integration.faults.standby import Servers, streaming
from tests.rigs.api_harness import Answer, Api, api_settings, running_api, token, wait_until
from tests.rigs.rig import batch, produce, rows, wait_for


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


async def test_the_api_is_back_once_the_standby_is_promoted(servers: Servers) -> None:
    """One that takes any server reads from the standby meanwhile, but writes nothing to it."""
    async with (
        running_api(api_settings(servers.url("any"))) as of_any,
        running_api(api_settings(servers.url("read-write"))) as of_primary,
    ):
        for api in (of_any, of_primary):
            assert (await log_in(api)).status == 303
        await asyncio.to_thread(servers.lose_primary)
        await wait_until(lambda: answers(of_any, 200))
        looked = await of_any.call("/api/v1/online-users")
        assert looked.status == 503  # who looks is written down
        assert "takes no writes" in looked.body.decode()
        refused = await log_in(of_any)
        assert refused.status == 503
        assert "takes no writes" in refused.body.decode()
        assert await answers(of_primary, 503)
        await asyncio.to_thread(servers.promote)
        for api in (of_any, of_primary):
            await wait_until(functools.partial(logs_in, api))


async def answers(api: Api, status: int) -> bool:
    return (await api.call("/api/online-users-count")).status == status


async def logs_in(api: Api) -> bool:
    return (await log_in(api)).status == 303
