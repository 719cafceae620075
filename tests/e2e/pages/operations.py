"""A short document for the page that tries the API: with all seventy operations each step of a test
draws the page anew, which takes a second of CPU and more."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from playwright.sync_api import Page

from api.openapi import document

METHODS = {"get", "put", "post", "patch", "delete"}
DOCUMENT: Mapping[str, Any] = document("0")
#: Each method, which is a look of its own, what tests try, and what does not end.
_FEW = (
    *("/api/ws", "/api/v1/feed", "/api/v1/online-users", "/api/v1/users/lookup"),
    *("/api/v1/views/{id}", "/api/v1/me/tracking"),
)


def few_operations() -> dict[str, Any]:
    """The document of these alone, with the components that they refer to."""
    components = DOCUMENT["components"]
    few = {**DOCUMENT, "paths": {path: _shorter(DOCUMENT["paths"][path]) for path in _FEW}}
    few["components"] = {"securitySchemes": components["securitySchemes"]}
    referred: set[str] = set()
    while more := set(re.findall(r'"#/components/([^"]+)"', json.dumps(few))) - referred:
        for each in more:
            kind, name = each.split("/")
            few["components"].setdefault(kind, {})[name] = components[kind][name]
        referred |= more
    assert {method for item in few["paths"].values() for method in item} >= METHODS
    return few


def _shorter(item: Mapping[str, Any]) -> dict[str, Any]:
    """Each operation with the first of its answers: one looks like the other."""
    return {
        name: {**part, "responses": dict([*part["responses"].items()][:1])}
        if name in METHODS
        else part
        for name, part in item.items()
    }


def draw_few_operations(page: Page) -> None:
    """From now on the page has these alone, as they are in the whole document."""
    few = few_operations()
    page.route("**/api/openapi.json", lambda route: route.fulfill(json=few))
