"""The two kinds of phones: the published sample over HTTP, and a client that keeps a socket.

Each belongs to one task, which lets time pass and does what happens; so nothing of a phone is ever
done at the same time, and a phone has one call under way at most.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final, Protocol

import aiohttp

from deploy.simulate.behaviour import Action, Kind
from deploy.simulate.doors import Doors, json_object, word
from deploy.simulate.people import Phone
from deploy.simulate.wire import LOGOUT_PATH, frame, logout_body, sample_call, state_fields

#: Full jitter: before the n-th try again, up to so many seconds, doubled each time (docs).
FIRST_BACKOFF_SECONDS: Final = 1.0
LONGEST_BACKOFF_SECONDS: Final = 30.0
GOODBYE_SECONDS: Final = 5.0
_TOKEN_REFUSED: Final = (4401, 4402)
#: Opted out, logged out elsewhere: nothing that another try would mend.
_FINAL: Final = (4403, 4409)


class SimulatedPhone(Protocol):
    """A phone that does what happens to it."""

    async def pass_time(self, seconds: float) -> None:
        """Nothing happens for so long, but what the network asks for."""
        ...

    async def do(self, action: Action) -> None:
        """Tell Rollcall about it, as the app would."""
        ...


class SamplePhone:
    """The published sample: a call for each action, and none again."""

    def __init__(self, phone: Phone, doors: Doors) -> None:
        self._phone = phone
        self._doors = doors
        self._network = doors.network(phone)
        self._login = -1
        self._token = ""

    async def pass_time(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def do(self, action: Action) -> None:
        call = sample_call(self._phone, action)
        if call is None:
            return
        if action.login != self._login:
            self._login = action.login
            self._token = self._doors.token(self._phone)
        path, body = call
        if self._network.loses_call(_now()):
            self._doors.tally.lost += 1
            return
        delay_seconds = self._network.latency_seconds()
        held_back = self._network.held_back()
        again_after = self._network.duplicate_after()
        if again_after is not None:
            self._doors.later(again_after, self._call(path, self._token, body))
        if held_back is not None:
            self._doors.later(held_back, self._call(path, self._token, body))
            return
        await asyncio.sleep(delay_seconds)
        await self._call(path, self._token, body)

    async def _call(self, path: str, token: str, body: bytes) -> None:
        tally, user = self._doors.tally, self._phone.user
        if not await self._doors.post(path, token, body):
            return
        if path == LOGOUT_PATH:
            tally.logouts += 1
            tally.logouts_of[user] += 1
        else:
            tally.heartbeats_of[user] += 1


class SocketPhone:
    """A client that keeps a socket while its app runs, as docs/integration.md has it."""

    def __init__(self, phone: Phone, doors: Doors) -> None:
        self._phone = phone
        self._doors = doors
        self._network = doors.network(phone)
        #: Frames that TCP has still to deliver, and what those that are not acknowledged say.
        self._held: list[str] = []
        self._unacknowledged: dict[int, str] = {}
        self._random = Random(f"network of {phone.key}")  # noqa: S311 - nothing secret
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._login = -1
        self._token = ""
        self._token_until = 0.0
        self._screen = ""
        self._runs = False
        self._in_background = False
        self._last_id = 0
        self._failures = 0
        self._connect_at = 0.0
        self._restart_seconds: float | None = None

    async def pass_time(self, seconds: float) -> None:
        until = _now() + seconds
        while (left := until - _now()) > 0:
            down_seconds = self._network.down_until(_now()) - _now()
            if down_seconds > 0:
                await asyncio.sleep(min(down_seconds, left))
            elif self._socket is not None:
                await self._listen(self._socket, left)
            elif not self._runs or self._in_background:
                await asyncio.sleep(left)
            elif (wait := self._connect_at - _now()) > 0:
                await asyncio.sleep(min(wait, left))
            else:
                await self._connect()

    async def do(self, action: Action) -> None:
        self._screen = action.screen
        if action.login != self._login:
            self._login = action.login
            self._token, self._token_until = "", 0.0
        match action.kind:
            case Kind.START | Kind.RESUME:
                self._runs, self._in_background, self._connect_at = True, False, 0.0
                await self._report()
            case Kind.BACKGROUND:
                self._in_background = True
                await self._report()
            case Kind.SHOW:
                await self._report()
            case Kind.DROP:
                await self._close()
                self._retry()
            case Kind.DIE:
                self._runs = False
                await self._close()
            case Kind.LOG_OUT:
                self._runs = False
                await self._log_out()

    async def _report(self) -> None:
        """The whole state; without a socket the next one's first frame has it."""
        if self._socket is not None:
            await self._send(self._socket, "heartbeat", **self._state())

    async def _connect(self) -> None:
        socket = await self._doors.connect()
        if socket is None:
            self._retry()
            return
        self._socket = socket
        self._doors.tally.sockets += 1
        if _now() >= self._token_until:
            self._take_token()
        await self._send(socket, "auth", type="auth", token=self._token, **self._state())

    async def _log_out(self) -> None:
        socket = self._socket
        if socket is None:
            if not self._token:
                self._take_token()
            accepted = await self._doors.post(LOGOUT_PATH, self._token, logout_body(self._phone))
            self._doors.tally.logouts += accepted
            self._doors.tally.logouts_of[self._phone.user] += accepted
            return
        await self._send(socket, "logout", type="logout")
        until = _now() + GOODBYE_SECONDS
        while self._socket is socket and (left := until - _now()) > 0:
            await self._listen(socket, left)
        await self._close()

    async def _listen(self, socket: aiohttp.ClientWebSocketResponse, seconds: float) -> None:
        """Take one message, or none within so many seconds. Answers pings meanwhile, unless the
        network is down."""
        down_seconds = self._network.down_until(_now()) - _now()
        if down_seconds > 0:
            await asyncio.sleep(min(down_seconds, seconds))
            return
        await self._deliver(socket)
        try:
            # A timeout of its own begins anew with each ping.
            async with asyncio.timeout(seconds):
                message = await socket.receive()
        except TimeoutError:
            return
        if message.type is not aiohttp.WSMsgType.TEXT:
            await self._ended(socket)
            return
        await self._take(socket, json_object(message.data))

    async def _take(self, socket: aiohttp.ClientWebSocketResponse, told: Mapping[str, Any]) -> None:
        match told:
            case {"type": "ack"}:
                self._acknowledged(told)
            case {"type": "welcome"}:
                self._failures = 0
            case {"type": "token_expiring"}:
                self._take_token()
                await self._send(socket, "auth", type="auth", token=self._token)
            case {"type": "restart", "reconnect_after_ms": int(wait_ms)}:
                self._restart_seconds = wait_ms / 1000
            case {"type": "error", "code": code}:
                self._doors.tally.trouble(f"frame {word(code)}")
            case _:
                self._doors.tally.trouble("a frame of another kind")

    async def _ended(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """The server or the network ended it."""
        code = socket.close_code
        await self._close()
        if not self._runs and code in _FINAL:
            self._doors.tally.logouts += 1
            return
        self._doors.tally.trouble(f"close {code}")
        if code in _TOKEN_REFUSED:
            self._token_until = 0.0
        if code in _FINAL:
            self._runs = False
        self._retry()

    def _retry(self) -> None:
        if self._restart_seconds is not None:
            wait_seconds, self._restart_seconds = self._restart_seconds, None
        else:
            limit = FIRST_BACKOFF_SECONDS * 2.0 ** min(self._failures, 10)
            wait_seconds = self._random.uniform(0, min(LONGEST_BACKOFF_SECONDS, limit))
            self._failures += 1
        self._connect_at = _now() + wait_seconds

    async def _close(self) -> None:
        socket, self._socket = self._socket, None
        self._held.clear()
        self._unacknowledged.clear()
        if socket is not None:
            self._doors.tally.sockets -= 1
            await socket.close()

    async def _send(
        self, socket: aiohttp.ClientWebSocketResponse, what: str, **fields: Any
    ) -> None:
        self._last_id += 1
        self._unacknowledged[self._last_id] = what
        self._held.append(frame(self._last_id, **fields))
        self._network.send_packet(_now())
        if self._network.down_until(_now()) <= _now():
            await asyncio.sleep(self._network.latency_seconds())
            await self._deliver(socket)

    async def _deliver(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """What was sent while the network was down, in its order."""
        try:
            while self._held:
                await socket.send_str(self._held[0])
                del self._held[:1]
        except (aiohttp.ClientError, OSError):
            # What reads next sees why.
            self._held.clear()

    def _acknowledged(self, told: Mapping[str, Any]) -> None:
        """It is in the log; but of an ``auth`` frame it is only known that its token counts."""
        tally, number = self._doors.tally, told.get("id")
        tally.accept()
        what = self._unacknowledged.pop(number, "") if isinstance(number, int) else ""
        if what == "heartbeat":
            tally.heartbeats_of[self._phone.user] += 1
        elif what == "logout":
            tally.logouts_of[self._phone.user] += 1

    def _take_token(self) -> None:
        self._token = self._doors.token(self._phone)
        self._token_until = _now() + self._doors.socket_token_seconds

    def _state(self) -> dict[str, Any]:
        sent_at = None
        if error_seconds := self._network.clock_error_seconds:
            clock = datetime.now(UTC) + timedelta(seconds=error_seconds)
            sent_at = clock.isoformat(timespec="milliseconds")
        return state_fields(
            self._phone, self._screen, in_background=self._in_background, sent_at=sent_at
        )


def simulated(phone: Phone, doors: Doors) -> SimulatedPhone:
    """The phone, with its app's way to speak."""
    return SocketPhone(phone, doors) if phone.on_socket else SamplePhone(phone, doors)


def _now() -> float:
    return asyncio.get_running_loop().time()
