"""Which tasks run in this process."""

from __future__ import annotations

import asyncio
from typing import Any


def our_tasks() -> int:
    """Tasks that run now, those of Kafka's client left out: they come and go as it likes."""
    return sum(not _of_kafkas_client(task) for task in asyncio.all_tasks())


def _of_kafkas_client(task: asyncio.Task[Any]) -> bool:
    code = getattr(task.get_coro(), "cr_code", None)
    return code is not None and "aiokafka" in code.co_filename
