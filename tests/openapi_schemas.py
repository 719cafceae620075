"""The OpenAPI document without its room for further fields: what an answer is held to."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from jsonschema import Draft202012Validator

from api.openapi import document

#: What requests send. It stays open: unknown fields are ignored.
_REQUESTS: Final = ("Heartbeat", "Logout", "Lookup")


def hold_value(value: Any, name: str) -> None:
    """Fails unless it is of the schema of that name, closed."""
    _validator(name).validate(value)


@cache
def _validator(name: str) -> Draft202012Validator:
    components = closed(document("0"))["components"]
    return Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": components})


def closed(open_document: dict[str, Any]) -> dict[str, Any]:
    """The document without its room for further fields: an answer has exactly what is told."""
    copied = copy.deepcopy(open_document)
    for name, schema in copied["components"]["schemas"].items():
        if name not in _REQUESTS:
            for node in _objects(schema):
                if "properties" in node:
                    node["additionalProperties"] = False
    return copied


def _objects(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        node = list(node.values())
    if isinstance(node, list):
        for each in node:
            yield from _objects(each)
