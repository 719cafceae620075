"""The OpenAPI document is one, leaves no route out, and says what the code says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib.resources import files
from typing import Any, get_args

import pytest
from aiohttp import web
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from prometheus_client import CollectorRegistry

import api.app
import ingest.app
from api import page_table as dashboard
from api.analytics import (
    active_users,
    breakdown,
    concurrency,
    dwell,
    engagement,
    flows,
    journeys,
    outages,
    screen_rules,
    sessions,
    splits,
    trends,
)
from api.analytics.versions import OPERATORS
from api.annotations import calls as annotation_calls
from api.annotations import note as api_note
from api.audiences import filter as audience_filter
from api.http import parameters as api_parameters
from api.http import routes as calls
from api.periods.ranges import MINUTE_BUCKETS, WINDOW_BUCKETS
from api.presence import filters
from api.presence import timeline as api_timeline
from api.reads.audit import Call
from api.scopes import AUDIT_SCOPE, EXPORT_SCOPE, MANAGE_SCOPE, PRIVACY_SCOPE, READ_SCOPE
from api.settings import ApiSettings
from api.views import view
from ingest.body.validate import APP_STATES
from ingest.settings import IngestSettings
from schemas.http.problems import CODES
from schemas.log.events import MAX_DEVICE_ID, MAX_TEXT, MAX_USER_ID
from schemas.openapi import alerts, answers, notes, privacy, reads, saved_views, webhooks, words
from schemas.openapi.document import document
from schemas.openapi.forms import STORED_TEXT
from schemas.untrusted.text import clean_text

DOCUMENT = document("1.2.3")
SCHEMAS = DOCUMENT["components"]["schemas"]
SECRET = "the secret of the tests, of 32 bytes and more"
#: What is made for people's browsers and is no API.
PAGES = (
    # As aiohttp shows them: without the patterns of their parts.
    *(re.sub(r":[^}]*", "", page.path) for page in dashboard.PAGES),
    *("/login", "/logout", "/audience/export", "/views/{id}", "/static/{version}/{name}"),
)


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def operation(path: str, method: str = "get") -> dict[str, Any]:
    found: dict[str, Any] = DOCUMENT["paths"][path][method]
    return found


def schema_of(path: str, name: str) -> dict[str, Any]:
    """Of a parameter."""
    [found] = [each["schema"] for each in operation(path)["parameters"] if each["name"] == name]
    assert isinstance(found, dict)
    return found


def inside(node: Any) -> Iterator[dict[str, Any]]:
    """Every object in a part of the document."""
    if isinstance(node, dict):
        yield node
        for each in node.values():
            yield from inside(each)
    elif isinstance(node, list):
        for each in node:
            yield from inside(each)


def test_the_document_is_openapi() -> None:
    assert [error.message for error in OpenAPIV31SpecValidator(DOCUMENT).iter_errors()] == []


def test_nothing_is_described_that_no_operation_uses() -> None:
    used = {node["$ref"] for node in inside(DOCUMENT) if isinstance(node.get("$ref"), str)}
    for kind in ("schemas", "responses", "headers"):
        for name in DOCUMENT["components"][kind]:
            assert f"#/components/{kind}/{name}" in used, name


def test_every_example_is_one_of_its_schema() -> None:
    for node in inside(DOCUMENT):
        for example in node.get("examples", ()):
            Draft202012Validator(node).validate(example)
        if "example" in node and "$ref" not in node.get("schema", {}):
            Draft202012Validator(node["schema"]).validate(node["example"])


def test_every_operation_says_what_people_and_generators_need() -> None:
    ids = [each["operationId"] for _, _, each in operations()]
    assert len(ids) == len(set(ids))
    for path, method, each in operations():
        assert each["summary"], path
        assert each["description"], path
        assert {"400", "500", "503"} <= each["responses"].keys(), (path, method)


# -- routes


def routes() -> Iterator[tuple[str, str]]:
    """Path and method of every route of both services. What HTTP and CORS want is left out, and so
    are pages."""
    told = {
        api.app.create_app(
            ApiSettings(database_url="postgresql://nowhere", jwt_secret=SECRET),
            registry=CollectorRegistry(),
        ),
        ingest.app.create_app(IngestSettings(jwt_secret=SECRET), registry=CollectorRegistry()),
    }
    for app in told:
        for route in app.router.routes():
            assert route.resource is not None
            path = route.resource.canonical
            if route.method not in ("*", "HEAD", "OPTIONS") and path not in PAGES:
                yield path, route.method.lower()


#: Calls that share the route of a longer or a general path, told apart by the raw path.
ROUTED_AS = {
    "/api/v1/users/{user_id}/tracking": "/api/v1/users/{user_id}",
    "/api/v1/users/{user_id}/data": "/api/v1/users/{user_id}",
    "/api/v1/users/{user_id}/timeline": "/api/v1/users/{user_id}",
    "/api/v1/screens/engagement": "/api/v1/screens/{screen}",
}
#: A user may be called `lookup`: described by the path of users.
USER_CALLED_LOOKUP = {("/api/v1/users/lookup", method) for method in ("get", "delete")}


def test_every_route_is_described_and_nothing_else() -> None:
    described = {(ROUTED_AS.get(path, path), method) for path, method, _ in operations()}
    assert described | USER_CALLED_LOOKUP == set(routes())


def test_head_is_answered_where_get_is() -> None:
    app = api.app.create_app(
        ApiSettings(database_url="postgresql://nowhere", jwt_secret=SECRET),
        registry=CollectorRegistry(),
    )
    by_method: dict[str, set[str]] = {"GET": set(), "HEAD": set()}
    for route in app.router.routes():
        if route.method in by_method and isinstance(route.resource, web.Resource):
            by_method[route.method].add(route.resource.canonical)
    assert by_method["GET"] == by_method["HEAD"]


# -- limits, words and columns


def test_limits_are_those_of_the_parsers() -> None:
    lists = ("/api/v1/online-users", "/api/v1/users")
    for path in (*lists, "/api/v1/users/{user_id}/timeline", "/api/v1/audit"):
        assert schema_of(path, "cursor")["maxLength"] == 4_096
    timeline = schema_of("/api/v1/users/{user_id}/timeline", "limit")
    assert (timeline["minimum"], timeline["maximum"]) == (1, api_parameters.MAX_LIMIT)
    assert timeline["default"] == api_parameters.DEFAULT_LIMIT
    for path in lists:
        limit = schema_of(path, "limit")
        assert (limit["minimum"], limit["maximum"]) == (1, filters.MAX_FILE_ROWS)
    assert set(reads.CALLS) == set(get_args(Call))
    assert calls.MAX_ROWS == words.MAX_LIMIT
    for path in ("/api/v1/screens", "/api/v1/screens/engagement", "/api/v1/flows"):
        limit = schema_of(path, "limit")
        assert (limit["minimum"], limit["maximum"]) == (1, calls.MAX_EXPORT_ROWS)
    assert schema_of("/api/v1/flows", "top")["maximum"] == flows.MAX_TOP
    assert SCHEMAS["Lookup"]["properties"]["user_ids"]["maxItems"] == filters.MAX_LOOKUP
    for path, field, most in (
        ("/api/v1/online-users", "screen", MAX_TEXT["screen"]),
        ("/api/v1/online-users", "app_version", MAX_TEXT["app_version"]),
        ("/api/v1/online-users", "device", MAX_TEXT["device_info"]),
        ("/api/v1/users/{user_id}", "user_id", MAX_USER_ID),
        ("/api/v1/screens/{screen}", "screen", MAX_TEXT["screen"]),
        ("/api/v1/flows", "from_screen", MAX_TEXT["screen"]),
    ):
        assert schema_of(path, field)["maxLength"] == most
    assert SCHEMAS["Heartbeat"]["properties"]["device_id"]["maxLength"] == MAX_DEVICE_ID


def test_an_audiences_filter_has_the_fields_and_limits_of_its_parser() -> None:
    fields = SCHEMAS["AudienceFilter"]["properties"]
    assert list(fields) == list(audience_filter.FIELDS)
    assert list(SCHEMAS["AudiencePeriod"]["properties"]) == list(audience_filter.PERIOD)
    assert fields["app_version"]["properties"]["op"]["enum"] == list(OPERATORS)
    assert fields["exclude_user_ids"]["maxItems"] == audience_filter.MAX_EXCLUDED
    assert fields["exclude_user_ids"]["items"]["maxLength"] == MAX_USER_ID
    assert (fields["cap"]["minimum"], fields["cap"]["maximum"]) == (1, audience_filter.MAX_CAP)
    assert fields["seed"]["maxLength"] == audience_filter.MAX_SEED
    assert (notes.MAX_NOTE, notes.KINDS) == (api_note.MAX_TEXT, api_note.KINDS)
    assert notes.MOST_SHOWN == annotation_calls.MOST_SHOWN
    assert (saved_views.MAX_NAME, saved_views.MAX_ADDRESS) == (view.MAX_NAME, view.MAX_ADDRESS)
    seconds = SCHEMAS["AudiencePeriod"]["properties"]["within_seconds"]
    assert seconds["maximum"] == audience_filter.MAX_SECONDS


@pytest.mark.parametrize("character", ["\x00", "\x1f", "\x7f", "\x9f", " ", "~", "\xa0", "é", "😀"])
def test_the_pattern_of_texts_is_what_is_stored(character: str) -> None:
    fits = Draft202012Validator({"pattern": STORED_TEXT}).is_valid(f"a{character}b")
    assert fits == (clean_text(character) == character)


@pytest.mark.parametrize(
    ("path", "name", "allowed"),
    [
        ("/api/v1/online-users", "state", filters.STATES),
        ("/api/v1/online-users", "sort", filters.SORTS),
        ("/api/v1/users", "sort", filters.KNOWN_SORTS),
        ("/api/v1/users/{user_id}/timeline", "type", api_timeline.KINDS),
        ("/api/v1/screens/engagement", "sort", engagement.SORTS),
        ("/api/v1/screens/engagement", "bucket", MINUTE_BUCKETS),
        ("/api/v1/screens/{screen}", "bucket", MINUTE_BUCKETS),
        ("/api/v1/sessions/summary", "bucket", WINDOW_BUCKETS),
        ("/api/v1/trends", "bucket", WINDOW_BUCKETS),
        ("/api/v1/trends", "of", trends.COUNTED),
        ("/api/v1/concurrency", "bucket", concurrency.BUCKETS),
        ("/api/v1/screens/engagement", "split_by", splits.BYS),
        ("/api/v1/breakdown", "by", breakdown.BYS),
        ("/api/v1/funnel", "by", journeys.BYS),
    ],
)
def test_a_parameters_words_are_those_of_its_parser(
    path: str, name: str, allowed: tuple[str, ...]
) -> None:
    assert schema_of(path, name)["enum"] == list(allowed)


@pytest.mark.parametrize(
    ("row", "columns"),
    [
        ("ScreenNow", ("screen", "foreground", "share")),
        ("ScreenEngagement", ("screen", "start", "end", *engagement.METRICS)),
        ("Flow", flows.COLUMNS),
        ("FunnelStep", journeys.FUNNEL_COLUMNS),
        ("RetentionWeek", journeys.RETENTION_COLUMNS),
        ("FoldedScreen", screen_rules.COLUMNS),
        ("DwellRow", dwell.COLUMNS),
        ("ConcurrencyBucket", concurrency.COLUMNS),
        ("ScreenConcurrencyBucket", concurrency.SCREEN_COLUMNS),
        ("Outage", outages.COLUMNS),
        ("ActiveUsersDay", active_users.COLUMNS),
        ("BreakdownValue", breakdown.COLUMNS),
        ("SessionsBucket", ("start", "end", *sessions.METRICS)),
    ],
)
def test_a_row_has_the_columns_of_its_report_in_their_order(
    row: str, columns: tuple[str, ...]
) -> None:
    assert SCHEMAS[row]["required"] == list(SCHEMAS[row]["properties"]) == list(columns)


def test_states_and_reasons_are_those_of_the_feed_for_other_systems() -> None:
    published = json.loads((files("schemas.log") / "changes.schema.json").read_text("utf-8"))
    assert list(words.STATES) == published["$defs"]["state"]["enum"]
    assert list(words.REASONS) == published["properties"]["reason"]["enum"]
    told = SCHEMAS["Heartbeat"]["properties"]["app_state"]["description"]
    assert all(f"`{state}`" in told for state in APP_STATES)


def test_every_code_is_told_with_its_status_and_none_is_left_out() -> None:
    told = set()
    for response in DOCUMENT["components"]["responses"].values():
        properties = response["content"]["application/problem+json"]["schema"]["properties"]
        for code in properties["code"]["enum"]:
            assert CODES[code][0] == properties["status"]["const"]
            told.add(code)
    # What no operation can answer: another method.
    assert CODES.keys() - told == {"method_not_allowed"}
    assert SCHEMAS["Problem"]["properties"]["code"]["enum"] == list(CODES)


def test_staff_need_the_scope_that_the_api_asks_for() -> None:
    assert (answers.READ_SCOPE, answers.EXPORT_SCOPE) == (READ_SCOPE, EXPORT_SCOPE)
    assert answers.AUDIT_SCOPE == AUDIT_SCOPE
    assert privacy.PRIVACY_SCOPE == PRIVACY_SCOPE
    assert notes.MANAGE_SCOPE == MANAGE_SCOPE
    assert webhooks.MANAGE_SCOPE == alerts.MANAGE_SCOPE == MANAGE_SCOPE
    for path, method, each in operations():
        if path.startswith("/api/v1/me"):
            assert each["security"] == [{"phoneToken": []}], path
        elif each["tags"] == ["Privacy"]:
            # No cookie: what cannot be undone wants more than a browser's click.
            assert each["security"] == [
                {"staffToken": [PRIVACY_SCOPE]},
                {"apiKey": [PRIVACY_SCOPE]},
            ], path
        elif path.startswith("/api/v1/"):
            scope = EXPORT_SCOPE if path.startswith("/api/v1/audiences/") else READ_SCOPE
            if path == "/api/v1/audit":
                scope = AUDIT_SCOPE
            if path.startswith(("/api/v1/webhooks", "/api/v1/alerts")) or (
                path.startswith("/api/v1/annotations") and method != "get"
            ):
                scope = MANAGE_SCOPE
            assert {"staffToken": [scope]} in each["security"], path
