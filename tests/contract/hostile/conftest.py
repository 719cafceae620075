"""Fixtures of the hostile tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from schemas.log.settings import KafkaSettings
from tests.rigs.harness import Ingest, ingest_settings, running_ingest


@pytest.fixture
async def ingest(kafka_settings: KafkaSettings) -> AsyncIterator[Ingest]:
    """A running ingest with the limits that it has by default."""
    settings = ingest_settings(
        kafka_settings, trusted_proxies="127.0.0.1", websocket_drain_seconds=0
    )
    async with running_ingest(settings) as running:
        await running.until_ready()
        yield running
