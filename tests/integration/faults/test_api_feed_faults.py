"""The feed's poll: it never ends unseen, and never leaves a viewer without one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from prometheus_client import CollectorRegistry

from api.feed.hub import Hub, Viewer
from api.feed.reader import FeedReader
from api.metrics import ApiMetrics
from api.postgres.database import Database
from api.quality import Quality
from api.settings import ApiSettings
from schemas.tokens.identity import Identity
from tests.rigs.api_harness import api_settings

ADA = Identity("ada", "t", None, None, frozenset(), None)
DEADLINE_SECONDS = 60.0


class BrittleReader(FeedReader):
    """Its slow part fails, once, with what nobody foresaw."""

    fails = False
    #: Called at the end of each reading.
    then: Callable[[], object] = staticmethod(lambda: None)

    async def read_slow(self) -> None:
        if self.fails:
            self.fails = False
            raise ValueError("nobody foresaw this")
        await super().read_slow()
        self.then()


@pytest.fixture
def settings(database_url: str) -> ApiSettings:
    return api_settings(database_url, feed_interval_seconds=0.05)


@pytest.fixture
async def database(settings: ApiSettings) -> AsyncIterator[Database]:
    database = Database(settings, ApiMetrics(CollectorRegistry()))
    await database.open()
    yield database
    await database.close()


@pytest.fixture
def reader(database: Database, settings: ApiSettings) -> BrittleReader:
    metrics = ApiMetrics(CollectorRegistry())
    quality = Quality(settings.stale_after_seconds, settings.reporting_zone, metrics)
    return BrittleReader(database, quality, settings)


@pytest.fixture
async def hub(reader: BrittleReader, settings: ApiSettings) -> AsyncIterator[Hub]:
    hub = Hub(reader, settings, ApiMetrics(CollectorRegistry()))
    yield hub
    await hub.close()


def viewer() -> Viewer:
    return Viewer(ADA, None, lambda: None)


async def next_of(following: Viewer) -> bytes | None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        return await following.next()


async def test_an_unexpected_error_in_the_slow_poll_ends_every_stream_and_they_come_back(
    hub: Hub, reader: BrittleReader, caplog: pytest.LogCaptureFixture
) -> None:
    following = [viewer(), viewer()]
    for each in following:
        hub.join(each)
        assert b"event: snapshot" in (await next_of(each) or b"")
    reader.fails = True
    for each in following:
        while await next_of(each) is not None:
            pass  # not frozen screens on a page that looks live
        hub.leave(each)
    assert "The feed's poll failed" in caplog.text
    again = viewer()
    hub.join(again)
    assert b"event: snapshot" in (await next_of(again) or b"")
    hub.leave(again)


async def test_the_last_viewer_leaving_while_another_joins_leaves_a_poll(hub: Hub) -> None:
    first, second = viewer(), viewer()
    hub.join(first)
    await next_of(first)
    hub.leave(first)
    hub.join(second)  # before the poll of the first has heard of its end
    assert await next_of(second)
    assert b"event: delta" in (await next_of(second) or b"")
    hub.leave(second)


async def test_it_closes_in_the_moment_of_its_first_reading(
    hub: Hub, reader: BrittleReader
) -> None:
    closing: asyncio.Queue[asyncio.Task[None]] = asyncio.Queue()
    reader.then = lambda: closing.put_nowait(asyncio.create_task(hub.close()))
    hub.join(viewer())
    async with asyncio.timeout(DEADLINE_SECONDS):
        await (await closing.get())
