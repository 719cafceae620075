"""``/api/v1/screen-rules``: what rules make of the names of screens that have arrived."""

from __future__ import annotations

from dataclasses import asdict

from aiohttp import web

from api.access.readers import reader_of
from api.analytics.answers.screen_rules import FoldedScreen
from api.analytics.answers.screen_rules import ScreenRules as ScreenRulesAnswer
from api.analytics.described.screen_rules import READ_SCREEN_RULES
from api.analytics.screen_preview import ScreenPreview
from api.http.call import Call
from api.http.collaborators import Collaborators
from api.http.documents import json_answer
from api.http.door import Handler
from api.http.parameters import MAX_LIMIT
from api.http.routes import values_of
from api.periods.instants import rfc3339
from api.postgres.database import Connection
from schemas.log.screen_rules import READY_RULES, ScreenRules


class ScreenRulesCalls:
    """The handler. ``rules`` are those in force, ``None`` where there are none: then it is the
    ready ones that are shown."""

    def __init__(self, calls: Collaborators, rules: ScreenRules | None) -> None:
        self._calls = calls
        self._rules = rules
        self._preview = ScreenPreview()

    def handlers(self) -> dict[Call, Handler]:
        return {READ_SCREEN_RULES: self.screen_rules}

    async def screen_rules(self, request: web.Request) -> web.StreamResponse:
        limit: int = values_of(request).get("limit", MAX_LIMIT)
        rules = self._rules or READY_RULES

        async def read(connection: Connection) -> ScreenRulesAnswer:
            async with connection.transaction():
                found = await self._preview.of(connection, rules)
                freshness = await self._calls.quality.freshness(connection)
            return ScreenRulesAnswer(
                in_force=self._rules is not None,
                rules=rules.lines,
                since=rfc3339(found.since),
                visits=found.visits,
                names=found.names,
                folded_names=found.folded_names,
                screens=len(found.screens),
                items=[FoldedScreen(**asdict(each)) for each in found.screens[:limit]],
                **self._calls.quality.fields(freshness),
            )

        document = await self._calls.database.scan(reader_of(request), "screen_rules", read)
        return json_answer(document)
