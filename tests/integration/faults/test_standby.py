"""PostgreSQL fails over to a real standby: away until that is promoted, then all goes on."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from schemas.log.events import Heartbeat, partition_of
from schemas.log.settings import KafkaSettings
from tests.conftest import fresh_topics
from tests.integration.faults.processors import Processor, running
from tests.integration.faults.standby import Servers, streaming
from tests.rigs.api_harness import Answer, Api, api_settings, running_api, token, wait_until
from tests.rigs.rig import batch, produce, rows, wait_for

#: Database and ``target_session_attrs`` of each processor, and what it says while nobody takes
#: writes.
PROCESSORS = (
    ("of_any", "any", "SQLSTATE 25006"),
    ("of_primary", "read-write", "PostgreSQL is away"),
)
READ = "read"


@pytest.fixture
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    databases = [READ, *(database for database, _, _ in PROCESSORS)]
    with streaming(tmp_path_factory.mktemp("servers"), databases) as started:
        yield started


@dataclass(frozen=True)
class Follower:
    """A processor whose database moves to the other server."""

    processor: Processor
    kafka: KafkaSettings
    servers: Servers
    database: str
    says: str

    def beat(self, user: str) -> None:
        place = partition_of(user, self.kafka.partitions)
        asyncio.run(produce(self.kafka, [(place, batch(Heartbeat(user=user, token="t")))]))

    def works(self) -> None:
        self.beat("ada")
        wait_for("it works", lambda: self._stored(self.servers.primary.dsn_of) == {"ada"})
        wait_for("the standby has it", lambda: self._stored(self.servers.standby.dsn_of) == {"ada"})

    def waits(self) -> None:
        self.beat("bob")
        wait_for("it says what it met", lambda: self.says in self.processor.log)
        # Maintenance may have met it first.
        wait_for("it waits", lambda: "PostgreSQL" in self.processor.readiness)
        assert self.processor.process.exit_status is None
        assert self._stored(self.servers.standby.dsn_of) == {"ada"}

    def goes_on(self) -> None:
        both = {"ada", "bob"}
        wait_for("it goes on", lambda: self._stored(self.servers.standby.dsn_of) == both)
        wait_for("it is ready", lambda: self.processor.readiness == "ready")
        assert self.processor.process.stop() == 0
        assert "PostgreSQL is back" in self.processor.log

    def _stored(self, dsn_of: Callable[[str], str]) -> set[str]:
        return {name for (name,) in rows(dsn_of(self.database), "SELECT user_id FROM presence")}


@pytest.fixture
def followers(servers: Servers, kafka_bootstrap: str, tmp_path: Path) -> Iterator[list[Follower]]:
    with ExitStack() as stack:
        started = []
        for database, target, says in PROCESSORS:
            kafka, log = fresh_topics(kafka_bootstrap), tmp_path / f"{database}.log"
            processor = stack.enter_context(running(kafka, servers.url(target, database), log))
            started.append(Follower(processor, kafka, servers, database, says))
        yield started


async def log_in(api: Api) -> Answer:
    return await api.call("/login", "POST", bearer=None, data={"token": token()})


async def test_all_go_on_by_themselves_once_the_standby_is_promoted(
    servers: Servers, followers: list[Follower]
) -> None:
    """Processors wait. An API that takes any server reads from the standby meanwhile, but writes
    nothing to it."""

    async def each(step: str) -> None:
        await asyncio.gather(*(asyncio.to_thread(getattr(one, step)) for one in followers))

    async with (
        running_api(api_settings(servers.url("any", READ))) as of_any,
        running_api(api_settings(servers.url("read-write", READ))) as of_primary,
    ):
        for api in (of_any, of_primary):
            assert (await log_in(api)).status == 303
        await each("works")
        await asyncio.to_thread(servers.lose_primary)
        await wait_until(lambda: answers(of_any, 200))
        looked = await of_any.call("/api/v1/online-users")
        assert looked.status == 503  # who looks is written down
        assert "takes no writes" in looked.body.decode()
        refused = await log_in(of_any)
        assert refused.status == 503
        assert "takes no writes" in refused.body.decode()
        assert await answers(of_primary, 503)
        await each("waits")
        await asyncio.to_thread(servers.promote)
        for api in (of_any, of_primary):
            await wait_until(functools.partial(logs_in, api))
        await each("goes_on")


async def answers(api: Api, status: int) -> bool:
    return (await api.call("/api/online-users-count")).status == status


async def logs_in(api: Api) -> bool:
    return (await log_in(api)).status == 303
