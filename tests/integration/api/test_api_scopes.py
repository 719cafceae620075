"""Who may make which call: every call of the API, with nobody's, a user's, staff's and a program's
token of each scope.

Whom a call is for is said where it is declared (``api.openapi.CALLS``), and once more, by the
beginning of its path, in ``tests/unit/schemas/test_openapi.py``. Here is what a call is sent beside
its path, and its answer to those who may where that is not 200.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import pytest
import pytest_asyncio
from aiohttp import web
from prometheus_client import CollectorRegistry
from yarl import URL

from api.app import create_app
from api.metrics import PAGE_ROUTES
from api.openapi import CALLS as DECLARED
from api.openapi import document
from api.scopes import AUDIT_SCOPE, EXPORT_SCOPE, MANAGE_SCOPE, PRIVACY_SCOPE, READ_SCOPE
from deploy.roles.api_keys import KeyTable
from tests.conftest import fresh_database
from tests.rigs.api_harness import Api, Table, api_settings, running_api, token, token_by
from tests.rigs.samples import sums_by

DOCUMENT = document("0")
STAFF_SECRET = "the secret of staff, of 32 bytes and more"
SCOPES = (READ_SCOPE, EXPORT_SCOPE, AUDIT_SCOPE, PRIVACY_SCOPE, MANAGE_SCOPE)
#: Nothing here asks Kafka: where privacy events are not allowed yet, those who may are told that.
NOT_YET = 503
REFUSED = (401, 403)

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(frozen=True)
class Call:
    """One line of the matrix: ``scopes`` are what it asks of staff and programs, ``own`` is a
    user's about themselves; without either it is for everybody. ``status`` is the answer to those
    who may, ``at`` an address of ``path``."""

    method: str
    path: str
    scopes: tuple[str, ...] = ()
    own: bool = False
    status: int = 200
    at: str = ""
    sent: dict[str, Any] = field(default_factory=dict)
    is_page: bool = False

    def allows(self, caller: Caller) -> bool:
        if self.own:
            return caller.is_user
        return caller.scopes.issuperset(self.scopes)


@dataclass(frozen=True)
class Caller:
    """Somebody with a token. ``is_user``: it is one of the phones' issuer, not a program's key."""

    name: str
    bearer: str | None
    scopes: frozenset[str] = frozenset()
    is_user: bool = False


def page(path: str, scope: str = READ_SCOPE) -> Call:
    at = path.format(user_id="ada", screen="Home")
    return Call("GET", path, (READ_SCOPE, scope), at=at, is_page=True)


VIEW: Final = {"json": {"name": "Cart", "address": "/users?screen=Cart"}}
RULE: Final = {"rule": {"name": "Few", "of": "online", "is": "below", "value": 9}}
URL_SENT: Final = {"url": "https://example.com/"}
OPT_OUT: Final = {"json": {"enabled": False}}
#: By operation.
SENT: Final[dict[str, dict[str, Any]]] = {
    "setMyTracking": OPT_OUT,
    "setTracking": OPT_OUT,
    "lookUpUsers": {"json": {"user_ids": ["ada"]}},
    "readFunnel": {"params": {"step1": "Home", "step2": "Cart"}},
    "readBreakdown": {"params": {"by": "platform"}},
    "previewAudience": {"data": b"{}"},
    "exportAudience": {"data": b"{}"},
    # There is nowhere to send it.
    "sendAudience": {"json": {"filter": {}, "to": "wh_0123456789abcdef", "name": "Sale"}},
    "addNote": {"json": {"text": "Release 4.2"}},
    "addView": VIEW,
    "changeView": VIEW,
    "createWebhook": {"json": URL_SENT},
    "createAlert": {"json": {**RULE, **URL_SENT}},
    "tryAlert": {"json": RULE},
    "createShareLink": {"json": {"name": "Lobby"}},
}
_SIGNING = ("createWebhook", "rotateWebhookSecret", "createAlert", "rotateAlertSecret")
STATUS: Final = {
    **dict.fromkeys(("setMyTracking", "eraseMe", "setTracking", "eraseUser"), NOT_YET),
    # Without ROLLCALL_ENCRYPTION_KEY no secret is made.
    **dict.fromkeys(_SIGNING, NOT_YET),
    **dict.fromkeys(("addNote", "addView", "createShareLink"), 201),
    **dict.fromkeys(("readErasure", "deleteNote", "readView", "changeView", "deleteView"), 404),
    **dict.fromkeys(("deleteWebhook", "listWebhookDeadLetters", "replayWebhook"), 404),
    **dict.fromkeys(("enableWebhook", "deleteAlert", "deleteShareLink", "readShared"), 404),
    "sendAudience": 422,
    **dict.fromkeys(("readDelivery", "cancelDelivery", "resumeDelivery"), 404),
}
CALLS: Final = (
    *(
        Call(
            each.method,
            each.path,
            () if each.may.scope is None else (each.may.scope,),
            own=each.may.own,
            status=STATUS.get(each.operation, 200),
            sent=SENT.get(each.operation, {}),
        )
        for each in DECLARED
    ),
    # The router knows a user's path by its methods alone; `lookup` may be a user's name.
    Call("PUT", "/api/v1/users/{user_id}", status=405),
    Call("GET", "/api/v1/users/lookup", (READ_SCOPE,)),
    Call("DELETE", "/api/v1/users/lookup", (PRIVACY_SCOPE,), status=NOT_YET),
    # Everybody's pages.
    Call("GET", "/docs"),
    Call("GET", "/static/{version}/{name}", at="/static/x/rollcall.css"),
    Call("GET", "/login"),
    Call("POST", "/login", status=401),
    Call("POST", "/logout", status=303),
    Call("GET", "/shared/{token}", status=404),
    # The dashboard's: who may not is led to the login, or told on a page.
    *(page(path) for path in ("/", "/users", "/users/{user_id}", "/screens", "/screens/{screen}")),
    *(page(path) for path in ("/funnel", "/active-users", "/retention", "/screen-rules")),
    page("/health"),
    Call("GET", "/views/{id}", (READ_SCOPE,), status=404, is_page=True),
    page("/audience", EXPORT_SCOPE),
    page("/audit", AUDIT_SCOPE),
    *(page(path, MANAGE_SCOPE) for path in ("/alerts", "/webhooks", "/share-links")),
    Call(
        "POST",
        "/audience/export",
        (EXPORT_SCOPE,),
        sent={"data": {"filter": "{}", "format": "csv"}},
        is_page=True,
    ),
)


def addressed(call: Call) -> str:
    return call.at or call.path.format(
        user_id="ada",
        screen="Home",
        erasure_id="none",
        id="0" * 32,
        webhook_id="wh_0123456789abcdef",
        alert_id="al_0123456789abcdef",
        delivery_id="0" * 32,
        token="x" * 43,
    )


def of_the_router(app: web.Application) -> set[tuple[str, str]]:
    """Methods and paths; all methods of a declared path are one, ``*``."""
    return {
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None and route.method not in ("*", "HEAD", "OPTIONS")
    }


async def test_no_page_is_without_a_line_of_this_matrix() -> None:
    app = create_app(
        api_settings("postgresql://nobody@127.0.0.1:1/none"), registry=CollectorRegistry()
    )
    assert of_the_router(app) <= {(call.method, call.path) for call in CALLS}


@pytest.fixture(scope="module")
def database_url(postgres_url: str, template_database: str) -> Iterator[str]:
    with fresh_database(postgres_url, template_database) as url:
        table = Table(url)
        table.deployment(1)
        table.offsets(0, foreground=1)
        table.user("ada", screen="Home")
        table.user("lookup")
        table.close()
        yield url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(database_url: str) -> AsyncIterator[Api]:
    patient = api_settings(database_url, auth_failures_burst=10_000, count_calls_burst=10_000)
    async with running_api(patient) as running:
        yield running


def tokens(**claims: str) -> list[Caller]:
    """A user's token without scopes, staff's of each scope, and one with all."""
    of_scopes = [(), *((scope,) for scope in SCOPES), SCOPES]
    return [
        Caller(
            f"token of {scopes}",
            # Each of a user of its own: these are limited.
            token(f"user-{number}", scope=" ".join(scopes) or None, **claims),
            frozenset(scopes),
            is_user=True,
        )
        for number, scopes in enumerate(of_scopes)
    ]


def keys(database_url: str, prefix: str) -> list[Caller]:
    table = KeyTable(database_url)
    return [
        Caller(
            f"key of {scopes}",
            table.create(f"{prefix} {number}", list(scopes), None),
            frozenset(scopes),
        )
        for number, scopes in enumerate([*((scope,) for scope in SCOPES), SCOPES])
    ]


async def answer_to(api: Api, call: Call, bearer: str | None) -> tuple[int, str]:
    """Status and ``Location``; the body of a feed has no end."""
    headers = {} if bearer is None else {"Authorization": f"Bearer {bearer}"}
    url = URL(api.origin + addressed(call), encoded=True)
    async with api.http.request(
        call.method, url, headers=headers, allow_redirects=False, **call.sent
    ) as answer:
        return answer.status, answer.headers.get("Location", "")


async def test_each_call_is_for_those_with_its_scope_and_nobody_else(
    api: Api, database_url: str
) -> None:
    callers = [Caller("nobody", None), *tokens(), *keys(database_url, "of this test")]
    for call in CALLS:
        for caller in callers:
            status, location = await answer_to(api, call, caller.bearer)
            case = (call.method, call.path, caller.name, status)
            if call.allows(caller):
                assert status == call.status, case
                assert is_declared(call, status), case
            elif call.is_page and location:
                assert (status, location.partition("?")[0]) == (303, "/login"), case
            else:
                assert status == (401 if caller.bearer is None else 403), case
                assert is_declared(call, status), case
    counted = sums_by(api.registry, "rollcall_api_requests_total", "route")
    routes = {each.route for each in DECLARED} | set(PAGE_ROUTES)
    assert {route for route in routes if not counted[route]} <= {"other"}, "nobody called them"


def is_declared(call: Call, status: int) -> bool:
    """Whether the OpenAPI document says that such an answer may come."""
    operation = DOCUMENT["paths"].get(call.path, {}).get(call.method.lower())
    return operation is None or str(status) in operation["responses"]


async def test_where_staff_has_an_issuer_a_phone_may_do_its_own_calls_alone(
    database_url: str,
) -> None:
    settings = api_settings(database_url, staff_jwt_secret=STAFF_SECRET, auth_failures_burst=10_000)
    phones = [caller for caller in tokens() if caller.scopes in (frozenset(), frozenset(SCOPES))]
    every = " ".join(SCOPES)
    staff = Caller("staff", token_by(STAFF_SECRET, scope=every), frozenset(SCOPES))
    async with running_api(settings) as api:
        for call in CALLS:
            if not (call.own or call.scopes):
                continue
            for phone in phones:
                status, location = await answer_to(api, call, phone.bearer)
                case = (call.method, call.path, phone.name, status)
                if call.own:
                    assert status == call.status, case
                else:
                    assert status == 403 or location.startswith("/login"), case
            status, _ = await answer_to(api, call, staff.bearer)
            assert status == (401 if call.own else call.status), (call.method, call.path, status)
