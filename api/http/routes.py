"""From declared calls to routes: each path answers its methods, and 405 to every other.

A user or a screen may be called anything, with slashes too, and paths are decoded before they are
routed: so all paths below such a name share one route, which tells them apart by the path as it was
sent. The name of ``/api/v1/users/{user_id}/data`` is what stands before ``/data``; of a user who is
called ``a/data`` that is sent as ``a%2Fdata``. A method that ``/api/v1/users/lookup`` does not have
is one about the user who is called ``lookup``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from api.access.readers import Readers
from api.http.bodies import read_body
from api.http.call import Call
from api.http.documents import in_file
from api.http.door import Door, Handler, method_not_allowed
from api.http.parameters import parse, parse_named
from api.http.paths import named_in_path
from api.metrics import ApiMetrics
from schemas.http.cors import Cors

_VALUES: Final = web.RequestKey("api_values", dict[str, Any])
_BODY: Final = web.RequestKey("api_body", object)
#: Names of these hold any character.
_ANY_NAMES: Final = ("{user_id}", "{screen}")


def values_of(request: web.Request) -> dict[str, Any]:
    """What the parameters of a request's call have become, those in its path included."""
    return request[_VALUES]


def body_of(request: web.Request) -> Any:
    """What the body of a request has become, of a call that declares one."""
    return request[_BODY]


@dataclass(frozen=True, slots=True)
class _Path:
    path: str
    methods: Mapping[str, Handler]
    refuse: Handler

    async def answer(self, request: web.Request) -> web.StreamResponse:
        return await self.methods.get(request.method, self.refuse)(request)

    def is_of(self, raw_path: str) -> bool:
        """Of a path with a name in it."""
        before, after = _around_name(self.path)
        if "{" not in self.path:
            return raw_path == self.path
        return raw_path.endswith(after) and len(raw_path) > len(before) + len(after)


class Routes:
    """Adds the routes of declared calls, each with its handler."""

    def __init__(self, door: Door, readers: Readers, cors: Cors, metrics: ApiMetrics) -> None:
        self._door = door
        self._readers = readers
        self._cors = cors
        self._body_timeouts = metrics.http.timeouts["body"]

    def add(
        self, router: web.UrlDispatcher, calls: Iterable[Call], handlers: Mapping[Call, Handler]
    ) -> None:
        """Raises ``KeyError`` for a call without a handler."""
        by_path: dict[str, list[Call]] = {}
        for call in calls:
            by_path.setdefault(call.path, []).append(call)
        families = [path for path in by_path if path.endswith(_ANY_NAMES)]
        for path, its_calls in by_path.items():
            if not any(path.startswith(_around_name(family)[0]) for family in families):
                router.add_route("*", path, self._path(its_calls, handlers).answer)
        for family in families:
            self._add_family(router, family, by_path, handlers)

    def _add_family(
        self,
        router: web.UrlDispatcher,
        family: str,
        by_path: Mapping[str, list[Call]],
        handlers: Mapping[Call, Handler],
    ) -> None:
        before, _ = _around_name(family)
        every = self._path(by_path[family], handlers)
        literal: list[_Path] = []
        suffixed: list[_Path] = []
        for path, calls in by_path.items():
            if path == family or not path.startswith(before):
                continue
            if "{" in path:
                suffixed.append(self._path(calls, handlers))
            else:
                literal.append(self._path([*calls, *by_path[family]], handlers))
        paths = (*literal, *suffixed)

        async def answer(request: web.Request) -> web.StreamResponse:
            raw_path = request.rel_url.raw_path
            found = next((each for each in paths if each.is_of(raw_path)), every)
            return await found.answer(request)

        router.add_route("*", family[:-1] + r":[\s\S]+}", answer)

    def _path(self, calls: list[Call], handlers: Mapping[Call, Handler]) -> _Path:
        """All of one path; of two calls with one method the first."""
        of_pages = any(call.of_pages for call in calls)
        methods: dict[str, Handler] = {}
        for call in calls:
            guarded = self._door.guard(call.route, self._asked(call, handlers[call]), call.headers)
            methods.setdefault(call.method, self._for_pages(guarded) if of_pages else guarded)
        if "GET" in methods:
            methods["HEAD"] = methods["GET"]
        route = calls[0].route
        if of_pages:
            preflight = self._door.guard(route, self._preflight(", ".join(sorted(methods))))
            methods["OPTIONS"] = self._for_pages(preflight)
        refuse = self._door.guard(route, method_not_allowed(", ".join(sorted(methods))))
        return _Path(calls[0].path, methods, self._for_pages(refuse) if of_pages else refuse)

    def _asked(self, call: Call, handler: Handler) -> Handler:
        """``handler`` for who may make the call, with its parameters at hand."""
        before, after = _around_name(call.path)
        in_query = {each.name: each for each in call.parameters if each.place == "query"}
        differs = any(each.parse_in_file for each in call.parameters)
        in_path = next((each for each in call.parameters if each.place == "path"), None)

        async def answer(request: web.Request) -> web.StreamResponse:
            if call.may.own:
                await self._readers.user_of(request)
            elif call.may.scope is not None:
                await self._readers.admit(request, cookie=call.may.cookie, scope=call.may.scope)
            if not call.ignores_parameters:
                query = request.rel_url.raw_query_string
                is_file = differs and in_file(request)
                values = parse(query, in_query, in_file=is_file) if query else {}
                if in_path is not None:
                    named = named_in_path(request.rel_url.raw_path, before, after)
                    values[in_path.name] = parse_named(in_path, named)
                request[_VALUES] = values
            if call.body is not None:
                body = await read_body(request, call.body.max_bytes, self._body_timeouts)
                request[_BODY] = call.body.parse(body)
            return await handler(request)

        return answer

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


def _around_name(path: str) -> tuple[str, str]:
    """What stands in a path before its name, and what after it."""
    before, _, rest = path.partition("{")
    return before, rest.partition("}")[2]
