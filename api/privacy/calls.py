"""The calls: of a user about themselves (``/api/v1/me``), with their own token and no scope; and of
support about a user by id, with the scope ``presence:privacy``. No cookie counts here.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, TypeAlias

from aiohttp import web

from api.access.readers import Readers, reader_of
from api.http.bodies import read_body
from api.http.documents import json_answer
from api.http.door import Door, Handler, method_not_allowed
from api.http.json_fields import BadFieldsError, document_of, flag, read_fields, refusal
from api.http.parameters import check_text, check_user_id, refuse_parameters
from api.http.paths import named_in_path
from api.metrics import ApiMetrics
from api.periods.instants import rfc3339
from api.presence.timeline import LOOKUP_PATH, TIMELINE_SUFFIX, USER_PATH
from api.privacy.data import TopicAges, stored_answer
from api.privacy.requests import PrivacyRequests, Requested
from api.privacy.store import PrivacyStore
from api.reads.audit import Call, ReadAudit
from api.scopes import PRIVACY_SCOPE
from schemas.http.cors import Cors
from schemas.http.problems import FieldProblem, ProblemError, rate_limited
from schemas.http.token_bucket import BucketPolicy, TokenBuckets
from schemas.log.topics import CHANGES, EVENTS
from schemas.tokens.identity import Identity

ME: Final = "/api/v1/me"
TRACKING, DATA = "/tracking", "/data"
ERASURES_PATH: Final = "/api/v1/erasures/"
MAX_BODY_BYTES: Final = 1_024
MAX_ERASURE_ID: Final = 64
#: Of one user about themselves: nobody flips a switch more often, and each is an event of the log.
OWN_CALLS: Final = BucketPolicy(per_second=0.2, burst=20)
#: Writes down who asks for it, before it is done.
Note: TypeAlias = Callable[[Call], Awaitable[None]]
_ANY_USER: Final = USER_PATH + r"{user_id:[\s\S]+}"


class PrivacyCalls:
    """The handlers."""

    def __init__(
        self,
        requests: PrivacyRequests,
        store: PrivacyStore,
        readers: Readers,
        metrics: ApiMetrics,
        reads: ReadAudit,
        cors: Cors,
        topics: TopicAges,
    ) -> None:
        self._topics = topics
        self._reads = reads
        self._cors = cors
        self._requests = requests
        self._store = store
        self._readers = readers
        self._own_calls = TokenBuckets(OWN_CALLS)
        self._body_timeouts = metrics.http.timeouts["body"]

    def add_routes(self, router: web.UrlDispatcher, door: Door) -> None:
        """Before those of users, for which it leaves other methods and paths."""
        mine: tuple[tuple[str, str, dict[str, Handler]], ...] = (
            (ME + TRACKING, "tracking", {"GET": self.my_tracking, "PUT": self.set_my_tracking}),
            (ME + DATA, "stored_data", {"GET": self.my_data}),
            (ME, "erase", {"DELETE": self.erase_me}),
        )
        for path, route, handlers in mine:
            if "GET" in handlers:
                handlers["HEAD"] = handlers["GET"]
            methods = ", ".join(sorted(handlers))
            handlers["OPTIONS"] = self._preflight(methods)
            handlers["*"] = method_not_allowed(", ".join(sorted(handlers)))
            for method, handler in handlers.items():
                router.add_route(method, path, self._for_pages(door.guard(route, handler)))
        wrong_method = self.wrong_method(door)
        router.add_put(_ANY_USER, self._put(door, wrong_method))
        for path in (LOOKUP_PATH, _ANY_USER):  # a user may be called `lookup`
            router.add_delete(path, self._delete(door, wrong_method))
        any_erasure = ERASURES_PATH + "{erasure_id}"
        router.add_get(any_erasure, door.guard("erasure", self.erasure))
        router.add_route("*", any_erasure, door.guard("erasure", method_not_allowed("GET, HEAD")))

    def _preflight(self, methods: str) -> Handler:
        """The answer to a browser that asks whether a page of another origin may call."""

        async def answer(request: web.Request) -> web.StreamResponse:
            origin = request.headers.get("Origin")
            return web.Response(status=204, headers=self._cors.preflight_headers(origin, methods))

        return answer

    def _for_pages(self, guarded: Handler) -> Handler:
        """What the app's own web pages may read, too."""

        async def answer(request: web.Request) -> web.StreamResponse:
            response = await guarded(request)
            added = dict(self._cors.headers(request.headers.get("Origin")))
            varies = filter(None, (response.headers.get("Vary"), added.pop("Vary", None)))
            response.headers.update(added)
            if varied := ", ".join(varies):
                response.headers["Vary"] = varied
            return response

        return answer

    def beside(self, user: Handler, door: Door) -> Handler:
        """The reads of a user's path: the guarded ones of others, and these."""
        tracking = door.guard("tracking", self.tracking)
        data = door.guard("stored_data", self.data)

        async def answer(request: web.Request) -> web.StreamResponse:
            path = request.rel_url.raw_path
            handler = tracking if _names(path, TRACKING) else data if _names(path, DATA) else user
            return await handler(request)

        return answer

    def wrong_method(self, door: Door) -> Handler:
        """For any method that a user's path does not know."""
        user = door.guard("user", method_not_allowed("DELETE, GET, HEAD"))
        parts = {
            TRACKING: door.guard("tracking", method_not_allowed("GET, HEAD, PUT")),
            DATA: door.guard("stored_data", method_not_allowed("GET, HEAD")),
            TIMELINE_SUFFIX: door.guard("timeline", method_not_allowed("GET, HEAD")),
        }

        async def answer(request: web.Request) -> web.StreamResponse:
            path = request.rel_url.raw_path
            of_part = (refuse for part, refuse in parts.items() if _names(path, part))
            return await next(of_part, user)(request)

        return answer

    async def my_tracking(self, request: web.Request) -> web.Response:
        user_id = await self._me(request)
        return json_answer({"enabled": await self._requests.is_enabled(user_id)})

    async def set_my_tracking(self, request: web.Request) -> web.Response:
        user_id = await self._me(request)
        return await self._set_tracking(request, user_id, partial(self._reads.own, user_id))

    async def my_data(self, request: web.Request) -> web.Response:
        identity = await self._caller(request)
        return await self._data(identity, identity.user)

    async def erase_me(self, request: web.Request) -> web.Response:
        user_id = await self._me(request)
        await self._requests.usable_hash()
        await self._reads.own(user_id, "erase")
        requested = await self._requests.erase(user_id, wait=True)
        return _erasing(requested, 200 if requested.done else 202)

    async def tracking(self, request: web.Request) -> web.Response:
        user_id = await self._named(request, TRACKING)
        enabled = await self._requests.is_enabled(user_id)
        await self._reads.users(reader_of(request), "tracking", {user_id: 1})
        return json_answer({"enabled": enabled})

    async def set_tracking(self, request: web.Request) -> web.Response:
        user_id = await self._named(request, TRACKING)
        return await self._set_tracking(request, user_id, self._by_support(request, user_id))

    async def data(self, request: web.Request) -> web.Response:
        user_id = await self._named(request, DATA)
        answer = await self._data(reader_of(request), user_id)
        await self._reads.users(reader_of(request), "stored_data", {user_id: 1})
        return answer

    async def erase(self, request: web.Request) -> web.Response:
        user_id = await self._named(request, "")
        await self._requests.usable_hash()
        await self._by_support(request, user_id)("erase")
        return _erasing(await self._requests.erase(user_id, wait=False), 202)

    async def erasure(self, request: web.Request) -> web.Response:
        await self._readers.admit(request, cookie=False, scope=PRIVACY_SCOPE)
        refuse_parameters(request.rel_url.raw_query_string)
        named = named_in_path(request.rel_url.raw_path, ERASURES_PATH)
        found = await self._store.erasure(check_text("erasure_id", named, MAX_ERASURE_ID))
        if found is None:
            raise ProblemError("not_found", "No erasure has this id; or it is not stored yet.")
        erased_at = found.erased_at
        return json_answer(
            {
                "erasure_id": found.erasure_id,
                "kind": found.kind,
                "requested_at": rfc3339(found.requested_at),
                "erased_at": rfc3339(erased_at),
                "removed": found.removed,
                "events_gone_by": rfc3339(self._topics.gone_by(EVENTS, erased_at)),
                "changes_gone_by": rfc3339(self._topics.gone_by(CHANGES, erased_at)),
            }
        )

    def _put(self, door: Door, wrong_method: Handler) -> Handler:
        set_tracking = door.guard("tracking", self.set_tracking)

        async def answer(request: web.Request) -> web.StreamResponse:
            is_ours = _names(request.rel_url.raw_path, TRACKING)
            return await (set_tracking if is_ours else wrong_method)(request)

        return answer

    def _delete(self, door: Door, wrong_method: Handler) -> Handler:
        erase = door.guard("erase", self.erase)

        async def answer(request: web.Request) -> web.StreamResponse:
            path = request.rel_url.raw_path
            is_part = any(_names(path, part) for part in (TRACKING, DATA, TIMELINE_SUFFIX))
            return await (wrong_method if is_part else erase)(request)

        return answer

    async def _me(self, request: web.Request) -> str:
        return (await self._caller(request)).user

    async def _caller(self, request: web.Request) -> Identity:
        identity = await self._readers.user_of(request)
        wait_seconds = self._own_calls.take(identity.user, time.monotonic())
        if wait_seconds:
            raise rate_limited("This user asks more often than any app needs to.", wait_seconds)
        refuse_parameters(request.rel_url.raw_query_string)
        return identity

    async def _named(self, request: web.Request, part: str) -> str:
        await self._readers.admit(request, cookie=False, scope=PRIVACY_SCOPE)
        refuse_parameters(request.rel_url.raw_query_string)
        return check_user_id(named_in_path(request.rel_url.raw_path, USER_PATH, part))

    def _by_support(self, request: web.Request, user_id: str) -> Note:
        """Raises ``ProblemError``: what cannot be noted is not done."""
        reader = reader_of(request)
        return lambda call: self._reads.users(reader, call, {user_id: 0})

    async def _set_tracking(self, request: web.Request, user_id: str, note: Note) -> web.Response:
        body = await read_body(request, MAX_BODY_BYTES, self._body_timeouts)
        enabled = _enabled(body)
        await self._requests.usable_hash()
        await note("opt_in" if enabled else "opt_out")
        requested = await self._requests.set_enabled(user_id, enabled)
        answer = {"enabled": enabled, "done": requested.done}
        return json_answer(answer, status=200 if requested.done else 202)

    async def _data(self, reader: Identity, user_id: str) -> web.Response:
        enabled = await self._requests.is_enabled(user_id)
        user_hash = self._requests.hash_of(user_id)
        # Without a key rows of the audit have no subject.
        subject = None if user_hash is None else self._reads.of_user(user_id)
        rows, kept_days = await self._store.stored(reader, user_id, user_hash, subject)
        return json_answer(stored_answer(user_id, enabled, rows, kept_days, self._topics))


def _names(raw_path: str, part: str) -> bool:
    """Whether the path is of that part of a user; a slash of the id itself is percent-encoded."""
    return raw_path.endswith(part) and len(raw_path) > len(USER_PATH) + len(part)


def _enabled(body: bytes) -> bool:
    """Raises ``ProblemError`` ``bad_json`` or ``bad_field``: a name that is not known is a typo,
    and must not look like an opt-out that was done."""
    try:
        said = read_fields(document_of(body, '{"enabled": false}'), {"enabled": flag})
    except BadFieldsError as error:
        raise refusal(error.problems) from None
    if "enabled" not in said:
        raise refusal([FieldProblem("enabled", "is missing: false opts out, true opts in again")])
    return bool(said["enabled"])


def _erasing(requested: Requested, status: int) -> web.Response:
    return json_answer({"erasure_id": requested.id, "done": requested.done}, status=status)
