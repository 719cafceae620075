"""The calls: of a user about themselves (``/api/v1/me``), with their own token and no scope; and of
support about a user by id, with the scope ``presence:privacy``. No cookie counts here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeAlias

from aiohttp import web

from api.access.readers import reader_of
from api.http.call import Call
from api.http.documents import json_answer
from api.http.door import Handler
from api.http.routes import body_of, values_of
from api.periods.instants import rfc3339
from api.privacy.answers import Erasing, Erasure, Tracking, TrackingSet
from api.privacy.data import TopicAges, stored_answer
from api.privacy.described import (
    ERASE_ME,
    ERASE_USER,
    READ_ERASURE,
    READ_MY_DATA,
    READ_MY_TRACKING,
    READ_TRACKING,
    READ_USER_DATA,
    SET_MY_TRACKING,
    SET_TRACKING,
)
from api.privacy.requests import PrivacyRequests, Requested
from api.privacy.store import PrivacyStore
from api.reads.audit import Call as AuditedCall
from api.reads.audit import ReadAudit
from schemas.http.problems import ProblemError
from schemas.log.topics import CHANGES, EVENTS
from schemas.tokens.identity import Identity

#: Writes down who asks for it, before it is done.
Note: TypeAlias = Callable[[AuditedCall], Awaitable[None]]


class PrivacyCalls:
    """The handlers."""

    def __init__(
        self,
        requests: PrivacyRequests,
        store: PrivacyStore,
        reads: ReadAudit,
        topics: TopicAges,
    ) -> None:
        self._topics = topics
        self._reads = reads
        self._requests = requests
        self._store = store

    def handlers(self) -> dict[Call, Handler]:
        return {
            READ_MY_TRACKING: self.my_tracking,
            SET_MY_TRACKING: self.set_my_tracking,
            READ_MY_DATA: self.my_data,
            ERASE_ME: self.erase_me,
            READ_TRACKING: self.tracking,
            SET_TRACKING: self.set_tracking,
            READ_USER_DATA: self.data,
            ERASE_USER: self.erase,
            READ_ERASURE: self.erasure,
        }

    async def my_tracking(self, request: web.Request) -> web.Response:
        user_id = reader_of(request).user
        return json_answer(Tracking(await self._requests.is_enabled(user_id)))

    async def set_my_tracking(self, request: web.Request) -> web.Response:
        user_id = reader_of(request).user
        return await self._set_tracking(request, user_id, partial(self._reads.own, user_id))

    async def my_data(self, request: web.Request) -> web.Response:
        identity = reader_of(request)
        return await self._data(identity, identity.user)

    async def erase_me(self, request: web.Request) -> web.Response:
        user_id = reader_of(request).user
        await self._requests.usable_hash()
        await self._reads.own(user_id, "erase")
        requested = await self._requests.erase(user_id, wait=True)
        return _erasing(requested, 200 if requested.done else 202)

    async def tracking(self, request: web.Request) -> web.Response:
        user_id = str(values_of(request)["user_id"])
        enabled = await self._requests.is_enabled(user_id)
        await self._reads.users(reader_of(request), "tracking", {user_id: 1})
        return json_answer(Tracking(enabled))

    async def set_tracking(self, request: web.Request) -> web.Response:
        user_id = str(values_of(request)["user_id"])
        return await self._set_tracking(request, user_id, self._by_support(request, user_id))

    async def data(self, request: web.Request) -> web.Response:
        user_id = str(values_of(request)["user_id"])
        answer = await self._data(reader_of(request), user_id)
        await self._reads.users(reader_of(request), "stored_data", {user_id: 1})
        return answer

    async def erase(self, request: web.Request) -> web.Response:
        user_id = str(values_of(request)["user_id"])
        await self._requests.usable_hash()
        await self._by_support(request, user_id)("erase")
        return _erasing(await self._requests.erase(user_id, wait=False), 202)

    async def erasure(self, request: web.Request) -> web.Response:
        found = await self._store.erasure(values_of(request)["erasure_id"])
        if found is None:
            raise ProblemError("not_found", "No erasure has this id; or it is not stored yet.")
        erased_at = found.erased_at
        return json_answer(
            Erasure(
                erasure_id=found.erasure_id,
                kind=found.kind,
                requested_at=rfc3339(found.requested_at),
                erased_at=rfc3339(erased_at),
                removed=found.removed,
                events_gone_by=rfc3339(self._topics.gone_by(EVENTS, erased_at)),
                changes_gone_by=rfc3339(self._topics.gone_by(CHANGES, erased_at)),
            )
        )

    def _by_support(self, request: web.Request, user_id: str) -> Note:
        """Raises ``ProblemError``: what cannot be noted is not done."""
        reader = reader_of(request)
        return lambda call: self._reads.users(reader, call, {user_id: 0})

    async def _set_tracking(self, request: web.Request, user_id: str, note: Note) -> web.Response:
        enabled: bool = body_of(request)["enabled"]
        await self._requests.usable_hash()
        await note("opt_in" if enabled else "opt_out")
        requested = await self._requests.set_enabled(user_id, enabled)
        answer = TrackingSet(enabled, requested.done)
        return json_answer(answer, status=200 if requested.done else 202)

    async def _data(self, reader: Identity, user_id: str) -> web.Response:
        enabled = await self._requests.is_enabled(user_id)
        user_hash = self._requests.hash_of(user_id)
        # Without a key rows of the audit have no subject.
        subject = None if user_hash is None else self._reads.of_user(user_id)
        rows, kept_days = await self._store.stored(reader, user_id, user_hash, subject)
        return json_answer(stored_answer(user_id, enabled, rows, kept_days, self._topics))


def _erasing(requested: Requested, status: int) -> web.Response:
    return json_answer(Erasing(requested.id, requested.done), status=status)
