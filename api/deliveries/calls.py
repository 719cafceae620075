"""``/api/v1/audiences/deliveries``: an audience to a push provider, without a file in between.

Wants the scope ``presence:export``, as files do. Here it is written what is to be sent; notify
sends it (``processor/targeting``).
"""

from __future__ import annotations

import uuid
from typing import Final

import msgspec
from aiohttp import web

from api.access.readers import reader_of
from api.audiences.export import while_connected
from api.deliveries.answers import Deliveries, Delivery, DeliveryDestination
from api.deliveries.described import (
    CANCEL_DELIVERY,
    LIST_DELIVERIES,
    READ_DELIVERY,
    RESUME_DELIVERY,
    SEND_AUDIENCE,
)
from api.deliveries.store import DeliveryStore
from api.deliveries.wish import Wish
from api.http.call import Call
from api.http.documents import json_answer
from api.http.door import Handler
from api.http.parameters import bad_parameter
from api.http.routes import body_of, values_of
from api.reads.audit import ReadAudit
from api.settings import ApiSettings
from schemas.bodies.body import refusal
from schemas.deliveries.forms import NO_DESTINATION, NOT_RESUMABLE
from schemas.http.problems import FieldProblem, ProblemError
from schemas.managed.manager import manager_of
from schemas.webhooks.forms import NO_ONESIGNAL, ONESIGNAL

_NAMED_IN_PROBLEM: Final = 10


class DeliveryCalls:
    """The handlers."""

    def __init__(self, settings: ApiSettings, store: DeliveryStore, reads: ReadAudit) -> None:
        self._has_onesignal = bool(settings.onesignal_app_id)
        self._store = store
        self._reads = reads

    def handlers(self) -> dict[Call, Handler]:
        return {
            LIST_DELIVERIES: self.all,
            SEND_AUDIENCE: self.create,
            READ_DELIVERY: self.one,
            CANCEL_DELIVERY: self.cancel,
            RESUME_DELIVERY: self.resume,
        }

    async def all(self, _request: web.Request) -> web.Response:
        items = await self._store.all()
        return json_answer(Deliveries(items=items, destinations=await self._destinations()))

    async def one(self, request: web.Request) -> web.Response:
        return json_answer(await self._found(_named(request)))

    async def create(self, request: web.Request) -> web.Response:
        reader = reader_of(request)
        wish: Wish = body_of(request)
        known = [each.id for each in await self._destinations()]
        if wish.destination not in known:
            raise refusal([FieldProblem("to", _where(known))])
        document = msgspec.json.encode(wish.filter.document)
        await self._reads.filter(reader, "audience_delivery", document, 0)
        await while_connected(request, self._store.begin(reader, wish, document))
        made = await self._found(wish.id)
        self._reads.filter_later(reader, "audience_delivery", document, made.users, calls=0)
        return json_answer(made, status=202)

    async def cancel(self, request: web.Request) -> web.Response:
        delivery = _named(request)
        await self._store.cancel(delivery, manager_of(reader_of(request)))
        return json_answer(await self._found(delivery), status=202)

    async def resume(self, request: web.Request) -> web.Response:
        delivery = _named(request)
        found = await self._found(delivery)
        if found.state == "failed":
            known = [each.id for each in await self._destinations()]
            if found.destination not in known:
                why = (
                    NO_ONESIGNAL if found.destination == ONESIGNAL else f"cannot: {NO_DESTINATION}"
                )
                raise bad_parameter("delivery_id", why)
            await self._store.resume(delivery, manager_of(reader_of(request)))
            found = await self._found(delivery)
        if found.ended_at is not None:
            raise bad_parameter("delivery_id", NOT_RESUMABLE)
        return json_answer(found, status=202)

    async def _found(self, delivery: uuid.UUID) -> Delivery:
        found = await self._store.one(delivery)
        if found is None:
            raise _not_found()
        return found

    async def _destinations(self) -> list[DeliveryDestination]:
        webhooks = await self._store.destinations()
        if not self._has_onesignal:
            return webhooks
        return [DeliveryDestination(id=ONESIGNAL, address="OneSignal"), *webhooks]


def _named(request: web.Request) -> uuid.UUID:
    try:
        return uuid.UUID(values_of(request)["delivery_id"])
    except ValueError:
        raise _not_found() from None


def _where(known: list[str]) -> str:
    if known:
        return f"is no destination: there is {', '.join(known[:_NAMED_IN_PROBLEM])}"
    return (
        "is no destination, and there is none: make a webhook with the filter "
        '{"of": "audience"}, or set ROLLCALL_ONESIGNAL_APP_ID'
    )


def _not_found() -> ProblemError:
    return ProblemError("not_found", "No delivery has this id.")
