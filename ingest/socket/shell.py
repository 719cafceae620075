"""The shell of one socket: what its :class:`ingest.socket.session.Session` asks for is done here.

One task a socket reads a message, does what the session makes of it, and reads the next: one
message of a client is in work, the rest waits in the reader's and the kernel's bounded buffers.
What a client does not read is bounded too: above :data:`UNREAD_BYTES` nothing is written to it, no
pong either; that is a slow reader (4408).

Events are handed over before anything is awaited, so that they are in the log in the order in which
the session decided them, and its disconnect is the last.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from aiohttp import WebSocketError, WSMessage, WSMsgType, web

from ingest.garbage_collection import forget_frames
from ingest.http.errors import problem_of
from ingest.log.not_taken import NotTakenError
from ingest.log.publisher import Acknowledgement
from ingest.socket.actions import (
    BINARY,
    LOST_OR_SLOW,
    NORMAL,
    NOT_TRACKED,
    RESTART,
    TOO_MANY,
    Action,
    Close,
    Ping,
    Pong,
    Send,
    Verify,
    Write,
)
from ingest.socket.collaborators import SocketCollaborators
from ingest.socket.pace import Pace
from ingest.socket.session import Session
from schemas.http.problems import ProblemError
from schemas.log.events import Logout, encode_event
from schemas.tokens.identity import Identity

#: Answers are some hundred bytes, so this is a client that has not read for long.
UNREAD_BYTES: Final = 65_536
_SHORTEST_WAIT_SECONDS: Final = 0.001


class Socket:
    """One socket, from its welcome to its end."""

    __slots__ = (
        "_end_it",
        "_ended",
        "_loop",
        "_probe",
        "_receiving",
        "_request",
        "_shared",
        "_transport",
        "_websocket",
        "counted_user",
        "session",
    )

    def __init__(
        self,
        shared: SocketCollaborators,
        websocket: web.WebSocketResponse,
        request: web.Request,
    ) -> None:
        self._shared = shared
        self._websocket = websocket
        self._request = request
        self._transport = request.transport
        self._loop = asyncio.get_running_loop()
        #: Resolved by whatever comes next: a sign that the client is there.
        self._probe: asyncio.Future[bool] | None = None
        #: The wait for the next message, while there is one; to be cut short.
        self._receiving: asyncio.Timeout | None = None
        self._end_it: Callable[[], list[Action]] | None = None
        self._ended: asyncio.Future[None] | None = None
        self.counted_user: str | None = None
        self.session = Session(
            shared.policy,
            secrets.token_urlsafe(12),
            self._loop.time(),
            shared.user_limits.take,
            random.random,
            shared.reader,
            shared.ping_intervals.of,
        )

    async def run(self, identity: Identity | None) -> None:
        """Until the socket is closed."""
        try:
            await self._run(identity)
        finally:
            if self._ended is not None:
                self._ended.set_result(None)
            forget_frames(self._websocket.exception())

    async def _run(self, identity: Identity | None) -> None:
        session, websocket = self.session, self._websocket
        pace = Pace(self._shared.policy.messages_per_second)
        ended = False
        try:
            if identity is not None:
                await self.do(await self._admitted(identity))
            while not websocket.closed:
                message = await self._receive()
                if self._end_it is not None and message is None:
                    await self.do(self._end_it())
                    break
                if message is None:
                    await self.do(session.wake(self._loop.time()))
                    continue
                ended = message.type is WSMsgType.CLOSE
                # However cheap a ping is: thousands a second would cost all others their turn.
                if pause_seconds := pace.wait_seconds(self._loop.time()):
                    await asyncio.sleep(pause_seconds)
                self._end_probe(there=not websocket.closed)
                await self._take(message)
                # A client that never stops sending must not hold up what is due.
                await self.do(session.wake(self._loop.time()))
        finally:
            await self.do(session.gone() if ended else session.cut(self._loop.time()))
            if session.lost_after_seconds is not None and session.user is not None:
                self._shared.ping_intervals.lost_silently(session.user, session.lost_after_seconds)
            self._shared.metrics.socket_closes[session.close_code or NORMAL].inc()
            self._end_probe(there=False)
            self._shared.places.free(self)

    async def end(self, by: Callable[[], list[Action]]) -> None:
        """Do what ``by`` asks for, which ends the socket. For other tasks than the socket's own.

        aiohttp waits for the client's close frame only if nobody waits for a message, so the task
        that waits for messages closes the socket. Else what the client says meanwhile would reset
        the connection, and our close frame might be lost.
        """
        if self._ended is None:
            if self._receiving is None:
                await self.do(by())
                return
            self._end_it, self._ended = by, self._loop.create_future()
            if not self._receiving.expired():
                self._receiving.reschedule(self._loop.time())
        await asyncio.shield(self._ended)

    async def _receive(self) -> WSMessage | None:
        """The next message; ``None`` once something else is to be done."""
        if self._end_it is not None:
            return None
        due_at = max(self.session.deadline, self._loop.time() + _SHORTEST_WAIT_SECONDS)
        try:
            async with asyncio.timeout_at(due_at) as self._receiving:
                return await self._websocket.receive()
        except TimeoutError:
            return None
        finally:
            self._receiving = None

    @property
    def probed(self) -> bool:
        """Whether somebody waits for a sign of it."""
        return self._probe is not None

    async def answers(self, within_seconds: float) -> bool:
        """Whether the client answers a ping in time."""
        self._probe = self._loop.create_future()
        try:
            if self._writable() and not self._unread():
                await self._websocket.ping()
            async with asyncio.timeout(within_seconds):
                return await self._probe
        except (TimeoutError, ConnectionError):
            return False
        finally:
            self._probe = None

    def _end_probe(self, *, there: bool) -> None:
        if self._probe is not None and not self._probe.done():
            self._probe.set_result(there)

    async def do(self, actions: Sequence[Action]) -> None:
        """Do what the session asks for, and what follows from it. Of an array of frames the events
        wait for Kafka together."""
        while actions:
            handed_over = [
                (action, self._hand_over(action)) for action in actions if isinstance(action, Write)
            ]
            follow: list[Action] = []
            for action in actions:
                match action:
                    case Send():
                        follow += await self._send(action)
                    case Pong(payload):
                        follow += await self._control(self._websocket.pong, payload)
                    case Ping():
                        follow += await self._control(self._websocket.ping, b"")
                    case Verify(token):
                        follow += await self._verify(token)
                    case Close(code, reason):
                        await self._close(code, reason)
            for write, acknowledgement in handed_over:
                refused = None
                if isinstance(acknowledgement, NotTakenError):
                    refused = problem_of(acknowledgement)
                if isinstance(acknowledgement, Acknowledgement) and await acknowledgement:
                    self._shared.metrics.count_socket_event(write, self._shared.clock())
                    follow += self.session.written(write)
                else:
                    follow += self.session.not_written(write, self._loop.time(), refused)
            actions = follow

    async def _take(self, message: WSMessage) -> None:
        session = self.session
        if message.type is WSMsgType.TEXT:
            await self.do(session.message(message.data, self._loop.time()))
        elif message.type is WSMsgType.PING:
            await self.do(session.pinged(bytes(message.data), self._loop.time()))
        elif message.type is WSMsgType.PONG:
            session.ponged(self._loop.time())
        elif message.type is WSMsgType.BINARY:
            await self.do(session.close(BINARY, "frames are JSON text"))
        elif message.type is WSMsgType.ERROR and isinstance(message.data, WebSocketError):
            # Not UTF-8 (1007), too long (1009), no WebSocket (1002): the reader has closed.
            await self.do(session.close(message.data.code, "protocol error"))

    async def _admitted(self, identity: Identity) -> list[Action]:
        if closing := self._not_tracked(identity.user):
            return closing
        if not await self._shared.places.take(self, identity.user, identity.device):
            return self.session.close(TOO_MANY, "too many connections")
        return self.session.admitted(identity, self._valid_until(identity), self._loop.time())

    async def _verify(self, token: str) -> list[Action]:
        session, shared = self.session, self._shared
        try:
            identity = await shared.authentication.of_token(token, self._request)
        except ProblemError as problem:
            if problem.code in shared.metrics.token_refusals:
                shared.metrics.token_refusals[problem.code].inc()
            return session.refused(problem, self._loop.time())
        if closing := self._not_tracked(identity.user):
            return closing
        if session.user is None:
            device = session.device_of(identity)
            if not await shared.places.take(self, identity.user, device):
                return session.close(TOO_MANY, "too many connections")
        return session.verified(identity, self._valid_until(identity), self._loop.time())

    def _not_tracked(self, user: str) -> list[Action]:
        """What ends the socket of a user who has opted out; nothing for any other."""
        try:
            if self._shared.opt_outs.covers(user):
                return self.session.close(NOT_TRACKED, "not tracked")
        except NotTakenError:
            # Who has opted out is not known yet: the client comes again.
            return self.session.close(RESTART, "not ready")
        return []

    def _valid_until(self, identity: Identity) -> float:
        if identity.accepted_until is None:
            return float("inf")
        return self._loop.time() + identity.accepted_until - self._shared.clock()

    def _hand_over(self, write: Write) -> Acknowledgement | NotTakenError | None:
        if not self.session.leaves(write):
            return None
        event = write.event
        try:
            if self._shared.opt_outs.covers(event.user):
                return None  # its disconnect, too
            if isinstance(event, Logout):
                return self._shared.logouts.publish(event)
            return self._shared.publisher.publish(event.user, encode_event(event))
        except NotTakenError as refusal:
            return refusal

    async def _send(self, send: Send) -> list[Action]:
        if send.error is not None:
            self._shared.metrics.frame_errors[send.error].inc()
        if self._writable() and not self._unread():
            await self._websocket.send_str(send.text)
        return self._close_if_unread()

    async def _control(
        self, write: Callable[[bytes], Awaitable[None]], payload: bytes
    ) -> list[Action]:
        """A ping or a pong."""
        if self._writable() and not self._unread():
            await write(payload)
        return self._close_if_unread()

    def _close_if_unread(self) -> list[Action]:
        if self._writable() and self._unread():
            return self.session.close(LOST_OR_SLOW, "slow reader")
        return []

    def _writable(self) -> bool:
        transport = self._transport
        return not (self._websocket.closed or transport is None or transport.is_closing())

    def _unread(self) -> bool:
        """Whether the client leaves more unread than any that reads."""
        transport = self._transport
        return transport is not None and transport.get_write_buffer_size() > UNREAD_BYTES

    async def _close(self, code: int, reason: str) -> None:
        # Not drained: that would wait for a slow reader without end.
        await self._websocket.close(code=code, message=reason.encode(), drain=False)
        if self._transport is not None:
            # What a client that is gone or slow did not read is not kept for it.
            self._transport.abort()
