"""Phones over HTTP: each beats every so many seconds, whatever becomes of the beat before.

Run as ``python -m tests.bench.million.phones PLAN``, the plan as JSON. Each line on standard input
is a command, and each is answered by a line with what happened since the one before: ``ask``;
``leave N``: the last N users log out and never come back; ``stop``: no more beats. One process and
one epoll, as lean as can be, because it shares the machine with what is measured: a beat's bytes
are made when it is due, token included (an HMAC).

A beat waits from the instant at which it was due: what this process, its connections or the service
are late by is in the time until its answer.

Standard library alone, and Python 3.9: PyPy may run it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import select
import socket
import sys
import time
from base64 import urlsafe_b64encode
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import NamedTuple

BODY = b'{"app_version": "1.4.2", "device_info": "Pixel 8 / Android 15", "screen": "%s"}'
STDIN = 0
POLL_SECONDS = 0.005
#: Each has its own ephemeral ports.
SOURCES = [f"127.0.1.{n}" for n in range(1, 201)]


@dataclass(frozen=True)
class Plan:
    """``connections`` are kept alive, or (``keep`` is false) at most so many at a time. Everybody
    comes within ``arrival_seconds``."""

    port: int
    secret: str
    tokens_expire_at: int
    first: int
    users: int
    seconds_between: float
    connections: int
    arrival_seconds: float
    keep: bool


@dataclass
class Tally:
    """Of one look to the next, but for ``online``."""

    due: int = 0
    answered: int = 0
    #: Another answer than 200, or none.
    failed: int = 0
    left: int = 0
    online: int = 0
    in_flight: int = 0
    #: Answered beats by the milliseconds that they took.
    waits_ms: Counter[int] = field(default_factory=Counter)


class Beat(NamedTuple):
    due: float
    user: int
    logout: bool = False


class Line:
    """A connection, or the place of one."""

    __slots__ = ("beat", "received", "request", "sock")

    def __init__(self) -> None:
        self.sock: socket.socket | None = None
        self.beat: Beat | None = None
        self.request = b""
        self.received = b""


def part(value: bytes) -> bytes:
    return urlsafe_b64encode(value).rstrip(b"=")


class Phones:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._tally = Tally()
        self._known = bytearray(plan.users)
        #: The request that a user repeats, half a kilobyte each.
        self._again = [b""] * plan.users
        self._staying = plan.users
        self._online = 0
        self._lines = plan.connections
        self._idle = [Line() for _ in range(plan.connections)]
        self._of: dict[int, Line] = {}
        self._waiting: deque[Beat] = deque()
        self._epoll = select.epoll()
        self._opened = 0
        self._sent = 0
        self._begun = time.monotonic()
        self._spacing = plan.seconds_between / plan.users
        self._beating = True
        head = part(b'{"alg":"HS256","typ":"JWT"}')
        close = b"" if plan.keep else b"connection: close\r\n"
        self._token_head = head + b"."
        self._key = plan.secret.encode()
        # To be filled in: path, token, length, body.
        self._request = (
            b"POST /api/%s HTTP/1.1\r\nuser-agent: Dart/3.5 (dart:io)\r\naccept-encoding: gzip\r\n"
            b"authorization: Bearer %s\r\ncontent-length: %d\r\n"
            b"content-type: application/json; charset=utf-8\r\n"
            + close
            + b"host: 127.0.0.1:%d\r\n\r\n" % plan.port
            + b"%s"
        )

    def token(self, user: int) -> bytes:
        """As JWT libraries make it; always the same."""
        claims = b'{"sub":"user-%06d","exp":%d}' % (
            self._plan.first + user,
            self._plan.tokens_expire_at,
        )
        signed = self._token_head + part(claims)
        return signed + b"." + part(hmac.digest(self._key, signed, hashlib.sha256))

    def request(self, beat: Beat) -> bytes:
        if beat.logout:
            return self._request % (b"logout-status", self.token(beat.user), 0, b"")
        # The first one names the screen, the others are the guide's timer: a phone has them ready.
        again = self._again[beat.user]
        if again:
            return again
        body = BODY % (b"Unknown" if self._known[beat.user] else b"Home")
        request = self._request % (b"update-online-status", self.token(beat.user), len(body), body)
        if self._known[beat.user]:
            self._again[beat.user] = request
        return request

    def run(self) -> None:
        """Until standard input ends."""
        self._epoll.register(STDIN, select.EPOLLIN)
        commands = b""
        while True:
            if self._beating:
                self._begin_due()
            for fd, what in self._epoll.poll(POLL_SECONDS):
                if fd != STDIN:
                    self._go_on(self._of[fd], what)
                    continue
                read = os.read(STDIN, 4096)
                if not read:
                    return
                *lines, commands = (commands + read).split(b"\n")
                for line in lines:
                    self._obey(line.decode())

    def _obey(self, command: str) -> None:
        word, _, number = command.partition(" ")
        if word == "stop":
            self._beating = False
            self._waiting.clear()
        elif word == "leave":
            now = time.monotonic()
            for _ in range(min(int(number), self._staying)):
                self._staying -= 1
                self._begin(Beat(now, self._staying, logout=True))
        self._tally.online = self._online
        self._tally.in_flight = self._lines - len(self._idle) + len(self._waiting)
        sys.stdout.write(json.dumps(vars(self._tally)) + "\n")
        sys.stdout.flush()
        self._tally = Tally()

    def _begin_due(self) -> None:
        now = time.monotonic()
        while (due := self._begun + self._sent * self._spacing) <= now:
            rounds, user = divmod(self._sent, self._plan.users)
            self._sent += 1
            if user < self._staying and self._has_come(user, rounds):
                self._tally.due += 1
                self._begin(Beat(due, user))

    def _has_come(self, user: int, rounds: int) -> bool:
        """Each round has its share of those who are new, spread over it."""
        rank = user * 7_919 % self._plan.users / self._plan.users
        return (rounds + 1) * self._plan.seconds_between > rank * self._plan.arrival_seconds

    def _begin(self, beat: Beat) -> None:
        if self._idle:
            self._send(self._idle.pop(), beat)
        elif beat.logout:  # what is asked for now is not to wait behind what is late
            self._waiting.appendleft(beat)
        elif len(self._waiting) < self._plan.users:
            self._waiting.append(beat)
        else:
            self._tally.failed += 1

    def _send(self, line: Line, beat: Beat) -> None:
        line.beat, line.received, line.request = beat, b"", self.request(beat)
        if line.sock is None:
            line.sock = socket.socket(type=socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            line.sock.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
            line.sock.bind((SOURCES[self._opened % len(SOURCES)], 0))
            self._opened += 1
            line.sock.connect_ex(("127.0.0.1", self._plan.port))
            self._of[line.sock.fileno()] = line
            # Within a machine it is connected by now, unless too many wait to be let in.
            try:
                line.sock.send(line.request)
                wait_for = select.EPOLLIN
            except OSError:
                wait_for = select.EPOLLOUT
            self._epoll.register(line.sock, wait_for)
        else:
            self._write(line)

    def _write(self, line: Line) -> None:
        assert line.sock is not None
        try:
            line.sock.send(line.request)
        except OSError:
            self._over(line, answered=False)

    def _go_on(self, line: Line, what: int) -> None:
        assert line.sock is not None
        if what == select.EPOLLOUT:  # it is connected
            self._epoll.modify(line.sock, select.EPOLLIN)
            self._write(line)
            return
        try:
            data = line.sock.recv(65_536)
        except OSError:
            data = b""
        line.received += data
        if line.beat is None:  # the service ended a connection that nobody uses
            self._close(line)
        elif b'{"success": true}' in line.received:
            self._over(line, answered=line.received.startswith(b"HTTP/1.1 200"))
        elif not data or not line.received.startswith(b"HTTP/1.1 200"[: len(line.received)]):
            self._over(line, answered=False)

    def _over(self, line: Line, *, answered: bool) -> None:
        beat, line.beat = line.beat, None
        assert beat is not None
        if not (answered and self._plan.keep):
            self._close(line)
        if not answered:
            self._tally.failed += 1
        elif beat.logout:
            self._tally.left += 1
            self._online -= self._known[beat.user]
        else:
            self._tally.answered += 1
            self._tally.waits_ms[int(1000 * (time.monotonic() - beat.due))] += 1
            # A beat that was under way when its user logged out does not bring them back.
            if beat.user < self._staying and not self._known[beat.user]:
                self._known[beat.user] = 1
                self._online += 1
        if self._waiting:
            self._send(line, self._waiting.popleft())
        else:
            self._idle.append(line)

    def _close(self, line: Line) -> None:
        assert line.sock is not None
        del self._of[line.sock.fileno()]
        line.sock.close()
        line.sock = None


if __name__ == "__main__":
    Phones(Plan(**json.loads(sys.argv[1]))).run()
