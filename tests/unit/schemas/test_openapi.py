"""The OpenAPI document is one, leaves no route out, and says what the code says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from prometheus_client import CollectorRegistry

import api.app
import ingest.app
from api.http import words
from api.http.call import Call as DeclaredCall
from api.openapi import CALLS, document
from api.scopes import AUDIT_SCOPE, EXPORT_SCOPE, MANAGE_SCOPE, PRIVACY_SCOPE, READ_SCOPE
from api.settings import ApiSettings
from ingest.body.validate import APP_STATES
from ingest.settings import IngestSettings
from schemas.http.problems import CODES
from schemas.openapi.forms import STORED_TEXT
from schemas.untrusted.text import clean_text

DOCUMENT = document("1.2.3")
SCHEMAS = DOCUMENT["components"]["schemas"]
#: Paths below a user or a screen share its route.
BELOW_A_NAME = {
    call.path for call in CALLS if call.path.startswith(("/api/v1/users/", "/api/v1/screens/"))
} - {"/api/v1/users/{user_id}", "/api/v1/screens/{screen}"}
SECRET = "the secret of the tests, of 32 bytes and more"


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
    # Here: each process that collects tests would take 0.2 s for it.
    from openapi_spec_validator import OpenAPIV31SpecValidator

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


def test_every_call_of_the_api_has_a_handler_that_answers_head_where_it_answers_get() -> None:
    """``create_app`` raises ``KeyError`` for a call without one."""
    app = api.app.create_app(
        ApiSettings(database_url="postgresql://nowhere", jwt_secret=SECRET),
        registry=CollectorRegistry(),
    )
    routed = {each.resource.canonical for each in app.router.routes() if each.resource}
    assert {call.path for call in CALLS} - BELOW_A_NAME <= routed


def test_every_route_of_ingest_is_described() -> None:
    app = ingest.app.create_app(IngestSettings(jwt_secret=SECRET), registry=CollectorRegistry())
    told = {
        (route.resource.canonical, route.method.lower())
        for route in app.router.routes()
        if route.resource is not None and route.method not in ("*", "HEAD", "OPTIONS")
    }
    assert told == {
        (path, method) for path, method, each in operations() if each["tags"] == ["Phones"]
    }


# -- limits, words and columns


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.operation)
def test_an_example_of_a_parameter_is_one_that_its_parser_takes(call: DeclaredCall) -> None:
    for each in call.parameters:
        examples: Any = each.schema.get("examples") or each.schema.get("enum") or ()
        for example in examples:
            each.parse(str(example))


@pytest.mark.parametrize("character", ["\x00", "\x1f", "\x7f", "\x9f", " ", "~", "\xa0", "é", "😀"])
def test_the_pattern_of_texts_is_what_is_stored(character: str) -> None:
    fits = Draft202012Validator({"pattern": STORED_TEXT}).is_valid(f"a{character}b")
    assert fits == (clean_text(character) == character)


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
    for path, method, each in operations():
        if path.startswith("/api/v1/me"):
            assert each["security"] == [{"phoneToken": []}], path
        elif each["tags"] == ["Privacy"]:
            # No cookie: what cannot be undone wants more than a browser's click.
            assert each["security"] == [
                {"staffToken": [PRIVACY_SCOPE]},
                {"apiKey": [PRIVACY_SCOPE]},
            ], path
        elif path in ("/api/v1/count/badge.svg", "/api/v1/shared/{token}"):
            assert each["security"] == [{}]  # everybody's, as the count is
        elif path.startswith("/api/v1/"):
            scope = EXPORT_SCOPE if path.startswith("/api/v1/audiences/") else READ_SCOPE
            if path.startswith("/api/v1/audit") and "audiences" not in path:
                scope = AUDIT_SCOPE
            if path.startswith(("/api/v1/webhooks", "/api/v1/alerts", "/api/v1/share-links")) or (
                path.startswith("/api/v1/annotations") and method != "get"
            ):
                scope = MANAGE_SCOPE
            assert {"staffToken": [scope]} in each["security"], path
