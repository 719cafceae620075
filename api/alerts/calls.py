"""``/api/v1/alerts``: product alerts. Wants the scope ``presence:manage``.

Notify looks at them and tells (``processor/alerts``); here they are made, shown, ended, and tried
on the last week. What signs a webhook's messages is in the answer that makes it, and never again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from api.access.readers import reader_of
from api.alerts.answers import AlertMade, Alerts, shown, shown_tried
from api.alerts.described import (
    CREATE_ALERT,
    DELETE_ALERT,
    LIST_ALERTS,
    ROTATE_ALERT_SECRET,
    TRY_ALERT,
)
from api.alerts.store import AlertStore
from api.http.call import Call
from api.http.documents import json_answer
from api.http.door import Handler
from api.http.routes import body_of, values_of
from api.managed.receiver import check_url, key_of
from api.managed.rotation import SecretRotated
from api.periods.instants import rfc3339
from api.settings import ApiSettings
from schemas.alerts.forms import MAX_ALERTS, NO_KEY, NOT_YET, is_alert_id, new_alert
from schemas.alerts.message import Target
from schemas.alerts.rule import AlertRule
from schemas.bodies.body import refusal
from schemas.http.problems import FieldProblem, ProblemError
from schemas.managed.manager import manager_of
from schemas.webhooks.forms import OVERLAP_HOURS, rotated


class AlertCalls:
    """The handlers."""

    def __init__(self, settings: ApiSettings, store: AlertStore) -> None:
        self._settings = settings
        self._box = settings.secret_box
        self._store = store

    def handlers(self) -> dict[Call, Handler]:
        return {
            LIST_ALERTS: self.all,
            CREATE_ALERT: self.create,
            TRY_ALERT: self.try_rule,
            DELETE_ALERT: self.delete,
            ROTATE_ALERT_SECRET: self.rotate,
        }

    async def all(self, _request: web.Request) -> web.Response:
        return json_answer(Alerts(items=[shown(each) for each in await self._store.all()]))

    async def create(self, request: web.Request) -> web.Response:
        asked = body_of(request)
        rule: AlertRule = asked["rule"]
        target: Target = asked.get("target", "webhook")
        to = self._to(asked, target)
        key = key_of(self._box, NO_KEY)
        made = new_alert(rule, target, to, manager_of(reader_of(request)), key)
        if not await self._store.create(made.row):
            message = f"is one too many: there are {MAX_ALERTS} alerts, delete some"
            raise refusal([FieldProblem("rule", message)])
        answer = AlertMade(
            id=made.id,
            rule=rule.document,
            target=target,
            address=made.address,
            secret=made.secret,
        )
        return json_answer(answer, status=201)

    async def try_rule(self, request: web.Request) -> web.Response:
        found = await self._store.try_rule(body_of(request)["rule"])
        if found is None:
            raise ProblemError("unavailable", NOT_YET)
        return json_answer(shown_tried(found))

    async def delete(self, request: web.Request) -> web.Response:
        alert_id: str = values_of(request)["alert_id"]
        by = manager_of(reader_of(request))
        if not is_alert_id(alert_id) or not await self._store.delete(alert_id, by):
            raise ProblemError("not_found", "No alert has this id.")
        return web.Response(status=204)

    async def rotate(self, request: web.Request) -> web.Response:
        alert_id: str = values_of(request)["alert_id"]
        hours: int = body_of(request).get("overlap_hours", OVERLAP_HOURS)
        by = manager_of(reader_of(request))
        made = rotated(alert_id, hours, by, key_of(self._box, NO_KEY))
        until = await self._store.rotate(made.row) if is_alert_id(alert_id) else None
        if until is None:
            raise ProblemError("not_found", "No alert that tells a signed webhook has this id.")
        return json_answer(SecretRotated(secret=made.secret, previous_until=rfc3339(until)))

    def _to(self, asked: Mapping[str, Any], target: Target) -> str:
        """Whom it tells: an e-mail address or a URL."""
        ours, other = ("email", "url") if target == "email" else ("url", "email")
        if other in asked:
            message = f"is no part of the target {target}: it has {ours}"
            raise refusal([FieldProblem(other, message)])
        if target != "email":
            url: str = asked.get("url", "")
            check_url(self._settings, url)
            return url
        try:
            return self._settings.check_email(asked.get("email"))
        except ValueError as error:
            raise refusal([FieldProblem("email", str(error))]) from None
