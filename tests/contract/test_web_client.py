"""docs/clients/web: its machine passes every case, its types hold, and in a browser it tells a
running ingest what it should."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web
from playwright.async_api import BrowserContext, Page, async_playwright

from schemas.log.events import Connect, Event, Heartbeat, Logout
from schemas.log.settings import KafkaSettings
from tests.contract.node import node, packages, run
from tests.e2e.browser import ARGUMENTS, chromium
from tests.rigs.harness import (
    DEADLINE_SECONDS,
    Ingest,
    ingest_settings,
    read_log,
    running_ingest,
    token,
    wait_until,
)

WEB = Path(__file__).parents[2] / "docs/clients/web"
OPEN = "rollcall_ingest_sockets_open"


async def test_its_machine_passes_the_cases_that_every_client_passes() -> None:
    output = await run(WEB / "test/machine.test.js")
    assert re.search(r"^# fail 0$", output, re.MULTILINE), output


async def test_its_types_hold_and_are_those_that_it_ships(tmp_path: Path) -> None:
    compiler = packages(WEB) / ".bin/tsc"
    process = await asyncio.create_subprocess_exec(
        node(), str(compiler), "-p", str(WEB), "--outDir", str(tmp_path), stdout=-1
    )
    complaints, _ = await process.communicate()
    assert process.returncode == 0, complaints.decode()
    shipped = (WEB / "rollcall.d.ts").read_text("utf-8")
    assert shipped == (tmp_path / "rollcall.d.ts").read_text("utf-8"), "npm run types"


# -- in Chromium

PAGE = """<!doctype html><title>app</title><script type="module">
import { Presence, installationId } from './rollcall.js';
window.start = (baseUrl, token, transport, user = 'ada') => {
  window.stopped = null;
  window.presence = new Presence({
    baseUrl, transport, deviceId: installationId(), platform: 'web',
    token: typeof token === 'string' ? async () => token : token,
    onStopped: (reason) => { window.stopped = reason; },
  });
  window.presence.start(user);
};
window.see = (state) => {
  Object.defineProperty(document, 'visibilityState', { value: state, configurable: true });
  document.dispatchEvent(new Event('visibilitychange'));
};
</script>"""


@asynccontextmanager
async def served() -> AsyncIterator[str]:
    """A page that uses the client; its address."""
    module = (WEB / "rollcall.js").read_text("utf-8")

    async def page(_request: web.Request) -> web.Response:
        return web.Response(text=PAGE, content_type="text/html")

    async def script(_request: web.Request) -> web.Response:
        return web.Response(text=module, content_type="text/javascript")

    app = web.Application()
    app.router.add_get("/", page)
    app.router.add_get("/rollcall.js", script)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://localhost:{site.port}/"
    finally:
        await runner.cleanup()


async def until(kafka: KafkaSettings, kind: type[Event], count: int) -> list[Any]:
    """The events of a kind, once there are so many."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            records = await read_log(kafka)
            found = [event for record in records for event in record.events if type(event) is kind]
            if len(found) >= count:
                return found
            await asyncio.sleep(0.05)


@asynccontextmanager
async def browsing(kafka: KafkaSettings) -> AsyncIterator[tuple[Ingest, BrowserContext, str, str]]:
    """An ingest, a browser, the base address of the calls and that of the page."""
    settings = ingest_settings(kafka, cors_origins="http://localhost:*", websocket_drain_seconds=0)
    program = chromium()
    async with (
        asyncio.timeout(3 * DEADLINE_SECONDS),
        running_ingest(settings) as ingest,
        served() as address,
        async_playwright() as tool,
    ):
        browser = await tool.chromium.launch(
            executable_path=program, args=ARGUMENTS, chromium_sandbox=False
        )
        await ingest.until_ready()
        yield ingest, await browser.new_context(), f"http://127.0.0.1:{ingest.port}/api", address
        await browser.close()


