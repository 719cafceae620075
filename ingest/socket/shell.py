"""The shell of one socket: what its :class:`ingest.socket.session.Session` asks for is done here.

What Kafka has acknowledged is told to all sockets of a record together. A client that leaves too
much unread is a slow reader (4408).

Events are handed over before anything is waited for, so that they are in the log in the order in
which the session decided them, and its disconnect is the last.
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
from collections.abc import Callable, Sequence

from aiohttp import WebSocketError, WSMsgType
from aiohttp.http import WebSocketWriter

from ingest.http.errors import problem_of
from ingest.log.group import Acknowledgement
from ingest.log.not_taken import NotTakenError
from ingest.socket import wire
from ingest.socket.actions import (
    BINARY,
    LOST_OR_SLOW,
    NORMAL,
    Action,
    Close,
    Ping,
    Pong,
    Send,
    Verify,
    Write,
)
from ingest.socket.admission import admitted, verified
from ingest.socket.collaborators import SocketCollaborators
from ingest.socket.connection import SocketConnection
from ingest.socket.outgoing import UNREAD_BYTES
from ingest.socket.reader import Read
from ingest.socket.session import Session
from schemas.http.problems import ProblemError
from schemas.log.events import Logout, encode_event
from schemas.service.logging import REQUEST_ID_IN_LOG
from schemas.tokens.identity import Identity

logger = logging.getLogger(__name__)


class Socket(SocketConnection):
    """One socket, from its welcome to its end. It holds until :meth:`admit` is done."""

    __slots__ = (
        "_ended",
        "_probe",
        "_request_id",
        "_shared",
        "client",
        "counted_user",
        "session",
    )

    def __init__(
        self,
        shared: SocketCollaborators,
        client: str,
        request_id: str,
        writer: WebSocketWriter | None,
    ) -> None:
        """``client`` is its address, ``writer`` compresses what is sent, if that was agreed."""
        super().__init__(shared.readers, shared.sweep, shared.policy.messages_per_second, writer)
        self._shared = shared
        self._request_id = request_id
        #: Resolved by whatever comes next: a sign that the client is there.
        self._probe: asyncio.Future[bool] | None = None
        self._ended: asyncio.Future[None] | None = None
        self.client = client
        self.counted_user: str | None = None
        self.session = Session(
            shared.policy,
            secrets.token_urlsafe(12),
            self._loop.time(),
            shared.take,
            random.random,
            shared.reader,
            shared.ping_interval,
        )

    # -- what others ask for

    async def admit(self, identity: Identity | None) -> None:
        """Begin, with whom the handshake named."""
        try:
            if identity is not None:
                self.do(await admitted(self._shared, self, identity))
            self._file()
        except BaseException:
            self.force_close()
            raise
        finally:
            self._release()

    async def end(self, by: Callable[[], list[Action]]) -> None:
        """Do what ``by`` asks for, which ends the socket; returns when it has."""
        self.do(by())
        self._read()
        if self._is_over():
            return
        if self._ended is None:
            self._ended = self._loop.create_future()
        await asyncio.shield(self._ended)

    @property
    def probed(self) -> bool:
        """Whether somebody waits for a sign of it."""
        return self._probe is not None

    async def answers(self, within_seconds: float) -> bool:
        """Whether the client answers a ping in time."""
        self._probe = self._loop.create_future()
        try:
            if self._writable() and not self._unread():
                self._write(wire.PING)
            async with asyncio.timeout(within_seconds):
                return await self._probe
        except TimeoutError:
            return False
        finally:
            self._probe = None

    def settled(self, write: Write, acknowledged: bool) -> None:
        """Whether Kafka has the event."""
        session = self.session
        if acknowledged:
            self.do(session.written(write))
        else:
            self.do(session.not_written(write, self._loop.time()))
            self._file()
        self._release()

    # -- what the connection does

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._shared.open[self.session.connection] = self
        self._shared.metrics.sockets_open.inc()

    @property
    def _deadline(self) -> float:
        return self.session.deadline

    def _woken(self, now: float) -> None:
        idle = self.session.idle(now)
        if idle is None:
            self.do(self.session.wake(now))
            return
        if idle.renewal is not None:
            self._shared.renewals.add(idle.renewal)
        if idle.ping:
            self._ping()

    def _ping(self) -> None:
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        if transport.get_write_buffer_size() > UNREAD_BYTES:
            self.do(self.session.close(LOST_OR_SLOW, "slow reader"))
        else:
            transport.write(wire.PING)

    def _ponged(self, now: float) -> bool:
        if not self.session.answered(now):
            return False
        if self.session.answers_bring_forward:
            self._file()
        if self._probe is not None:
            self._end_probe(there=True)
        return True

    def _cut(self) -> None:
        self.do(self.session.cut(self._loop.time()))

    def _message(self, message: Read, now: float) -> None:
        session = self.session
        if isinstance(message, BaseException):
            self._fail(message)
            return
        kind = message.type
        self._end_probe(there=kind is not WSMsgType.CLOSE)
        if kind is WSMsgType.TEXT:
            self.do(session.message(message.data, now))
        elif kind is WSMsgType.PING:
            self.do(session.pinged(bytes(message.data), now))
        elif kind is WSMsgType.PONG:
            session.ponged(now)
        elif kind is WSMsgType.BINARY:
            self.do(session.close(BINARY, "frames are JSON text"))
        else:
            self._closed_by_client()

    def _closed_by_client(self) -> None:
        self._write_last(wire.close_frame())
        self.do(self.session.gone())

    def _fail(self, failure: BaseException) -> None:
        """Not UTF-8 (1007), too long (1009), no WebSocket (1002), or cannot be inflated."""
        if isinstance(failure, WebSocketError):
            self._write_last(wire.close_frame(failure.code))
            self.do(self.session.close(failure.code, "protocol error"))
        else:
            self._write_last(wire.close_frame())
            self.do(self.session.cut(self._loop.time()))
        if self.transport is not None:
            self.transport.abort()

    def _end_probe(self, *, there: bool) -> None:
        if self._probe is not None and not self._probe.done():
            self._probe.set_result(there)

    # -- what the session asks for

    def do(self, actions: Sequence[Action]) -> None:
        """Do what the session asks for, and what follows from it. Of an array of frames the events
        wait for Kafka together."""
        while actions:
            refused = self._hand_over_all(actions)
            follow: list[Action] = []
            for action in actions:
                match action:
                    case Send():
                        follow += self._send(action)
                    case Pong(payload):
                        follow += self._control(wire.pong_frame(payload))
                    case Ping():
                        follow += self._control(wire.PING)
                    case Verify(token):
                        self._holds += 1
                        self._shared.start(self._verify(token))
                    case Close(code, reason):
                        self._close(code, reason)
            for write, problem in refused:
                follow += self.session.not_written(write, self._loop.time(), problem)
            actions = follow

    def _hand_over_all(self, actions: Sequence[Action]) -> list[tuple[Write, ProblemError | None]]:
        """What is not taken, and why. For the rest the socket holds until it is settled."""
        refused: list[tuple[Write, ProblemError | None]] = []
        for action in actions:
            if type(action) is not Write:
                continue
            outcome = self._hand_over(action)
            if isinstance(outcome, Acknowledgement):
                self._holds += 1
                if outcome.done():  # that of a logout which this one repeats
                    self._loop.call_soon(settle, [(self, action)], outcome.result())
                else:
                    outcome.owe(settle, (self, action))
            else:
                refused.append((action, None if outcome is None else problem_of(outcome)))
        return refused

    async def _verify(self, token: str) -> None:
        REQUEST_ID_IN_LOG.set(self._request_id)
        try:
            self.do(await verified(self._shared, self, token))
            self._file()
        except Exception:
            logger.exception("A socket's token could not be verified")
            self.force_close()
        self._release()

    def _hand_over(self, write: Write) -> Acknowledgement | NotTakenError | None:
        if not self.session.leaves(write):
            return None
        event = write.event
        self._shared.renewals.leave()
        try:
            if self._shared.opt_outs.covers(event.user):
                return None  # its disconnect, too
            if isinstance(event, Logout):
                return self._shared.logouts.publish(event)
            return self._shared.publisher.publish(event.user, encode_event(event))
        except NotTakenError as refusal:
            return refusal

    # -- what is written

    def _send(self, send: Send) -> list[Action]:
        if send.error is not None:
            self._shared.metrics.frame_errors[send.error].inc()
        if self._writable() and not self._unread():
            self._write_text(send.text.encode())
        return self._close_if_unread()

    def _control(self, frame: bytes) -> list[Action]:
        """A ping or a pong."""
        if self._writable() and not self._unread():
            self._write(frame)
        return self._close_if_unread()

    def _close_if_unread(self) -> list[Action]:
        if self._writable() and self._unread():
            return self.session.close(LOST_OR_SLOW, "slow reader")
        return []

    # -- the end

    def _end_if_over(self) -> None:
        """Once: what its end means to others."""
        shared, session = self._shared, self.session
        if not self._is_over() or shared.open.pop(session.connection, None) is None:
            return
        self._sweep.drop(self)
        shared.metrics.sockets_open.dec()
        if session.lost_after_seconds is not None and session.user is not None:
            shared.ping_intervals.lost_silently(session.user, session.lost_after_seconds)
        shared.metrics.socket_closes[session.close_code or NORMAL].inc()
        self._end_probe(there=False)
        shared.places.free(self)
        if self._ended is not None:
            self._ended.set_result(None)


def settle(owed: list[tuple[Socket, Write]], acknowledged: bool) -> None:
    """Tell the sockets of one record what became of it."""
    if acknowledged:
        shared = owed[0][0]._shared
        shared.metrics.count_socket_events([write for _, write in owed], shared.clock())
    for socket, write in owed:
        try:
            socket.settled(write, acknowledged)
        except Exception:  # the others of the record wait too
            logger.exception("A socket could not be told of its event")
            socket.force_close()
