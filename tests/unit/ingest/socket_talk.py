"""A socket's session told as a story: what the client and the log do at which second, and what
comes of it. Virtual time; nothing of aiohttp or Kafka."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

from ingest.body.validate import BodyReader
from ingest.socket.actions import Action, Close, Ping, Pong, Send, SessionPolicy, Verify, Write
from ingest.socket.session import Session
from schemas.http.problems import ProblemError
from schemas.log.events import ClientEvent
from schemas.tokens.identity import Identity

POLICY = SessionPolicy(heartbeat_interval_seconds=90, offline_after_seconds=300)
E = TypeVar("E", bound=ClientEvent)


def identity(user: str = "ann", token: str = "t1", device: str | None = None) -> Identity:
    return Identity(user, token, None, device, frozenset(), None)


class Talk:
    """One socket. ``known`` are the tokens that are valid, by their text; any other is refused
    with ``problem``. ``kafka`` is whether events can be written."""

    def __init__(
        self,
        *,
        fraction: float = 0.5,
        policy: SessionPolicy = POLICY,
        ping_interval: Callable[[str], float] | None = None,
        connection: str = "c1",
    ) -> None:
        self.now = 1000.0
        self.kafka = True
        self.known: dict[str, Identity] = {"token": identity()}
        self.valid_for: dict[str, float] = {}
        self.problem = ProblemError("token_expired", "The token has expired.")
        self.wait_seconds = 0.0
        self.sent: list[dict[str, Any]] = []
        self.events: list[ClientEvent] = []
        self.lost: list[ClientEvent] = []
        self.pings: list[float] = []
        self.pongs: list[bytes] = []
        self.closed: tuple[int, str] | None = None
        self.session = Session(
            policy,
            connection,
            self.now,
            lambda _user, _now: self.wait_seconds,
            lambda: fraction,
            BodyReader(),
            ping_interval,
        )
        self.wake = self.session.wake

    # -- what happens

    def header(self, token: str = "token") -> Talk:
        """The handshake carried this token."""
        return self._do(self.session.admitted(self.known[token], self._until(token), self.now))

    def says(self, *messages: Any) -> Talk:
        """The client sends messages, as JSON unless they are text already."""
        for message in messages:
            text = message if isinstance(message, str) else json.dumps(message)
            self._do(self.session.message(text, self.now))
        return self

    def auth(self, token: str = "token", **fields: Any) -> Talk:
        return self.says({"type": "auth", "token": token, **fields})

    def wait(self, seconds: float, *, answers: bool = True) -> Talk:
        """Time passes; the client answers pings or not."""
        end = self.now + seconds
        woken = 0
        while self.closed is None and self.session.deadline <= end:
            assert self.session.deadline >= self.now, (
                "a deadline that lies back is never waited for"
            )
            self.now = self.session.deadline
            woken += 1
            assert woken < 10_000, "it wants to be woken for ever"
            pings = len(self.pings)
            self._do(self.wake(self.now))
            if answers and len(self.pings) > pings:
                self.session.ponged(self.now)
        self.now = end
        return self

    def goes(self) -> Talk:
        return self._do(self.session.gone())

    def do(self, actions: list[Action]) -> Talk:
        return self._do(actions)

    # -- what came of it

    def event(self, kind: type[E]) -> E:
        """The last event, which is of this kind."""
        last = self.events[-1]
        assert type(last) is kind, self.events
        return last

    def kinds(self) -> list[str]:
        return [type(event).__name__.lower() for event in self.events]

    def answers(self) -> list[tuple[Any, ...]]:
        """Type, id and code (or warning) of all frames since the welcome."""
        return [
            (frame["type"], frame.get("id"), frame.get("code") or frame.get("warning"))
            for frame in self.sent
            if frame["type"] != "welcome"
        ]

    def _until(self, token: str) -> float:
        return self.now + self.valid_for.get(token, float("inf"))

    def _do(self, actions: list[Action]) -> Talk:
        """As the shell does: events are handed over together, and answered after the rest."""
        handed_over: list[Write] = []
        for action in actions:
            match action:
                case Write():
                    if self.session.leaves(action):
                        handed_over.append(action)
                case Send(text):
                    assert self.closed is None, "nothing is sent after a close"
                    self.sent.append(json.loads(text))
                case Pong(payload):
                    self.pongs.append(payload)
                case Ping():
                    self.pings.append(self.now)
                case Verify(token):
                    self._verify(token)
                case Close(code, reason):
                    assert self.closed is None
                    self.closed = code, reason
        for write in handed_over:
            if self.kafka:
                self.events.append(write.event)
                self._do(self.session.written(write))
            else:
                self.lost.append(write.event)
                self._do(self.session.not_written(write, self.now))
        return self

    def _verify(self, token: str) -> None:
        if token in self.known:
            self._do(self.session.verified(self.known[token], self._until(token), self.now))
        else:
            self._do(self.session.refused(self.problem, self.now))
