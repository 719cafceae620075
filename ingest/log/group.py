"""Events that will be one record, and the one answer that all of them wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any


class Acknowledgement(asyncio.Future[bool]):
    """One future for all calls of a group. A call that is cancelled must not cancel it for the
    others; being resolved in bounded time it delays that call only a little.

    What is owed by :meth:`owe` waits for no future: its ``settle`` is told of all at once.
    """

    def __init__(self) -> None:
        super().__init__()
        self._owed: dict[Callable[[list[Any], bool], None], list[Any]] = {}

    def owe(self, settle: Callable[[list[Any], bool], None], call: Any) -> None:
        """Have ``settle`` called with all its calls, and whether they are in the log."""
        owed = self._owed.get(settle)
        if owed is None:
            self._owed[settle] = [call]
        else:
            owed.append(call)

    def cancel(self, msg: Any | None = None) -> bool:
        return False

    def resolve(self, acknowledged: bool) -> None:
        self.set_result(acknowledged)
        owed, self._owed = self._owed, {}
        for settle, calls in owed.items():
            settle(calls, acknowledged)


class Group:
    """Events that will be one record."""

    __slots__ = ("acknowledged", "bytes", "deadline", "events", "joins", "opened_at", "urgent")

    def __init__(self, opened_at: float, deadline: float) -> None:
        self.acknowledged = Acknowledgement()
        self.events: list[bytes] = []
        self.bytes = 0
        self.urgent = False
        #: It goes with another lane's.
        self.joins = False
        self.opened_at = opened_at
        self.deadline = deadline
