"""A straight lane through aiohttp's own connection, for calls whose answers are known bytes.

1. aiohttp's C parser reads every byte, as ever. A request that is all there and looks as usual
   (:func:`is_usual`), on a connection where nothing else is asked, is offered to the *lane* of its
   path. The lane may take it: then it owes one :meth:`LaneConnection.answer`. There is no task, no
   ``Request``, no ``Response`` and no future for it. Where its head is known the parser is spared
   it (``schemas.http.known_heads``: 0.6 of a call that is kept alive).
2. Whatever the lane does not take goes to the ordinary handlers, untouched.
3. What arrives while the lane owes an answer (pipelining) waits, and goes to the ordinary handlers
   afterwards: answers keep the order of requests.
4. aiohttp's task of a connection is made when an ordinary request needs it, so one that carries
   straight calls only, or nothing, has none.

What this uses of aiohttp beside its public names is listed in :data:`PRIVATE`, and the functions
that are replaced here in :data:`REPLACED`: a test holds both against the version that is installed
(ADR 7).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol, TypeAlias, cast

from aiohttp import HttpVersion11, hdrs
from aiohttp.http import HttpProcessingError, RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web_protocol import RequestHandler, _ErrInfo
from multidict import istr

from schemas.http.known_heads import KnownHeads, UsualCall, ends_so
from schemas.http.responses import REQUEST_ID

#: Members of aiohttp's connection that are used or kept up to date here.
PRIVATE: Final = (
    "_buffer_paused",
    "_close",
    "_force_close",
    "_handler_waiter",
    "_keepalive",
    "_keepalive_handle",
    "_keepalive_timeout",
    "_loop",
    "_manager",
    "_max_msg_queue_size",
    "_message_tail",
    "_messages",
    "_parser",
    "_paused",
    "_payload_parser",
    "_next_keepalive_close_time",
    "_reading_paused",
    "_request_count",
    "_request_in_progress",
    "_task_handler",
    "_upgraded",
    "_waiter",
)
#: Of its stream of a body.
PRIVATE_OF_STREAM: Final = ("_buffer",)
#: Functions of aiohttp's connection that are done here in their place, by the SHA-256 of the source
#: that was read for it.
REPLACED: Final = {
    "connection_made": "44d50b5763b2c7e481c84b4abda1d4003325bd30938e68147644b9b02549e334",
    "data_received": "1ee57ebe052e6c80ced26c96e4ccb1223172e1d55afba460353c5e414914d3f6",
}
_REQUEST_ID: Final = istr(REQUEST_ID)


class Asked(Protocol):
    """A connection on which a lane was offered a call."""

    #: It showed a token that counts.
    proven: bool

    @property
    def last_answer(self) -> bool:
        """The next answer is to be the connection's last one."""

    def enter_lane(self) -> None:
        """The lane has taken the request that it was offered."""

    def answer(self, data: bytes, *, closing: bool) -> None:
        """Write the answer to the request that the lane took."""

    def force_close(self) -> None: ...


