"""Topics that were made a moment ago, at brokers of which one has not heard of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import UnknownTopicOrPartitionError

from schemas.log import topics
from schemas.log.settings import KafkaSettings

UNKNOWN = UnknownTopicOrPartitionError.errno


class Admin:
    """Asks a broker that knows the topics and one that does not, in turn, ``behind`` times."""

    def __init__(self, settings: KafkaSettings, behind: int) -> None:
        self._specs = {spec.name: spec for spec in topics.topic_specs(settings)}
        self._partitions = [{"replicas": [1, 2, 3]}] * settings.partitions
        self._asked, self._behind = 0, behind
        self._made: list[str] = []

    def _knows(self) -> bool:
        self._asked += 1
        return self._asked % 2 == 0 or self._asked > self._behind

    async def list_topics(self) -> list[str]:
        return self._made

    async def create_topics(self, new: list[Any]) -> SimpleNamespace:
        self._made += [one.name for one in new]
        return SimpleNamespace(topic_errors=[(one.name, 0, None) for one in new])

    async def describe_topics(self, names: list[str]) -> list[dict[str, Any]]:
        if self._knows():
            return [{"topic": n, "error_code": 0, "partitions": self._partitions} for n in names]
        return [{"topic": n, "error_code": UNKNOWN, "partitions": []} for n in names]

    async def describe_configs(self, asked: list[Any]) -> list[SimpleNamespace]:
        [one] = asked
        if not self._knows():
            return [SimpleNamespace(resources=[(UNKNOWN, "unknown", 2, one.name, [])])]
        entries = list(self._specs[one.name].settings.items())
        return [SimpleNamespace(resources=[(0, None, 2, one.name, entries)])]


@pytest.mark.parametrize("behind", [1, 2, 9])
async def test_a_broker_that_has_not_heard_of_them_is_waited_for(
    behind: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = KafkaSettings(kafka_bootstrap="k:1", partitions=2, replication_factor=3)

    @asynccontextmanager
    async def admin(_: KafkaSettings) -> AsyncIterator[Admin]:
        yield Admin(settings, behind)

    monkeypatch.setattr(topics, "kafka_admin", admin)
    assert set(await topics.create_topics(settings)) == {
        spec.name for spec in topics.topic_specs(settings)
    }
