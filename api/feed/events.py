"""What viewers of the feed are sent, each event made once for all of them. PURE.

The policy:

- The state is a handful of *sections*. A ``snapshot`` has all of them and the latest changes; a
  ``delta`` has those that are other than before, each whole, and the changes since.
- An event's id is ``run-number``. A run is what one process tells without interruption; its last
  events are kept. A viewer that comes back with the id of one of them gets those after it, and
  misses nothing; one that comes with another id, or none, gets a snapshot.
- ``trouble`` says that the state cannot be read and why. It is no state: it has no id.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

import msgspec

from api.feed.answers import FeedChanges, FeedTrouble

#: Of deltas, which come once a second: about a minute.
EVENTS_KEPT: Final = 60
CHANGES_KEPT: Final = 50

#: What is told as JSON; nothing here looks into it.
Told: TypeAlias = Any
#: By name, as :class:`FeedSnapshot` has them.
Sections: TypeAlias = Mapping[str, Told]

_UNKNOWN: Final = object()


class EventLog:
    """The events of one run."""

    def __init__(self, run: str) -> None:
        self._run = run
        self._number = 0
        self._sections: dict[str, Any] = {}
        self._changes: deque[Told] = deque(maxlen=CHANGES_KEPT)
        self._kept: deque[tuple[str, bytes]] = deque(maxlen=EVENTS_KEPT)
        self._snapshot: bytes | None = None

    @property
    def is_empty(self) -> bool:
        return self._number == 0

    def advance(self, sections: Sections, changes: Sequence[Told], changed: int) -> bytes:
        """The delta to a new state. ``changes`` are those shown of the ``changed`` there were."""
        news = {
            name: value
            for name, value in sections.items()
            if self._sections.get(name, _UNKNOWN) != value
        }
        self._sections.update(news)
        self._changes.extend(changes)
        self._number += 1
        self._snapshot = None
        delta = _event("delta", {**news, "changes": _told(changes, changed)}, self._id)
        self._kept.append((self._id, delta))
        return delta

    def snapshot(self) -> bytes:
        if self._snapshot is None:
            changes = list(self._changes)
            self._snapshot = _event(
                "snapshot", {**self._sections, "changes": _told(changes, len(changes))}, self._id
            )
        return self._snapshot

    def greeting(self, last_event_id: str | None) -> bytes:
        """What brings a viewer up to date."""
        missed: list[bytes] = []
        for event_id, event in reversed(self._kept):
            if event_id == last_event_id:
                return b"".join(reversed(missed))
            missed.append(event)
        return self.snapshot()

    @property
    def _id(self) -> str:
        return f"{self._run}-{self._number}"


def trouble(detail: str) -> bytes:
    """That there is no new state, and why."""
    return _event("trouble", FeedTrouble(detail), None)


def _told(shown: Sequence[Told], changed: int) -> FeedChanges:
    return FeedChanges(list(shown), changed, len(shown) < changed)


def _event(name: str, data: Mapping[str, Any] | FeedTrouble, event_id: str | None) -> bytes:
    head = f"event: {name}\n" if event_id is None else f"id: {event_id}\nevent: {name}\n"
    # JSON has no line breaks outside of its texts, and none in them that are not escaped.
    return head.encode() + b"data: " + msgspec.json.encode(data) + b"\n\n"
