"""What was acknowledged to phones, counted again in the log."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from deploy.audit.log import LogReader
from schemas.log.events import Connect, Heartbeat, Logout, decode_batch
from schemas.log.settings import KafkaSettings
from schemas.log.topics import check_topics


@dataclass(frozen=True, slots=True)
class Recount:
    """Since the simulation began, by user. Without connects: their frames are acknowledged once the
    token counts, and tried again by ingest."""

    heartbeats_of: Counter[str]
    logouts_of: Counter[str]


class LogWindow:
    """What came to the log from :meth:`open` to :meth:`count`."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._begins: dict[int, int] = {}

    async def open(self) -> None:
        """From here on. Raises as :class:`deploy.audit.log.LogReader`, and ``TopicProblemError``
        where the topic is another one than the settings say."""
        await check_topics(self._settings)
        async with LogReader(self._settings) as log:
            self._begins = await log.ends_at(self._settings.partitions)

    async def count(self, prefix: str) -> Recount:
        """Events of users whose ids begin with ``prefix``."""
        found = Recount(Counter(), Counter())
        async with LogReader(self._settings) as log:
            ends = await log.ends_at(self._settings.partitions)
            for partition, end in ends.items():
                async for records in log.records(partition, self._begins[partition], end):
                    for record in records:
                        _count(record.value, prefix, found)
        return found


def _count(value: bytes, prefix: str, found: Recount) -> None:
    for event in decode_batch(value):
        if isinstance(event, Heartbeat) and not isinstance(event, Connect):
            found.heartbeats_of[event.user] += event.user.startswith(prefix)
        elif isinstance(event, Logout):
            found.logouts_of[event.user] += event.user.startswith(prefix)


def missing(acknowledged: Counter[str], logged: Counter[str]) -> int:
    """How many were acknowledged and are not there, over all users: what one has too many hides
    nothing of another."""
    return sum(max(0, number - logged[user]) for user, number in acknowledged.items())
