"""``rollcall canary``: composes the canaries and runs them until SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from deploy.canary.flock import CanaryDoors, CountingTally, Flock
from deploy.canary.look import Look, NotSeenError
from deploy.canary.metrics import TRANSPORTS, CanaryMetrics
from deploy.canary.script import Pace
from deploy.canary.settings import CanarySettings
from deploy.canary.tokens import CanaryToken, TokensFile, TokensFileError
from schemas.http.admin_port import create_admin_app
from schemas.service.shutdown import STOPPING, Stop, stop_on_signals

log = logging.getLogger("canary")

STOP_SECONDS: Final = 5.0
_START_SECONDS: Final = 1.0


class Tokens:
    """The file of tokens as it was last good."""

    def __init__(self, settings: CanarySettings, metrics: CanaryMetrics) -> None:
        """Raises :class:`TokensFileError`: canaries begin with a good file only."""
        self._file = TokensFile(settings.canary_tokens_file, settings.user_claim)
        self._metrics = metrics
        self.last = self._file.read(time.time())
        self.trouble: str | None = None
        metrics.tokens_usable.set(1)
        self.tell()

    def renewed(self) -> list[CanaryToken] | None:
        """Other tokens, where the file has changed and is good."""
        if not self._file.has_changed:
            return None
        try:
            self.last = self._file.read(time.time())
        except TokensFileError as error:
            log.error("%s; the tokens from before stay", error)
            self.trouble = str(error)
            self._metrics.tokens_usable.set(0)
            return None
        log.info("%d tokens were read again", len(self.last))
        self.trouble = None
        self._metrics.tokens_usable.set(1)
        return self.last

    def tell(self) -> None:
        ends = [token.expires_at for token in self.last if token.expires_at is not None]
        self._metrics.token_seconds.set(min(ends, default=math.inf) - time.time())


async def serve(settings: CanarySettings) -> None:
    """Run until SIGTERM or SIGINT. Raises :class:`TokensFileError` and ``OSError`` at the start."""
    stop = stop_on_signals(STOP_SECONDS)
    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    metrics = CanaryMetrics(registry)
    tokens = Tokens(settings, metrics)
    flock: Flock | None = None
    waiting_for = "starting"

    async def not_ready() -> str | None:
        if stop.is_set():
            return STOPPING
        return waiting_for if flock is None else flock.trouble

    def warnings() -> list[str]:
        return [] if tokens.trouble is None else [tokens.trouble]

    admin = web.AppRunner(create_admin_app(registry, not_ready, warnings), access_log=None)
    await admin.setup()
    look = Look(
        settings.canary_api_url or settings.canary_url,
        settings.canary_api_key.get_secret_value(),
    )
    try:
        await web.TCPSite(admin, settings.canary_admin_host, settings.canary_admin_port).start()
        while not stop.is_set():
            try:
                seen = await look.at([token.user for token in tokens.last])
                break
            except NotSeenError as error:
                if str(error) != waiting_for:
                    log.warning("waiting until what is shown can be seen: %s", error)
                waiting_for = str(error)
            await _pause(stop, _START_SECONDS)
        else:
            return
        pace = Pace(
            settings.canary_heartbeat_seconds, seen.window_seconds, settings.canary_settle_seconds
        )
        async with contextlib.AsyncExitStack() as exits:
            held: dict[str, CanaryToken] = {}
            doors = {
                transport: await exits.enter_async_context(
                    CanaryDoors(settings.canary_url, CountingTally(metrics, transport), held)
                )
                for transport in TRANSPORTS
            }
            flock = Flock(pace, settings.canary_poll_seconds, doors, look, held, metrics)
            exits.push_async_callback(flock.close)
            await _run(flock, tokens, settings.canary_poll_seconds, stop)
    finally:
        await look.close()
        await admin.cleanup()


async def _run(flock: Flock, tokens: Tokens, poll_seconds: float, stop: Stop) -> None:
    flock.take(tokens.last)
    log.info("%d canaries run", len(flock.canaries))
    while not stop.is_set():
        began = time.monotonic()
        await flock.look_once()
        tokens.tell()
        if (renewed := tokens.renewed()) is not None:
            flock.take(renewed)
        if (error := flock.failed()) is not None:
            raise error
        await _pause(stop, max(0.0, poll_seconds - (time.monotonic() - began)))


async def _pause(stop: Stop, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
