"""The admin port: metrics for Prometheus, health for the orchestrator."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.aiohttp import make_aiohttp_handler

from schemas.http.responses import never_sniffed


def create_admin_app(
    registry: CollectorRegistry,
    not_ready: Callable[[], Awaitable[str | None]],
    warnings: Callable[[], list[str]] = list,
    refresh_metrics: Callable[[], Awaitable[None]] | None = None,
) -> web.Application:
    """``/metrics``, ``/healthz`` (the process runs) and ``/readyz`` (the service does its work).

    ``not_ready`` gives the reason why it does not, or ``None``. ``warnings``, which is asked after
    it, is what keeps clients out wherever they are sent. ``refresh_metrics`` reads what is known
    only when it is asked for.
    """
    show_metrics = make_aiohttp_handler(registry)

    async def metrics(request: web.Request) -> web.StreamResponse:
        if refresh_metrics is not None:
            await refresh_metrics()
        return await show_metrics(request)

    async def healthz(_request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def readyz(_request: web.Request) -> web.Response:
        reason = await not_ready()
        told = {"warnings": found} if (found := warnings()) else {}
        if reason is None:
            return web.json_response({"status": "ready", **told})
        return web.json_response({"status": "not ready", "reason": reason, **told}, status=503)

    app = web.Application()
    app.on_response_prepare.append(never_sniffed)
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    return app
