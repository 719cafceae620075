"""``/api/v1/webhooks``: who is told of changes. Wants the scope ``presence:manage``.

Notify delivers (``processor/notify``); here webhooks are made, shown and ended. A secret is in the
answer that makes it, and never again.
"""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

from api.access.readers import Readers
from api.http.bodies import read_body
from api.http.documents import json_answer
from api.http.door import Door, Handler, method_not_allowed
from api.http.json_fields import document_of
from api.http.parameters import refuse_parameters
from api.metrics import ApiMetrics
from api.periods.instants import rfc3339
from api.scopes import MANAGE_SCOPE
from api.settings import ApiSettings
from api.webhooks.store import WebhookStore
from schemas.http.problems import FieldProblem, ProblemError
from schemas.tokens.identity import Identity
from schemas.webhooks.filter import ChangeFilter, FilterProblemError, parse_filter
from schemas.webhooks.forms import (
    MAX_OVERLAP_HOURS,
    MAX_WEBHOOKS,
    NO_KEY,
    OVERLAP_HOURS,
    Listed,
    is_webhook_id,
    new_webhook,
    rotated,
)
from schemas.webhooks.secret_box import SecretBox

PATH: Final = "/api/v1/webhooks"
MAX_BODY_BYTES: Final = 65_536


class WebhookCalls:
    """The handlers."""

    def __init__(
        self, settings: ApiSettings, readers: Readers, store: WebhookStore, metrics: ApiMetrics
    ) -> None:
        self._settings = settings
        self._box = settings.secret_box
        self._readers = readers
        self._store = store
        self._body_timeouts = metrics.http.timeouts["body"]

    def add_routes(self, router: web.UrlDispatcher, door: Door) -> None:
        one = PATH + "/{webhook_id}"
        paths: tuple[tuple[str, str, dict[str, Handler]], ...] = (
            (PATH, "webhooks", {"GET": self.all, "POST": self.create}),
            (one, "webhook", {"DELETE": self.delete}),
            (f"{one}/dead-letters", "webhook_dead_letters", {"GET": self.dead_letters}),
            (f"{one}/rotate", "webhook_rotate", {"POST": self.rotate}),
            (f"{one}/replay", "webhook_replay", {"POST": self.replay}),
            (f"{one}/enable", "webhook_enable", {"POST": self.enable}),
        )
        for path, route, handlers in paths:
            if "GET" in handlers:
                handlers["HEAD"] = handlers["GET"]
            for method, handler in handlers.items():
                router.add_route(method, path, door.guard(route, handler))
            allowed = ", ".join(sorted(handlers))
            router.add_route("*", path, door.guard(route, method_not_allowed(allowed)))

    async def all(self, request: web.Request) -> web.Response:
        await self._admit(request)
        return json_answer({"items": [_shown(each) for each in await self._store.all()]})

    async def create(self, request: web.Request) -> web.Response:
        manager = await self._admit(request)
        said = await self._object(request)
        url, wanted = self._url(said), _filter(said)
        _refuse_others(said, ("url", "filter"))
        made = new_webhook(url, wanted, manager.user, self._key())
        if not await self._store.create(made.row):
            raise _bad("url", f"is one too many: there are {MAX_WEBHOOKS} webhooks, delete some")
        answer = {"id": made.id, "url": url, "filter": wanted.document, "secret": made.secret}
        return json_answer(answer, status=201)

    async def delete(self, request: web.Request) -> web.Response:
        webhook_id = await self._named(request)
        if not await self._store.delete(webhook_id):
            raise _not_found()
        return web.Response(status=204)

    async def dead_letters(self, request: web.Request) -> web.Response:
        webhook_id = await self._named(request)
        found = await self._store.dead_letters(webhook_id)
        if not found and not await self._store.exists(webhook_id):
            raise _not_found()
        times = ("first_at", "last_at", "replaying_since")
        return json_answer(
            {"items": [{**row, **{name: rfc3339(row[name]) for name in times}} for row in found]}
        )

    async def rotate(self, request: web.Request) -> web.Response:
        webhook_id = await self._named(request)
        said = await self._object(request)
        _refuse_others(said, ("overlap_hours",))
        hours = said.get("overlap_hours", OVERLAP_HOURS)
        # JSON has one kind of number: 24.0 is 24.
        is_whole = type(hours) is int or (type(hours) is float and hours.is_integer())
        if not is_whole or not 0 <= hours <= MAX_OVERLAP_HOURS:
            raise _bad("overlap_hours", f"must be a whole number from 0 to {MAX_OVERLAP_HOURS}")
        made = rotated(webhook_id, int(hours), self._key())
        until = await self._store.rotate(made.row)
        if until is None:
            raise _not_found()
        return json_answer({"secret": made.secret, "previous_until": rfc3339(until)})

    async def replay(self, request: web.Request) -> web.Response:
        webhook_id = await self._named(request)
        begun = await self._store.replay(webhook_id)
        if not begun and not await self._store.exists(webhook_id):
            raise _not_found()
        return json_answer({"dead_letters": begun}, status=202)

    async def enable(self, request: web.Request) -> web.Response:
        if not await self._store.enable(await self._named(request)):
            raise _not_found()
        return web.Response(status=204)

    async def _admit(self, request: web.Request) -> Identity:
        manager = await self._readers.admit(request, cookie=True, scope=MANAGE_SCOPE)
        refuse_parameters(request.rel_url.raw_query_string)
        return manager

    async def _named(self, request: web.Request) -> str:
        await self._admit(request)
        webhook_id = request.match_info["webhook_id"]
        if not is_webhook_id(webhook_id):
            raise _not_found()
        return webhook_id

    async def _object(self, request: web.Request) -> dict[str, Any]:
        """Raises ``ProblemError``; no body is an empty object."""
        body = await read_body(request, MAX_BODY_BYTES, self._body_timeouts)
        return document_of(body, '{"url": "https://crm.example.com/rollcall"}') if body else {}

    def _url(self, said: dict[str, Any]) -> str:
        url = said.get("url")
        if not isinstance(url, str):
            raise _bad("url", "must be an address such as https://crm.example.com/rollcall")
        try:
            self._settings.check_webhook_url(url)
        except ValueError as error:
            raise _bad("url", str(error)) from None
        return url

    def _key(self) -> SecretBox:
        if self._box is None:
            raise ProblemError("unavailable", NO_KEY)
        return self._box


def _filter(said: dict[str, Any]) -> ChangeFilter:
    try:
        return parse_filter(said.get("filter", {}))
    except FilterProblemError as error:
        raise _bad(error.field, error.message) from None


def _refuse_others(said: dict[str, Any], known: tuple[str, ...]) -> None:
    for name in said:
        if name not in known:
            raise _bad(name[:100], f"is not known: there is {' and '.join(known)}")


def _shown(webhook: Listed) -> dict[str, Any]:
    return {
        "id": webhook.id,
        "url": webhook.url,
        "filter": webhook.filter,
        "state": webhook.state,
        "created_at": rfc3339(webhook.created_at),
        "created_by": webhook.created_by,
        "previous_secret_until": rfc3339(webhook.previous_until),
        "failing_since": rfc3339(webhook.failing_since),
        "problem": webhook.problem if webhook.disabled_at is None else "status 410",
        "dead_letters": webhook.dead_letters,
    }


def _bad(field: str, message: str) -> ProblemError:
    return ProblemError("bad_field", f"{field} {message}.", [FieldProblem(field, message)])


def _not_found() -> ProblemError:
    return ProblemError("not_found", "No webhook has this id.")
