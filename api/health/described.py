"""How Rollcall itself does."""

from __future__ import annotations

from typing import Final, get_args

from api.health.answers import Health, Rollup
from api.http.answers import schemas_of
from api.http.call import Call
from schemas.openapi.answers import ok
from schemas.openapi.forms import ref

TAG: Final = {
    "name": "Health",
    "description": "Whether every process runs and keeps up, for people. Probes ask the admin "
    "ports themselves: `/healthz`, `/readyz`.",
}
ROLLUPS: Final[tuple[Rollup, ...]] = get_args(Rollup)
SCHEMAS: Final = schemas_of(Health)

READ_HEALTH: Final = Call(
    "GET",
    "/api/v1/health",
    "health",
    TAG,
    operation="readHealth",
    summary="How Rollcall itself does",
    about="Asks the admin ports that `ROLLCALL_ADMIN_TARGETS` names, at most once in 3 s however "
    "many look. What PostgreSQL knows is of one moment, `as_of`; without it the rest is "
    "told all the same. Of users it says nothing.",
    answers=ok(ref("Health"), "The state."),
)
CALLS: Final = (READ_HEALTH,)