class LaneConnection(RequestHandler):
    """A connection with a straight lane."""

    __slots__ = ("_at_start", "_in_lane", "_known", "_lanes", "proven")

    def __init__(self, server: Any, lanes: Lanes, known: KnownHeads, **options: Any) -> None:
        super().__init__(server, **options)
        self._lanes = lanes
        self._known = known
        self._in_lane = False
        #: The parser is at the beginning of a message; once that is in doubt it stays so.
        self._at_start = True
        #: It showed a token that counts.
        self.proven = False

    @property
    def is_resting(self) -> bool:
        """Nothing is asked on it that has no answer yet."""
        if self._messages or self._in_lane:
            return False
        waiter = self._waiter
        if waiter is None:
            return self._task_handler is None
        return not waiter.done()

    @property
    def last_answer(self) -> bool:
        """The next answer is to be the connection's last one."""
        return False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """aiohttp's, less its task, less its ``TCP_NODELAY``: asyncio and uvloop have set that
        already, and doing it again costs a tenth of a call with its own connection; and less its
        timer of an idle connection, which begins with the first answer: until then it is the head
        of a request that is late."""
        self.transport = cast(asyncio.Transport, transport)
        manager = self._manager
        assert manager is not None  # noqa: S101 - until the connection is lost
        manager.connection_made(self, self.transport)

    def data_received(self, data: bytes) -> None:
        if self._upgraded or self._payload_parser is not None:
            super().data_received(data)  # frames of a socket
            return
        if self._force_close or self._close:
            return
        at_start, self._at_start = self._at_start, False
        offered: UsualCall | None = None
        if at_start and self._lanes and self._may_go_straight:
            offered = self._known.call(data)
            if offered is not None and self._lanes[offered.path](self, offered):
                self._at_start = True
                self._request_count += 1
                return
        messages: Sequence[tuple[RawRequestMessage | _ErrInfo, StreamReader]]
        try:
            messages, upgraded, tail = self._parser.feed_data(data)  # type: ignore[union-attr]
        except HttpProcessingError as error:
            refused = _ErrInfo(status=400, exc=error, message=error.message)
            messages, upgraded, tail = [(refused, EMPTY_PAYLOAD)], False, b""
        if messages:
            self._request_count += len(messages)
            if len(messages) == 1 and type(messages[0][0]) is not _ErrInfo:
                message, payload = messages[0]
                if at_start and payload.is_eof():
                    self._at_start = ends_so(data, payload.total_bytes)
                if offered is None and self._goes_straight(
                    cast(RawRequestMessage, message), payload, data
                ):
                    return
            self._messages.extend(messages)
            if not self._in_lane:
                self._go_on()
            if not self._buffer_paused and len(self._messages) >= self._max_msg_queue_size:
                self._pause_reading_for_buffer()
        self._upgraded = upgraded
        if upgraded and tail:
            self._message_tail = tail

    def enter_lane(self) -> None:
        """The lane has taken the request that it was offered."""
        self._in_lane = True
        self._request_in_progress = True  # a shutdown waits for the answer
        manager = self._manager
        if manager is not None:
            manager.requests_count += 1

    def answer(self, data: bytes, *, closing: bool) -> None:
        """Write the answer to the request that the lane took."""
        self._in_lane = False
        self._request_in_progress = False
        stopping = self._handler_waiter
        if stopping is not None and not stopping.done():
            stopping.set_result(None)
        transport = self.transport
        if transport is None or transport.is_closing():
            return  # the client left
        transport.write(data)
        if closing or self._close or self._force_close:
            self._keepalive = False
            self._close = True
            transport.close()
            return
        self._keep_until(self._loop.time() + self._keepalive_timeout)
        if self._messages:
            self._go_on()

    @property
    def _may_go_straight(self) -> bool:
        """Nothing else is asked, and no answer is left unread, nor is a body larger than any that
        is usual."""
        return self.is_resting and not self._paused and not self._reading_paused

    def _goes_straight(
        self, request: RawRequestMessage, payload: StreamReader, data: bytes
    ) -> bool:
        """``data`` ends what the request was made of."""
        if not self._may_go_straight:
            return False
        lane = self._lanes.get(request.path)
        if lane is None or not is_usual(request, payload):
            return False
        headers = request.headers
        call = UsualCall(
            request.path,
            headers.get(hdrs.AUTHORIZATION),
            headers.get(hdrs.CONTENT_TYPE),
            headers.get(_REQUEST_ID),
            request.should_close,
            whole_body(payload),
        )
        if not lane(self, call):
            return False
        if self._parser is not None:
            self._parser.message_consumed()
        if self._at_start:
            self._known.learn(data, call)
        return True

    def _go_on(self) -> None:
        """aiohttp's task handles what waits."""
        waiter = self._waiter
        if waiter is not None:
            if not waiter.done():
                waiter.set_result(None)
        elif self._task_handler is None:
            self._task_handler = self._loop.create_task(self.start())

    def _keep_until(self, close_time: float) -> None:
        self._next_keepalive_close_time = close_time
        if self._keepalive_handle is None:
            self._keepalive_handle = self._loop.call_at(close_time, self._process_keepalive)

    def _process_keepalive(self) -> None:
        super()._process_keepalive()  # which looks for a task that waits
        late = self._keepalive_handle is None and self._keepalive
        if late and self._task_handler is None and self.is_resting:
            self.force_close()


#: What may take a usual request: true, and then it owes an answer, or false and nothing was done.
Lane: TypeAlias = Callable[[Asked, UsualCall], bool]
#: By path, for ``POST``.
Lanes: TypeAlias = Mapping[str, Lane]


def is_usual(message: RawRequestMessage, payload: StreamReader) -> bool:
    """A ``POST`` of HTTP/1.1 that is all there, whose body is as it looks, and whose answer depends
    on nothing else: not on a page's origin."""
    if message.method != hdrs.METH_POST or message.version != HttpVersion11:
        return False
    if message.chunked or message.upgrade or message.compression or not payload.is_eof():
        return False
    if payload.exception() is not None:
        return False
    headers = message.headers
    return not (
        hdrs.ORIGIN in headers
        or hdrs.CONTENT_ENCODING in headers
        or hdrs.EXPECT in headers
        or hdrs.TRANSFER_ENCODING in headers
    )


def whole_body(payload: StreamReader) -> bytes:
    """The body of a usual request. To read it would ask the parser for more, before this request
    has its answer, and cost as much as all the rest of a call."""
    return b"".join(payload._buffer) if payload.total_bytes else b""