async def test_in_a_browser_tabs_take_turns_and_a_lost_network_loses_nothing(
    kafka_settings: KafkaSettings,
) -> None:
    async with browsing(kafka_settings) as (ingest, context, base, address):
        first, second = await context.new_page(), await context.new_page()
        await load(first, address)
        await load(second, address)

        await start(first, base, "socket", "Home")
        await until(kafka_settings, Connect, 1)
        await start(second, base, "socket", "Cart")
        connects = await until(kafka_settings, Connect, 2)
        await sockets(ingest, 1)
        assert {connect.device_id for connect in connects} == {connects[0].device_id}
        assert [connect.screen for connect in connects] == ["Home", "Cart"]

        # The newer tab is hidden; the other, still in sight, takes over. Nothing was in the
        # background in between.
        await second.evaluate("see('hidden')")
        [*_, third] = await until(kafka_settings, Connect, 3)
        assert third.screen == "Home"
        await sockets(ingest, 1)
        assert await until(kafka_settings, Heartbeat, 0) == []

        await first.evaluate("see('hidden')")
        [hidden] = await until(kafka_settings, Heartbeat, 1)
        assert (hidden.app_state, hidden.screen, hidden.platform) == ("hidden", "Home", "web")

        await context.set_offline(True)
        await first.evaluate("presence.show('Offers')")
        await context.set_offline(False)
        await first.evaluate("see('visible')")
        await until_told(kafka_settings, "resumed", "Offers")

        # A logout in one tab is the end of all.
        assert await second.evaluate("presence.logOut()")
        assert await first.evaluate("presence.logOut()")
        await sockets(ingest, 0)
        assert [type(event) for event in await until(kafka_settings, Logout, 1)] == [Logout]

        # Over HTTP; and a page that goes away says so. Only its event: whether a browser under load
        # still sends what outlives a page is the browser's.
        await load(second, address)
        await start(second, base, "http", "Help")
        await until_told(kafka_settings, "resumed", "Help")
        await second.evaluate("dispatchEvent(new Event('pagehide')), null")
        await until_told(kafka_settings, "detached", "Help")


async def test_in_a_browser_a_refused_token_is_replaced_and_a_device_that_slept_is_there_again(
    kafka_settings: KafkaSettings,
) -> None:
    async with browsing(kafka_settings) as (ingest, context, base, address):
        await context.clock.install()
        page = await context.new_page()
        await load(page, address)
        await page.evaluate(
            "([base, old, fresh]) => {"
            " start(base, ({ refresh }) => refresh ? fresh : old, 'http');"
            " presence.show('Home'); }",
            [base, token("ada", exp=1), token("ada")],
        )
        assert [beat.screen for beat in await until(kafka_settings, Heartbeat, 1)] == ["Home"]

        # A laptop that was closed for ten minutes: timers are late.
        await page.evaluate("presence.close()")
        await until_told(kafka_settings, "detached", "Home")
        await start(page, base, "socket", "Cart")
        await until(kafka_settings, Connect, 1)
        await sockets(ingest, 1)
        before = len(await until(kafka_settings, Heartbeat, 1))
        await context.clock.fast_forward("10:00")
        [*_, awake] = await until(kafka_settings, Heartbeat, before + 1)
        assert (awake.app_state, awake.screen) == ("resumed", "Cart")
        await sockets(ingest, 1)


async def until_told(kafka: KafkaSettings, app_state: str, screen: str) -> None:
    """Until the last heartbeat says so."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            [*_, last] = await until(kafka, Heartbeat, 1)
            if (last.app_state, last.screen) == (app_state, screen):
                return


async def load(page: Page, address: str) -> None:
    await page.goto(address)
    await page.wait_for_function("typeof start === 'function'")


async def start(page: Page, base: str, transport: str, screen: str) -> None:
    await page.evaluate("see('visible')")
    await page.evaluate(
        "([base, token, transport, screen]) => {"
        " start(base, token, transport); presence.show(screen); }",
        [base, token("ada"), transport, screen],
    )


async def sockets(ingest: Ingest, count: int) -> None:
    await wait_until(lambda: ingest.metric(OPEN) == count)
