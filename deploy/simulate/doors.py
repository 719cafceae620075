"""Rollcall's doors as simulated phones use them: bounded connections, tokens, and no exceptions.

Whatever goes wrong on the way is counted by what it was, and told to nobody but the tally: phones
go on, as they do in the field.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Final, Self

import aiohttp

from deploy.simulate.network import NO_TROUBLE, Network, Trouble
from deploy.simulate.people import Phone
from deploy.simulate.tally import Tally
from deploy.simulate.wire import SAMPLE_HEADERS, SOCKET_PATH
from deploy.tokens import make_token

#: Calls at a time; a further one waits for a connection.
CALL_CONNECTIONS: Final = 64
CALL_SECONDS: Final = 10.0
HANDSHAKE_SECONDS: Final = 10.0
CLOSE_SECONDS: Final = 2.0
#: The sample never asks for a new token: its tokens are good for longer than anybody watches.
SAMPLE_TOKEN_SECONDS: Final = 7 * 86_400.0
#: Those of sockets end while they are open, so that they are renewed in place.
SOCKET_TOKEN_SECONDS: Final = 600.0
_MAX_ANSWER_BYTES: Final = 16_384


class Doors:
    """Of the Rollcall at ``url``; ``key`` signs tokens that it accepts."""

    def __init__(
        self,
        url: str,
        key: str,
        tally: Tally,
        *,
        socket_token_seconds: float = SOCKET_TOKEN_SECONDS,
        trouble: Trouble = NO_TROUBLE,
    ) -> None:
        self.tally = tally
        self._trouble = trouble
        self._later: set[asyncio.Task[None]] = set()
        self.socket_token_seconds = socket_token_seconds
        self._url = url
        self._key = key
        self._calls = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CALL_CONNECTIONS),
            timeout=aiohttp.ClientTimeout(total=CALL_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=SAMPLE_HEADERS,
        )
        # As many as there are phones with a socket; no call waits behind them.
        self._sockets = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=None),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        for task in self._later:
            task.cancel()
        await asyncio.gather(*self._later, return_exceptions=True)
        await self._calls.close()
        await self._sockets.close()

    def network(self, phone: Phone) -> Network:
        """The phone's way to these doors."""
        return Network(phone, self._trouble, asyncio.get_running_loop().time())

    def later(self, seconds: float, call: Coroutine[Any, Any, None]) -> None:
        """Make a call of a phone that is not waited for, unless all is over by then."""

        async def make() -> None:
            try:
                await asyncio.sleep(seconds)
            except asyncio.CancelledError:
                call.close()
                raise
            await call

        task = asyncio.create_task(make())
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    def token(self, phone: Phone) -> str:
        """A new token of the phone's user."""
        seconds = self.socket_token_seconds if phone.on_socket else SAMPLE_TOKEN_SECONDS
        return make_token(self._key, user=phone.user, name=phone.name, expires_seconds=seconds)

    async def post(self, path: str, token: str, body: bytes) -> bool:
        """One call; whether it was accepted."""
        try:
            async with self._calls.post(
                self._url + path,
                data=body,
                headers={"authorization": f"Bearer {token}"},
                allow_redirects=False,
            ) as answer:
                content = await answer.content.read(_MAX_ANSWER_BYTES)
                if answer.status == 200:
                    self.tally.accept()
                    return True
                self.tally.trouble(_refusal(answer.status, content))
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            self.tally.trouble(_loss(error))
        return False

    async def connect(self) -> aiohttp.ClientWebSocketResponse | None:
        """An open socket, not authenticated yet; ``None`` if there is none to be had now."""
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                return await self._sockets.ws_connect(
                    self._url + SOCKET_PATH,
                    timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_SECONDS),
                )
        except aiohttp.WSServerHandshakeError as error:
            self.tally.trouble(f"handshake {error.status}")
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            self.tally.trouble(_loss(error))
        return None


def json_object(text: str | bytes) -> dict[str, Any]:
    """The JSON object that ``text`` is; empty if it is none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def word(code: object) -> str:
    """A code as it may be shown: whatever answers may not be Rollcall."""
    return code if isinstance(code, str) and code.isidentifier() and len(code) <= 32 else "?"


def _refusal(status: int, content: bytes) -> str:
    code = json_object(content).get("code")
    return f"{status} {word(code)}" if code else str(status)


def _loss(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return "no connection" if isinstance(error, aiohttp.ClientConnectorError) else "connection lost"
