"""``python -m ingest``: the composition root of the ingest service."""

from __future__ import annotations

import sys
from typing import Any

import uvloop
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from ingest.serve import StartError, serve, set_up_logging
from ingest.settings import IngestSettings
from ingest.worker import stop_seconds
from ingest.workers import Workers, WorkerStartError
from schemas.service.settings import load_or_exit
from schemas.service.shutdown import stop_on_signals


async def run(settings: IngestSettings) -> None:
    """Serve until SIGTERM or SIGINT, here or in workers.

    Raises :class:`StartError` or :class:`WorkerStartError`.
    """
    if settings.ingest_workers > 1:
        await Workers(settings).run(stop_on_signals())  # who ends those that hang
        return
    stop = stop_on_signals(stop_seconds(settings))
    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    await serve(settings, stop, registry)


def main(**overrides: Any) -> None:
    """Entry point; settings come from the environment, unless they are among ``overrides``."""
    settings = load_or_exit(lambda: IngestSettings(**overrides))
    set_up_logging(settings)
    try:
        uvloop.run(run(settings))
    except WorkerStartError:
        raise SystemExit(1) from None
    except StartError as error:
        sys.stderr.write(f"rollcall: {error}\n")
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
