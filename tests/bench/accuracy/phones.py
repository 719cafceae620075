"""Somebody who looks at one screen and never leaves: what the log gets of them. PURE."""

from __future__ import annotations

import heapq
import json
import math
from random import Random
from typing import Final, Protocol

from ingest.body.validate import BodyReader
from ingest.socket.actions import Action, Close, Ping, SessionPolicy, Write
from ingest.socket.session import Session
from schemas.log.events import ClientEvent, Heartbeat
from schemas.tokens.identity import Identity
from tests.bench.accuracy.paths import Path, Stream

SCREEN: Final = "Film"
#: The client's full jitter before its first try again (docs/integration.md).
BACKOFF_SECONDS: Final = 1.0
_READER: Final = BodyReader()


class VirtualPhone(Protocol):
    """Asked at ``next_at`` what comes to the log then."""

    @property
    def next_at(self) -> float: ...

    def act(self, now: float) -> list[ClientEvent]: ...


class CallingPhone:
    """The guide's app: a call every ``interval``, none again. The first arrives."""

    def __init__(self, user: str, interval: float, path: Path, random: Random) -> None:
        self._interval, self._path = interval, path
        self._beat = Heartbeat(user=user, token="sid:one", device_info="Flutter App", screen=SCREEN)
        self._is_first = True
        self.next_at = random.uniform(0, interval)

    def act(self, now: float) -> list[ClientEvent]:
        self.next_at = now + self._interval
        arrives = self._path.carries(now) or self._is_first
        self._is_first = False
        return [self._beat] if arrives else []


class SocketPhone:
    """A client that keeps a socket and sends nothing but pongs, at ingest's own session. It comes
    back when it learns that its socket was closed."""

    def __init__(self, user: str, policy: SessionPolicy, path: Path, random: Random) -> None:
        self._identity = Identity(user, "sid:one", None, None, frozenset(), None)
        self._policy, self._path, self._random = policy, path, random
        self._connections = 0
        self._session: Session | None = None
        self._up = self._down = Stream(path)
        #: What arrives when: at ingest ``connect`` and ``pong``, at the phone ``closed``; with the
        #: connection that it belongs to.
        self._coming: list[tuple[float, str, int]] = [
            (random.uniform(0, policy.ping_interval_seconds), "connect", 0)
        ]

    @property
    def next_at(self) -> float:
        wake = self._session.deadline if self._session and not self._session.closed else math.inf
        return min(wake, self._coming[0][0] if self._coming else math.inf)

    def act(self, now: float) -> list[ClientEvent]:
        events: list[ClientEvent] = []
        while self._coming and self._coming[0][0] <= now:
            _, what, connection = heapq.heappop(self._coming)
            if connection == self._connections:
                self._take(what, now, events)
        if self._session is not None:
            self._do(self._session, self._session.wake(now), now, events)
        return events

    def _take(self, what: str, now: float, events: list[ClientEvent]) -> None:
        if what == "pong" and self._session is not None:
            self._session.ponged(now)
        elif what == "closed":
            again = now + self._random.uniform(0, BACKOFF_SECONDS)
            # The handshake, which is packets as well.
            self._come(Stream(self._path).arrives(again), "connect")
        elif what == "connect":
            self._connect(now, events)

    def _connect(self, now: float, events: list[ClientEvent]) -> None:
        self._connections += 1
        self._up, self._down = Stream(self._path), Stream(self._path)
        name = f"{self._identity.user}/{self._connections}"
        session = Session(
            self._policy, name, now, lambda _user, _now: 0.0, self._random.random, _READER
        )
        self._session = session
        self._do(session, session.admitted(self._identity, math.inf, now), now, events)
        told = json.dumps({"device_id": self._identity.user, "screen": SCREEN})
        self._do(session, session.message(told, now), now, events)

    def _do(
        self, session: Session, actions: list[Action], now: float, events: list[ClientEvent]
    ) -> None:
        for action in actions:
            if isinstance(action, Write) and session.leaves(action):
                events.append(action.event)
                session.written(action)
            elif isinstance(action, Ping):
                self._come(self._up.arrives(self._down.arrives(now)), "pong")
            elif isinstance(action, Close):
                self._come(self._down.arrives(now), "closed")

    def _come(self, at: float, what: str) -> None:
        heapq.heappush(self._coming, (at, what, self._connections))
