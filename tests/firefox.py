"""A Firefox without a window, driven by WebDriver BiDi (https://w3c.github.io/webdriver-bidi/). It
needs no driver beside it: commands and answers go over one WebSocket."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from websockets.asyncio.client import ClientConnection, connect

PROGRAMS: Final = ("firefox-esr", "firefox")
MISSING: Final = "Firefox is not installed here: `make packages`, or Debian's package firefox-esr"
START_SECONDS: Final = 60.0
COMMAND_SECONDS: Final = 30.0


def firefox() -> str:
    """The path of the program; without it the test is skipped, and says so."""
    found = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if found is None:
        pytest.skip(MISSING)
    return found


class FirefoxPage:
    """One page."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._last = 0
        self._context = ""

    async def begin(self) -> None:
        """A session that takes certificates of our own making."""
        await self._do(
            "session.new", {"capabilities": {"alwaysMatch": {"acceptInsecureCerts": True}}}
        )
        tree = await self._do("browsingContext.getTree", {})
        self._context = tree["contexts"][0]["context"]

    async def goto(self, url: str) -> None:
        """Once it has loaded."""
        where = {"context": self._context, "url": url, "wait": "complete"}
        await self._do("browsingContext.navigate", where)

    async def evaluate(self, expression: str) -> str:
        """The text that the expression, or its promise, comes to."""
        answer = await self._do(
            "script.evaluate",
            {
                "expression": expression,
                "target": {"context": self._context},
                "awaitPromise": True,
            },
        )
        assert answer["type"] == "success", answer["exceptionDetails"]["text"]
        return str(answer["result"]["value"])

    async def _do(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        self._last += 1
        await self._socket.send(json.dumps({"id": self._last, "method": method, "params": params}))
        async with asyncio.timeout(COMMAND_SECONDS):
            while True:
                answer = json.loads(await self._socket.recv())
                if answer.get("id") == self._last:
                    assert answer["type"] == "success", answer
                    result: dict[str, Any] = answer["result"]
                    return result


@asynccontextmanager
async def firefox_page(folder: Path) -> AsyncIterator[FirefoxPage]:
    """A page of a new profile in ``folder``."""
    profile = folder / "firefox"
    profile.mkdir()
    process = await asyncio.create_subprocess_exec(
        firefox(),
        *("--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "HOME": str(folder), "MOZ_CRASHREPORTER_DISABLE": "1"},
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(START_SECONDS):
            address = await _address(process)
        async with connect(f"{address}/session", max_size=None) as socket:
            page = FirefoxPage(socket)
            await page.begin()
            yield page
    finally:
        # Its children too: a page is a process of its own.
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def _address(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None
    said = b""
    async for line in process.stderr:
        said += line
        found = re.search(rb"WebDriver BiDi listening on (ws://\S+)", line)
        if found:
            return found[1].decode()
    raise AssertionError(f"Firefox ended: {said.decode()}")
