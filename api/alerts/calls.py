"""``/api/v1/alerts``: product alerts. Wants the scope ``presence:manage``.

Notify looks at them and tells (``processor/alerts``); here they are made, shown, ended, and tried
on the last week. What signs a webhook's messages is in the answer that makes it, and never again.
"""

from __future__ import annotations

from typing import Any, Final, get_args

from aiohttp import web

from api.access.readers import Readers
from api.alerts.store import AlertStore
from api.http.bodies import read_body
from api.http.documents import json_answer
from api.http.door import Door, method_not_allowed
from api.http.json_fields import document_of, shown_name
from api.http.parameters import refuse_parameters
from api.metrics import ApiMetrics
from api.periods.instants import rfc3339
from api.scopes import MANAGE_SCOPE
from api.settings import ApiSettings
from schemas.alerts.forms import MAX_ALERTS, NO_KEY, NOT_YET, Listed, is_alert_id, new_alert
from schemas.alerts.message import Target
from schemas.alerts.reading import instant, shown_trial
from schemas.alerts.rule import AlertRule, RuleProblemError, parse_rule
from schemas.http.problems import FieldProblem, ProblemError
from schemas.tokens.identity import Identity

PATH: Final = "/api/v1/alerts"
MAX_BODY_BYTES: Final = 16_384
_EXAMPLE: Final = '{"rule": {"name": "Few people", "of": "online", "is": "below", "value": 100}}'


class AlertCalls:
    """The handlers."""

    def __init__(
        self, settings: ApiSettings, readers: Readers, store: AlertStore, metrics: ApiMetrics
    ) -> None:
        self._settings = settings
        self._box = settings.secret_box
        self._readers = readers
        self._store = store
        self._body_timeouts = metrics.http.timeouts["body"]

    def add_routes(self, router: web.UrlDispatcher, door: Door) -> None:
        one = PATH + "/{alert_id}"
        router.add_get(PATH, door.guard("alerts", self.all))
        router.add_post(PATH, door.guard("alerts", self.create))
        router.add_post(f"{PATH}/try", door.guard("alert_try", self.try_rule))
        router.add_delete(one, door.guard("alert", self.delete))
        for path, route, allow in (
            (PATH, "alerts", "GET, HEAD, POST"),
            (f"{PATH}/try", "alert_try", "POST"),
            (one, "alert", "DELETE"),
        ):
            router.add_route("*", path, door.guard(route, method_not_allowed(allow)))

    async def all(self, request: web.Request) -> web.Response:
        await self._admit(request)
        return json_answer({"items": [_shown(each) for each in await self._store.all()]})

    async def create(self, request: web.Request) -> web.Response:
        manager = await self._admit(request)
        said = await self._object(request, ("rule", "target", "url"))
        rule = _rule(said)
        target = said.get("target", "webhook")
        if target not in get_args(Target):
            raise _bad("target", f"must be {' or '.join(get_args(Target))}")
        url = self._url(said)
        if self._box is None:
            raise ProblemError("unavailable", NO_KEY)
        made = new_alert(rule, target, url, manager.user, self._box)
        if not await self._store.create(made.row):
            raise _bad("rule", f"is one too many: there are {MAX_ALERTS} alerts, delete some")
        answer = {
            "id": made.id,
            "rule": rule.document,
            "target": target,
            "address": made.address,
            "secret": made.secret,
        }
        return json_answer(answer, status=201)

    async def try_rule(self, request: web.Request) -> web.Response:
        await self._admit(request)
        rule = _rule(await self._object(request, ("rule",)))
        found = await self._store.try_rule(rule)
        if found is None:
            raise ProblemError("unavailable", NOT_YET)
        told = dict(shown_trial(found))
        told["from"], told["to"] = rfc3339(told["from"]), rfc3339(told["to"])
        told["fired_at"] = [rfc3339(at) for at in told["fired_at"]]
        return json_answer(told)

    async def delete(self, request: web.Request) -> web.Response:
        await self._admit(request)
        alert_id = request.match_info["alert_id"]
        if not is_alert_id(alert_id) or not await self._store.delete(alert_id):
            raise ProblemError("not_found", "No alert has this id.")
        return web.Response(status=204)

    async def _admit(self, request: web.Request) -> Identity:
        manager = await self._readers.admit(request, cookie=True, scope=MANAGE_SCOPE)
        refuse_parameters(request.rel_url.raw_query_string)
        return manager

    async def _object(self, request: web.Request, known: tuple[str, ...]) -> dict[str, Any]:
        body = await read_body(request, MAX_BODY_BYTES, self._body_timeouts)
        said = document_of(body, _EXAMPLE)
        for name in said:
            if name not in known:
                raise _bad(shown_name(name), f"is not known: there is {', '.join(known)}")
        return said

    def _url(self, said: dict[str, Any]) -> str:
        url = said.get("url")
        if not isinstance(url, str):
            raise _bad("url", "must be an address such as https://crm.example.com/rollcall")
        try:
            self._settings.check_webhook_url(url)
        except ValueError as error:
            raise _bad("url", str(error)) from None
        return url


def _rule(said: dict[str, Any]) -> AlertRule:
    try:
        return parse_rule(said.get("rule"))
    except RuleProblemError as error:
        raise _bad(error.field, error.message) from None


def _shown(alert: Listed) -> dict[str, Any]:
    firing = alert.firing_since
    return {
        "id": alert.id,
        "rule": alert.rule,
        "target": alert.target,
        "address": alert.address,
        "created_at": rfc3339(alert.created_at),
        "created_by": alert.created_by,
        "firing_since": None if firing is None else rfc3339(instant(firing)),
        "last_told_at": rfc3339(alert.last_fired_at),
        "waiting": alert.waiting,
        "given_up": alert.given_up,
        "problem": alert.problem,
    }


def _bad(field: str, message: str) -> ProblemError:
    return ProblemError("bad_field", f"{field} {message}.", [FieldProblem(field, message)])
