"""Fixtures of the fuzz tests."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator

import pytest

from schemas.log.settings import KafkaSettings
from tests.contract.fuzzing import Complaints, Watch
from tests.rigs.harness import ingest_settings, running_ingest


@pytest.fixture
def kafka_settings(emptied_topics: KafkaSettings) -> KafkaSettings:
    """Of ingest alone: no test of these counts offsets."""
    return emptied_topics


@pytest.fixture
async def watch(kafka_settings: KafkaSettings) -> AsyncIterator[Watch]:
    """A running ingest that nobody has spoken to yet. Afterwards it is at rest again."""
    settings = ingest_settings(
        kafka_settings,
        user_events_burst=10**9,
        auth_failures_burst=10**9,
        user_connections=1,  # one that is not given back is missed at once
        trusted_proxies="127.0.0.1",
        cors_origins="https://app.example.com,http://localhost:*",
    )
    complaints = Complaints()
    logging.getLogger().addHandler(complaints)
    try:
        async with running_ingest(settings) as ingest:
            await ingest.until_ready()
            watch = Watch(ingest, complaints)
            yield watch
            await watch.until_everything_is_collected()
    finally:
        logging.getLogger().removeHandler(complaints)
