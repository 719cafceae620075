"""The API answers as its OpenAPI document says, whatever it is asked."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
import requests
from anyio.from_thread import start_blocking_portal
from psycopg.types.json import Jsonb

from api.metrics import PAGE_ROUTES
from api.openapi import CALLS as DECLARED
from api.openapi import document
from schemas.service.distribution import rollcall_version
from tests.conftest import fresh_database
from tests.integration.processor.small_fleet import small_fleet, store
from tests.rigs.api_harness import Api, Table, api_settings, running_api, token
from tests.rigs.maintenance_rig import run
from tests.rigs.samples import sums_by

if TYPE_CHECKING:
    from schemathesis import Case
    from schemathesis.schemas import BaseSchema

# schemathesis does it itself; Hypothesis has seeded the module.
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module")

FEED = "/api/v1/feed"
NOW = datetime(2026, 3, 30, 12, tzinfo=UTC)
DOCUMENT = document("0")
ROUTES = (*dict.fromkeys(call.route for call in DECLARED), *PAGE_ROUTES)
USERS = ("user-1", "user-2", "user-3", "a/b", "Zoë|😀", "lookup", "x/timeline")
SCREENS = ("Home", "Cart", "Checkout", "(none)", "a/b")
SCOPES = "presence:read presence:export presence:audit presence:manage"
STAFF = token(scope=SCOPES, exp=None)
#: What paths name in calls that somebody makes.
NAMED = {
    "user_id": "user-1",
    "screen": "Cart",
    "id": "0" * 32,
    "webhook_id": "wh_0123456789abcdef",
    "alert_id": "al_0123456789abcdef",
    "delivery_id": "0" * 32,
    "token": "x" * 43,
}
ALERT = {"name": "Few people", "of": "online", "is": "below", "value": 100}

BODIES: dict[str, Any] = {
    "/api/v1/users/lookup": {"user_ids": ["user-1", "bob"]},
    "/api/v1/webhooks": {"url": "https://crm.example.com/"},
    "/api/v1/alerts": {"url": "https://crm.example.com/", "rule": ALERT},
    "/api/v1/alerts/try": {"rule": ALERT},
    "/api/v1/audiences/preview": {"online": True},
    "/api/v1/audiences/deliveries": {"filter": {}, "to": "onesignal", "name": "Sale"},
    "/api/v1/annotations": {"text": "Release 4.2"},
    "/api/v1/share-links": {"name": "Lobby", "expires_in_hours": 24},
    "/api/v1/views": {"name": "Cart", "address": "/users?screen=Cart"},
    "/api/v1/audiences/export": {"app_version": {"op": ">=", "version": "1.9"}},
}


def instants(*hours: float) -> list[str]:
    """So many hours before now."""
    return [(NOW - timedelta(hours=each)).isoformat() for each in hours]


LIKELY = {
    "query.from": [*instants(1, 3, 25.25, 100, 400), "2026-03-20", "2026-03-29"],
    "query.to": [*instants(0, 0.25, 2, 99), "2026-03-30", "2026-03-29"],
    "query.at": instants(0, 1.01, 30.3, 200),
    "query.tz": ["Europe/Berlin", "UTC", "Asia/Kolkata"],
    "query.screen": SCREENS,
    "query.from_screen": SCREENS,
    "query.to_screen": SCREENS,
    "path.screen": SCREENS,
    "path.user_id": USERS,
    "path.webhook_id": [NAMED["webhook_id"]],
    "body.url": [BODIES["/api/v1/webhooks"]["url"]],
}


@cache
def everything() -> BaseSchema:
    from tests.openapi_harness import described

    return described(
        3,
        auth={"staffToken": STAFF},
        likely=LIKELY,
        # `Allow` of /users/lookup tells of GET too, which is of a user called so. Who is refused is
        # below and in test_api_scopes.py: each question a second time without a token doubles all.
        unchecked=("allow_header_conformance", "ignored_auth"),
    )


#: The API's; phones' calls are ingest's. Those about privacy want Kafka (test_privacy.py).
CALLS = [
    f"{method.upper()} {path}"
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
    if operation["tags"][0] not in ("Phones", "Privacy", "This document") and path != FEED
]
#: Of calls that cannot do without a query.
REQUIRED = {
    "/api/v1/breakdown": "?by=platform&",
    "/api/v1/funnel": "?step1=Home&step2=Cart&",
}
OPERATIONS = [
    (path, method)
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
    if operation["tags"] not in (["Phones"], ["Privacy"])
]
#: They look at no login and at no parameter that they do not know.
EVERYBODYS = ("/api/v1/count/badge.svg", "/api/v1/shared/{token}")
PROTECTED = [
    (path, method)
    for path, method in OPERATIONS
    if path.startswith("/api/v1/") and path not in EVERYBODYS
]
TABLES = [
    path
    for path, method in OPERATIONS
    if method == "get"
    and "text/csv" in DOCUMENT["paths"][path][method]["responses"]["200"]["content"]
]


@pytest.fixture(scope="module")
def url(postgres_url: str, template_database: str) -> Iterator[str]:
    with fresh_database(postgres_url, template_database) as found:
        yield found


@pytest.fixture(scope="module")
def api(url: str) -> Iterator[Api]:
    """The API over a fleet of a fortnight, as processor and maintenance leave it."""
    store(url, small_fleet(5, "Europe/Berlin", NOW, 16))
    run(url)
    table = Table(url)
    for number, user in enumerate(USERS):
        add_user(table, user, number)
    table.run("INSERT INTO outages VALUES (0, 'jump', %s, NULL)", NOW - timedelta(minutes=5))
    table.close()
    patient = api_settings(
        url,
        count_calls_burst=10**9,
        encryption_key="the key under which the tests encrypt secrets",
    )
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(running_api(patient)) as running,
    ):
        yield running


def add_user(table: Table, user: str, number: int) -> None:
    """One of every kind: online and not, of one device, of several and of none."""
    since = NOW - timedelta(minutes=20 + number)
    stay = {"since_ms": round(since.timestamp() * 1000), "is_view": True}
    several = [
        {
            "device": f"phone-{n}",
            "state": state,
            "reason": "started",
            "screen": "Cart",
            "changed_ms": stay["since_ms"],
            "last_active_ms": stay["since_ms"],
            "online_since_ms": stay["since_ms"],
            "stay": stay,
        }
        for n, state in enumerate(("foreground", "background"))
    ]
    table.user(
        user,
        ("foreground", "background", "offline")[number % 3],
        name=(None, "Ada Löwe")[number % 2],
        screen=(None, "Cart", "Home")[number % 3],
        changed_at=since,
        last_active=since,
        online_since=None if number % 3 == 2 else since,
        app_version=(None, "1.10.0")[number % 2],
        device_info=(None, "Pixel 9")[number % 2],
        device=None if number == 5 else "phone-0",
        devices=Jsonb(several) if number == 3 else None,
        stay=Jsonb(stay),
    )


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    """Keeps its connection open, and does not read the environment for proxies at every call."""
    with requests.Session() as opened:
        opened.trust_env = False
        yield opened


@pytest.mark.parametrize("operation", CALLS)
def test_an_answer_is_one_of_those_described(
    operation: str, api: Api, session: requests.Session
) -> None:
    checked(operation, api, session)


@pytest.mark.parametrize("operation", CALLS)
@pytest.mark.long
def test_an_answer_is_one_of_those_described_after_a_long_hunt(
    operation: str, api: Api, session: requests.Session
) -> None:
    checked(operation, api, session, examples=500)


def checked(
    operation: str, api: Api, session: requests.Session, examples: int | None = None
) -> None:
    from tests.openapi_harness import good_data_is_refused_for_a_reason_only, hunt

    def check(case: Case[Any]) -> None:
        case.call_and_validate(
            base_url=api.origin,
            session=session,
            additional_checks=[good_data_is_refused_for_a_reason_only],
        )

    hunt(everything(), operation, check, examples=examples)


@dataclass(frozen=True)
class Reader:
    """Somebody who has read the document."""

    api: Api
    session: requests.Session


@pytest.fixture(scope="module")
def reader(api: Api, session: requests.Session) -> Reader:
    return Reader(api, session)


def send(
    reader: Reader, path: str, method: str, query: str = "", **headers: str
) -> requests.Response:
    address = reader.api.origin + path.format(**NAMED)
    required = REQUIRED.get(path, "?")
    body = BODIES.get(path) if method == "post" else None
    return reader.session.request(
        method, address + required + query, json=body, headers=headers, timeout=60
    )


def call(reader: Reader, path: str, method: str, **headers: str) -> requests.Response:
    """The same, held to the document."""
    from tests.openapi_harness import hold

    answer = send(reader, path, method, **headers)
    hold(answer, everything(), path, method, **NAMED)
    return answer


#: Every call is refused to nobody and to who has no scope; the other three, which all calls read
#: alike, take turns.
_NOBODY = (None, 401, "token_missing")
_ALIKE = (
    ("Basic YTpi", 401, "token_missing"),
    ("Bearer nonsense", 401, "token_invalid"),
    (f"Bearer {STAFF[:-8]}AAAAAAAA", 401, "bad_signature"),
)
_WITHOUT_SCOPE = (f"Bearer {token(scope=None, exp=None)}", 403, "scope_missing")
REFUSALS = [
    (path, method, *refusal)
    for number, (path, method) in enumerate(PROTECTED)
    for refusal in (_NOBODY, _WITHOUT_SCOPE, *_ALIKE[number % 9 : number % 9 + 1])
]


@pytest.mark.parametrize(("path", "method", "authorization", "status", "code"), REFUSALS)
def test_who_may_not_read_gets_a_refusal_as_described(
    reader: Reader, path: str, method: str, authorization: str | None, status: int, code: str
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = call(reader, path, method, **headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize("path", TABLES)
def test_a_table_has_the_described_columns_in_every_format(reader: Reader, path: str) -> None:
    bearer = {"Authorization": f"Bearer {STAFF}"}
    items = call(reader, path, "get", **bearer).json()["items"]
    assert items
    as_csv = call(reader, path, "get", Accept="text/csv", **bearer)
    assert as_csv.headers["X-Rollcall-Stale"] in ("true", "false")
    [columns, *lines] = csv.reader(io.StringIO(as_csv.text, newline=""))
    assert columns == list(items[0])
    assert len(lines) >= len(items)
    as_ndjson = call(reader, path, "get", Accept="application/x-ndjson", **bearer)
    rows = [json.loads(line) for line in as_ndjson.text.splitlines()]
    assert rows[: len(items)] == items


@pytest.mark.parametrize(("path", "method"), PROTECTED)
def test_every_parameter_is_described_and_no_other(reader: Reader, path: str, method: str) -> None:
    """A call that does not know a parameter names those that it knows."""
    answer = send(reader, path, method, "unheard_of=1", Authorization=f"Bearer {STAFF}")
    [error] = answer.json()["errors"]
    [known] = re.findall(r"\(they are: (.*)\)", error["message"])
    described = [
        each["name"]
        for each in DOCUMENT["paths"][path][method].get("parameters", ())
        if each["in"] == "query"
    ]
    assert sorted(described) == sorted(known.split(", ") if known != "none" else [])


def test_no_call_is_left_out(reader: Reader, api: Api) -> None:
    """Several share a route: by the names that metrics have for calls."""
    others = {
        *PAGE_ROUTES,
        "feed",
        *("annotation", "view"),  # test_api_notes_and_views.py
        *("share_link", "shared"),  # test_api_sharing.py
        *("tracking", "stored_data", "erase", "erasure"),  # test_privacy.py
        *(route for route in ROUTES if route.startswith("webhook")),  # test_webhook_calls.py
        *(route for route in ROUTES if route.startswith("alert")),  # test_alert_calls.py
        *(route for route in ROUTES if route.startswith("audience_deliver")),  # targeting/
    }
    name = "rollcall_api_requests_total"

    def answered() -> Mapping[str, float]:
        return sums_by(api.registry, name, "route", outcome="answered")

    before = answered()
    for path, method in OPERATIONS:
        if path == FEED or path.startswith(
            ("/api/v1/webhooks", "/api/v1/alerts", "/api/v1/audiences/deliveries")
        ):  # the feed does not end
            continue
        # Of notes and views none has the id of NAMED: test_api_notes_and_views.py has those.
        is_nobodys = path.endswith(("/{id}", "/{token}")) and method != "patch"
        wanted = (404,) if is_nobodys else (200, 201)
        if method == "patch":
            wanted = (400,)  # without a body
        answer = call(reader, path, method, Authorization=f"Bearer {STAFF}")
        assert answer.status_code in wanted, (path, method, answer.text)
    called = {each for each, count in answered().items() if count > before[each]} & set(ROUTES)
    assert called | others == set(ROUTES)


def test_the_feed_answers_with_events(api: Api) -> None:
    """What is in them is held to the document in test_api_feed.py."""
    headers = {"Authorization": f"Bearer {STAFF}"}
    with requests.get(api.origin + FEED, headers=headers, stream=True, timeout=60) as answer:
        assert answer.headers["Content-Type"] == "text/event-stream"
        assert answer.status_code == 200
        assert answer.headers["X-Request-ID"]


def test_the_document_is_public_and_kept_by_caches(api: Api) -> None:
    found = requests.get(api.origin + "/api/openapi.json", timeout=60)
    assert found.json() == document(rollcall_version())
    assert found.headers["Content-Type"] == "application/json"
    assert found.headers["Access-Control-Allow-Origin"] == "*"
    assert found.headers["Cache-Control"] == "public, max-age=300"
    for known, status in ((found.headers["ETag"], 304), ('"other"', 200), ("*", 304)):
        again = requests.get(found.url, headers={"If-None-Match": known}, timeout=60)
        assert again.status_code == status
        assert again.headers["ETag"] == found.headers["ETag"]
    refused = requests.post(found.url, timeout=60)
    assert (refused.status_code, refused.headers["Allow"]) == (405, "GET, HEAD")
