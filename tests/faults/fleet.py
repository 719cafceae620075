"""Phones that come and go, by HTTP and by sockets, and repeat what was not acknowledged.

Each event has a version and a screen that no other event of its user has: the phone and a count in
the version, and a count in the letters of ``Unknown``, which means "no news of the screen" in any
case.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from random import Random
from typing import Any, Final

import aiohttp
import jwt

from tests.faults.links import Background, Link
from tests.faults.truth import LOGOUT, Id, Spell, Truth

HEARTBEAT: Final = "/api/update-online-status"
LOGOUT_PATH: Final = "/api/logout-status"
CALL_SECONDS: Final = 3.0
CALL: Final = aiohttp.ClientTimeout(total=CALL_SECONDS)
#: A server that is frozen answers no close frame either.
CLOSE: Final = aiohttp.ClientWSTimeout(ws_close=0.5)
TOKEN_SECONDS: Final = 7 * 86_400
#: Between two attempts of one event.
AGAIN_SECONDS: Final = (0.2, 0.8)
UNKNOWN: Final = "unknown"
_NUMBERS: Final = 1 << len(UNKNOWN)
#: One event in so many names a screen.
_NAMED: Final = 5
#: Between two events of a quiet phone: twice offline_after.
_QUIET_BEATS: Final = 10


def spelled(number: int) -> str:
    """``unknown`` with some letters large, another way for each number below 128."""
    return "".join(
        letter.upper() if number >> place & 1 else letter for place, letter in enumerate(UNKNOWN)
    )


class Phone:
    """One app installation."""

    def __init__(
        self,
        number: int,
        user: str,
        doors: Sequence[Link],
        secret: str,
        seed: str,
        truth: Truth,
        beat_seconds: float,
    ) -> None:
        self.user, self.device, self._number = user, f"phone-{number}", number
        self._chance = Random(f"{seed} phone {number}")
        self._doors, self._secret, self._truth = doors, secret, truth
        self._by_socket = number % 3 == 0
        #: Says nothing for long, as an app whose user reads: renewals alone tell of it.
        self._quiet = number % 6 == 0
        self._beat_seconds = beat_seconds
        self._beats = 0
        self._logins = 0
        #: The door of its last attempt, and the one that the next one is not made at.
        self._at = self._leaves = ""
        self._spell: Spell | None = None
        #: What the first event of a use says besides.
        self._began: dict[str, str] = {}
        self._http: aiohttp.ClientSession | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None

    async def live(self) -> None:
        """For ever: used for a while, then away for a while."""
        # What takes how long is said at each call: a socket may last.
        timeout = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(timeout=timeout) as self._http:
            await asyncio.sleep(self._chance.uniform(0, self._beat_seconds))
            while True:
                ending = await self._visit()
                await self._leave(ending)
                await asyncio.sleep(self._chance.uniform(1, 30))

    def name_every_resume(self) -> None:
        """From now on each use begins with an event that says so, and is no timer's beat to any
        release (design, section 2)."""
        self._began = {"app_state": "resumed"}

    async def come_back(self) -> None:
        """The connection is gone, as after a change of networks: the next event opens another."""
        socket, self._socket = self._socket, None
        if socket is not None:
            await socket.close()

    async def _visit(self) -> str:
        while self._chance.random() > 0.06:
            sent_at = await self._event(**(self._began if self._spell is None else {}))
            if self._spell is None:
                self._spell = self._truth.begin(self.user, self.device, time.time())
            self._spell.beat_at = sent_at
            beats = _QUIET_BEATS if self._quiet else 1
            await self._wait(beats * self._beat_seconds * self._chance.uniform(0.9, 1.1))
        return self._chance.choices(["dies", "background", "logs out"], [5, 3, 2])[0]

    async def _leave(self, ending: str) -> None:
        spell, self._spell = self._spell, None
        if spell is None:
            return
        if ending == "logs out":
            # From the first attempt on it may count.
            spell.logged_out, spell.ended_at = True, time.time()
            await self.come_back()
            await self._log_out()
            self._logins += 1
        elif ending == "background":
            spell.beat_at = await self._event(app_state="paused")
            spell.ended_at = time.time()
            await self.come_back()
        else:
            spell.ended_at = time.time()
            await self.come_back()

    async def _wait(self, seconds: float) -> None:
        """Until the next event; pings are answered meanwhile, and who loses a socket comes back."""
        loop = asyncio.get_running_loop()
        until, back_seconds = loop.time() + seconds, self._chance.uniform(0, self._beat_seconds)
        while self._socket is not None:
            try:
                async with asyncio.timeout_at(until):
                    # Begins anew with each ping: without any the line may be dead.
                    message = await self._socket.receive(self._beat_seconds)
            except TimeoutError:
                return
            if message.type is aiohttp.WSMsgType.TEXT:
                told = message.json()
                if told["type"] == "restart":
                    back_seconds = told["reconnect_after_ms"] / 1000
                    self._met(time.time(), "restart")
            else:
                await self.come_back()
                until = min(until, loop.time() + back_seconds)
        await asyncio.sleep(max(0.0, until - loop.time()))

    @property
    def _session(self) -> str:
        return f"{self.user}/{self.device}/{self._logins}"

    def _token(self) -> str:
        claims = {"sub": self.user, "sid": self._session, "exp": int(time.time()) + TOKEN_SECONDS}
        return jwt.encode(claims, self._secret)

    async def _event(self, **more: str) -> float:
        """One event until it is acknowledged; gives when the attempt was sent that was."""
        cycle, number = divmod(self._beats, _NUMBERS)
        self._beats += 1
        said: dict[str, Any] = {
            "screen": f"Screen {number}" if number % _NAMED == 0 else spelled(number),
            "app_version": f"{self._number}.{cycle}",
            "device_id": self.device,
            "device_info": "Pixel 9",
            **more,
        }
        event = (self.user, said["app_version"], said["screen"])
        while True:
            sent_at = time.time()
            self._truth.tried(event)
            met = await (self._over_socket(said) if self._by_socket else self._over_http(said))
            self._met(sent_at, met)
            if met is None:
                self._truth.acknowledge(event, time.time())
                return sent_at
            await asyncio.sleep(self._chance.uniform(*AGAIN_SECONDS))

    async def _log_out(self) -> None:
        event = (self.user, f"sid:{self._session}", LOGOUT)
        while True:
            sent_at = time.time()
            self._truth.tried(event)
            met = await self._post(LOGOUT_PATH, {"device_id": self.device})
            self._met(sent_at, met)
            if met is None:
                self._truth.acknowledge(event, time.time())
                return
            await asyncio.sleep(self._chance.uniform(*AGAIN_SECONDS))

    def _met(self, sent_at: float, met: str | None) -> None:
        """What an attempt came to: nothing if it was acknowledged."""
        self._truth.tell(self.device, sent_at, self._at, met or "acknowledged")
        if met is not None:
            self._truth.trouble(met)
            self._leaves = self._at

    def _door(self) -> str:
        """Not the one that it was last sent away from: a gateway takes that out."""
        door = self._chance.choice([door for door in self._doors if door.name != self._leaves])
        self._at, self._leaves = door.name, ""
        return f"http://127.0.0.1:{door.port}"

    async def _over_http(self, said: dict[str, Any]) -> str | None:
        return await self._post(HEARTBEAT, said)

    async def _post(self, path: str, body: dict[str, Any]) -> str | None:
        assert self._http is not None
        headers = {"Authorization": f"Bearer {self._token()}"}
        try:
            async with self._http.post(
                self._door() + path, json=body, headers=headers, timeout=CALL
            ) as answer:
                await answer.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return type(error).__name__
        return None if answer.status == 200 else f"{answer.status}"

    async def _over_socket(self, said: dict[str, Any]) -> str | None:
        try:
            async with asyncio.timeout(CALL_SECONDS):
                # That an auth frame is acknowledged says that its token counts, no more.
                met = await self._open_socket() or await self._say({"id": self._beats, **said})
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            met = f"socket: {type(error).__name__}"
        if met is not None and not met.startswith("frame"):
            await self.come_back()
        return met

    async def _open_socket(self) -> str | None:
        """If there is none."""
        if self._socket is not None:
            return None
        assert self._http is not None
        self._socket = await self._http.ws_connect(self._door() + "/api/ws", timeout=CLOSE)
        met = await self._say({"id": "auth", "type": "auth", "token": self._token()})
        if met is not None:
            await self.come_back()
        return met

    async def _say(self, frame: dict[str, Any]) -> str | None:
        """A frame, until it is acknowledged."""
        assert self._socket is not None
        await self._socket.send_json(frame)
        while (message := await self._socket.receive()).type is aiohttp.WSMsgType.TEXT:
            told = message.json()
            if told.get("id") == frame["id"]:
                return None if told["type"] == "ack" else f"frame {told.get('code')}"
        return f"closed with {self._socket.close_code}"


class Fleet:
    """All of them, from ``start`` on."""

    def __init__(
        self,
        count: int,
        doors: Sequence[Link],
        secret: str,
        seed: int,
        beat_seconds: float,
        background: Background,
    ) -> None:
        self.truth = Truth()
        self._background = background
        # One user in ten has a second phone.
        self._phones = [
            Phone(
                number,
                f"user-{number - 1 if number % 10 == 9 else number}",
                doors,
                secret,
                str(seed),
                self.truth,
                beat_seconds,
            )
            for number in range(count)
        ]
        self.failed: list[BaseException] = []
        self._tasks: list[asyncio.Future[None]] = []

    def start(self) -> None:
        async def begin() -> None:
            self._tasks = [asyncio.ensure_future(self._live(phone)) for phone in self._phones]

        self._background.run(begin())

    async def _live(self, phone: Phone) -> None:
        try:
            await phone.live()
        except Exception as error:
            self.failed.append(error)
            raise

    def name_every_resume(self) -> None:
        """Of all phones, for the rest of the run."""
        for phone in self._phones:
            phone.name_every_resume()

    def all_come_back(self) -> None:
        """Every phone has lost its connection."""

        async def lose() -> None:
            await asyncio.gather(*(phone.come_back() for phone in self._phones))

        self._background.run(lose())


def ids_of(events: Sequence[Any]) -> list[Id]:
    """What is in a record, as the phones know it."""
    from schemas.log.events import Heartbeat, Logout

    found: list[Id] = []
    for event in events:
        if isinstance(event, Heartbeat):
            found.append((event.user, event.app_version or "", event.screen or ""))
        elif isinstance(event, Logout):
            found.append((event.user, event.token, LOGOUT))
    return found
