"""Whose deadline comes next, among everyone online of a partition. PURE."""

from __future__ import annotations

import heapq
from collections.abc import Iterator

from processor.core.model import User, next_expiry_ms


class Deadlines:
    """A heap of (deadline, user); an entry may be too early, never too late: its user is
    watched again when it comes up, so that a heartbeat costs no heap operation. Of several of
    one user only that with the deadline in ``_watched`` counts."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, str]] = []
        self._watched: dict[str, int] = {}

    def watch(self, user: User) -> None:
        """Whenever the deadline of ``user`` may have become an earlier one."""
        deadline_ms = next_expiry_ms(user)
        if deadline_ms is not None:
            self.watch_at(user.user_id, deadline_ms)

    def watch_at(self, user_id: str, deadline_ms: int) -> None:
        """As :meth:`watch`, for whom the deadline is known."""
        watched_ms = self._watched.get(user_id)
        if watched_ms is None or deadline_ms < watched_ms:
            self._watched[user_id] = deadline_ms
            heapq.heappush(self._heap, (deadline_ms, user_id))

    def reached(self, now_ms: int) -> Iterator[str]:
        """Whose entry came up; to be watched again."""
        while self._heap and self._heap[0][0] <= now_ms:
            deadline_ms, user_id = heapq.heappop(self._heap)
            if self._watched.get(user_id) == deadline_ms:
                del self._watched[user_id]
                yield user_id

    def move_back(self, by_ms: int) -> None:
        """All of them."""
        # The order stays, and a list in the order of a heap is one.
        self._heap = [(deadline_ms - by_ms, user_id) for deadline_ms, user_id in self._heap]
        self._watched = {user_id: at_ms - by_ms for user_id, at_ms in self._watched.items()}
