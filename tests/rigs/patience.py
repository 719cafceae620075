"""The product's short deadlines, put off: a machine that stands still for a moment is no fault."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import api.health.poll
import api.postgres.database
import api.postgres.pool
import api.presence.store
import api.privacy.log
import api.privacy.requests

SECONDS: Final = 60
#: What no setting says, by its module.
_OF_THE_API: Final = (
    (api.health.poll, "DNS_SECONDS"),
    (api.health.poll, "TIMEOUT_SECONDS"),
    (api.postgres.database, "STATUS_SECONDS"),
    (api.postgres.pool, "CONNECT_SECONDS"),
    (api.presence.store, "METRICS_SECONDS"),
    (api.presence.store, "PROBE_SECONDS"),
    (api.privacy.log, "WRITE_SECONDS"),
    (api.privacy.requests, "PROBE_SECONDS"),
    (api.privacy.requests, "WAIT_SECONDS"),
)
_OF_LIFE: Final = [getattr(module, name) for module, name in _OF_THE_API]


class _Running:
    apis = 0


@contextmanager
def patient_api() -> Iterator[None]:
    """While an API of this process runs, in whichever order several of them end."""
    _Running.apis += 1
    for module, name in _OF_THE_API:
        setattr(module, name, SECONDS)
    try:
        yield
    finally:
        _Running.apis -= 1
        if not _Running.apis:
            for (module, name), seconds in zip(_OF_THE_API, _OF_LIFE, strict=True):
                setattr(module, name, seconds)
