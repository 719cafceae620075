"""``/api/v1/webhooks``: who is told of changes. Wants the scope ``presence:manage``.

Notify delivers (``processor/notify``); here webhooks are made, shown and ended. A secret is in the
answer that makes it, and never again.
"""

from __future__ import annotations

from aiohttp import web

from api.access.readers import reader_of
from api.http.call import Call
from api.http.documents import json_answer
from api.http.door import Handler
from api.http.routes import body_of, values_of
from api.managed.receiver import URL_FIELD, check_url, key_of
from api.managed.rotation import SecretRotated
from api.periods.instants import rfc3339
from api.settings import ApiSettings
from api.webhooks.answers import (
    WebhookDeadLetters,
    WebhookMade,
    WebhookReplay,
    Webhooks,
    shown,
    shown_dead_letter,
)
from api.webhooks.described import (
    CREATE_WEBHOOK,
    DELETE_WEBHOOK,
    ENABLE_WEBHOOK,
    LIST_WEBHOOK_DEAD_LETTERS,
    LIST_WEBHOOKS,
    REPLAY_WEBHOOK,
    ROTATE_WEBHOOK_SECRET,
)
from api.webhooks.store import WebhookStore
from schemas.bodies.body import refusal
from schemas.http.problems import FieldProblem, ProblemError
from schemas.managed.manager import manager_of
from schemas.webhooks.filter import ChangeFilter
from schemas.webhooks.forms import (
    MAX_WEBHOOKS,
    NO_KEY,
    NO_ONESIGNAL,
    ONESIGNAL,
    OVERLAP_HOURS,
    is_webhook_id,
    new_webhook,
    rotated,
)


class WebhookCalls:
    """The handlers."""

    def __init__(self, settings: ApiSettings, store: WebhookStore) -> None:
        self._settings = settings
        self._box = settings.secret_box
        self._store = store

    def handlers(self) -> dict[Call, Handler]:
        return {
            LIST_WEBHOOKS: self.all,
            CREATE_WEBHOOK: self.create,
            DELETE_WEBHOOK: self.delete,
            LIST_WEBHOOK_DEAD_LETTERS: self.dead_letters,
            ROTATE_WEBHOOK_SECRET: self.rotate,
            REPLAY_WEBHOOK: self.replay,
            ENABLE_WEBHOOK: self.enable,
        }

    async def all(self, _request: web.Request) -> web.Response:
        return json_answer(Webhooks(items=[shown(each) for each in await self._store.all()]))

    async def create(self, request: web.Request) -> web.Response:
        asked = body_of(request)
        wanted: ChangeFilter = asked.get("filter") or ChangeFilter()
        url = self._url(asked.get("url"), wanted)
        by = manager_of(reader_of(request))
        made = new_webhook(url, wanted, by, key_of(self._box, NO_KEY))
        if not await self._store.create(made.row):
            message = f"is one too many: there are {MAX_WEBHOOKS} webhooks, delete some"
            raise refusal([FieldProblem("url", message)])
        secret = None if url == ONESIGNAL else made.secret
        answer = WebhookMade(id=made.id, url=url, filter=wanted.document, secret=secret)
        return json_answer(answer, status=201)

    async def delete(self, request: web.Request) -> web.Response:
        webhook_id = _named(request)
        if not await self._store.delete(webhook_id, manager_of(reader_of(request))):
            raise _not_found()
        return web.Response(status=204)

    async def dead_letters(self, request: web.Request) -> web.Response:
        webhook_id = _named(request)
        found = await self._store.dead_letters(webhook_id)
        if not found and not await self._store.exists(webhook_id):
            raise _not_found()
        return json_answer(WebhookDeadLetters(items=[shown_dead_letter(row) for row in found]))

    async def rotate(self, request: web.Request) -> web.Response:
        webhook_id = _named(request)
        hours: int = body_of(request).get("overlap_hours", OVERLAP_HOURS)
        by = manager_of(reader_of(request))
        made = rotated(webhook_id, hours, by, key_of(self._box, NO_KEY))
        until = await self._store.rotate(made.row)
        if until is None:
            raise _not_found()
        answer = SecretRotated(secret=made.secret, previous_until=rfc3339(until))
        return json_answer(answer)

    async def replay(self, request: web.Request) -> web.Response:
        webhook_id = _named(request)
        begun = await self._store.replay(webhook_id, manager_of(reader_of(request)))
        if not begun and not await self._store.exists(webhook_id):
            raise _not_found()
        return json_answer(WebhookReplay(dead_letters=begun), status=202)

    async def enable(self, request: web.Request) -> web.Response:
        if not await self._store.enable(_named(request), manager_of(reader_of(request))):
            raise _not_found()
        return web.Response(status=204)

    def _url(self, url: str | None, wanted: ChangeFilter) -> str:
        """Where it goes: a timer's ``push`` stands instead of an address."""
        if wanted.timer is not None and wanted.timer.push is not None:
            if url is not None:
                message = "must be left out: a timer with a push goes to OneSignal"
                raise refusal([FieldProblem("url", message)])
            if not self._settings.onesignal_app_id:
                raise refusal([FieldProblem("filter.timer.push", NO_ONESIGNAL)])
            return ONESIGNAL
        if url is None:
            raise refusal([FieldProblem("url", URL_FIELD.missing)])
        check_url(self._settings, url)
        return url


def _named(request: web.Request) -> str:
    webhook_id: str = values_of(request)["webhook_id"]
    if not is_webhook_id(webhook_id):
        raise _not_found()
    return webhook_id


def _not_found() -> ProblemError:
    return ProblemError("not_found", "No webhook has this id.")
