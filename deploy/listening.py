"""`rollcall webhooks listen`: a receiver that verifies messages and shows what they tell."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Callable
from typing import Any, Final

from aiohttp import web

from schemas.alerts.message import TYPE as ALERT
from schemas.untrusted.text import clean_text
from schemas.webhooks.signing import ID, NotVerifiedError, verify

#: More than any message of ours.
MAX_BODY_BYTES: Final = 256 * 1024


def create_receiver(secret: str, show: Callable[[str], None]) -> web.Application:
    """Answers 204 to what is signed with the secret, else 401."""

    async def receive(request: web.Request) -> web.Response:
        body = await request.read()
        try:
            verify(secret, request.headers, body, time.time())
            lines, many = _told(json.loads(body))
        except NotVerifiedError as error:
            show(f"refused: {error}")
            return web.Response(status=401)
        except (ValueError, LookupError, TypeError, RecursionError):
            show("refused: the body is no message of Rollcall's")
            return web.Response(status=400)
        show(f"{clean_text(request.headers[ID])}: {many}, signature verified")
        for line in lines:
            show(line)
        return web.Response(status=204)

    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app.router.add_post("/{path:.*}", receive)
    return app


def listen(host: str, port: int, secret: str) -> None:
    """Until Ctrl-C. Raises ``OSError``."""
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(host, port, secret))


async def _serve(host: str, port: int, secret: str) -> None:
    runner = web.AppRunner(create_receiver(secret, _print), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        _print(f"listening on http://{host}:{port}/ until Ctrl-C")
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


def _change_line(change: dict[str, str]) -> str:
    screen = f" on {change['screen']}" if change["screen"] else ""
    told = f"  {change['at']} {change['user_id']} {change['reason']}: {change['state']}{screen}"
    return clean_text(told)


def _told(said: dict[str, Any]) -> tuple[list[str], str]:
    """What a message tells, a line each, and how much that is."""
    data = said["data"]
    if said["type"] == ALERT:
        return [_alert_line(data)], "an alert"
    item, line = ("timer", _timer_line) if "timers" in data else ("change", _change_line)
    lines = [line(each) for each in data[f"{item}s"]]
    return lines, f"{len(lines)} {item}{'s' if len(lines) > 1 else ''}"


def _timer_line(timer: dict[str, str]) -> str:
    place = f"on {timer['screen']}" if timer["screen"] else "offline"
    return clean_text(f"  {timer['at']} {timer['user_id']} {place} since {timer['since']}")


def _alert_line(told: dict[str, str]) -> str:
    return clean_text(f"  {told['at']} {told['text']}")


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
