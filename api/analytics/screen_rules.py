"""``/api/v1/screen-rules``: what rules make of the names of screens that have arrived."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

from api.access.readers import reader_of
from api.analytics.screen_preview import ScreenPreview
from api.http.documents import json_answer
from api.http.door import Door
from api.http.parameters import limit_to
from api.http.routes import MAX_ROWS, Calls, add_get
from api.periods.instants import rfc3339
from api.postgres.database import Connection
from schemas.log.screen_rules import READY_RULES, ScreenRules

SCREEN_RULES_PATH: Final = "/api/v1/screen-rules"
COLUMNS: Final = ("screen", "folded", "names", "visits", "users", "examples")


class ScreenRulesCalls:
    """The handler. ``rules`` are those in force, ``None`` where there are none: then it is the
    ready ones that are shown."""

    def __init__(self, calls: Calls, rules: ScreenRules | None) -> None:
        self._calls = calls
        self._rules = rules
        self._preview = ScreenPreview()

    def add_routes(self, router: web.UrlDispatcher, door: Door) -> None:
        add_get(router, door, SCREEN_RULES_PATH, "screen_rules", self.screen_rules)

    async def screen_rules(self, request: web.Request) -> web.StreamResponse:
        values = await self._calls.parameters(request, {"limit": limit_to(MAX_ROWS)})
        limit: int = values.get("limit", MAX_ROWS)
        rules = self._rules or READY_RULES

        async def read(connection: Connection) -> dict[str, Any]:
            async with connection.transaction():
                found = await self._preview.of(connection, rules)
                freshness = await self._calls.quality.freshness(connection)
            return {
                "in_force": self._rules is not None,
                "rules": rules.lines,
                "since": rfc3339(found.since),
                "visits": found.visits,
                "names": found.names,
                "folded_names": found.folded_names,
                "screens": len(found.screens),
                "items": [
                    {column: getattr(each, column) for column in COLUMNS}
                    for each in found.screens[:limit]
                ],
                **self._calls.quality.fields(freshness),
            }

        document = await self._calls.database.scan(reader_of(request), "screen_rules", read)
        return json_answer(document)
