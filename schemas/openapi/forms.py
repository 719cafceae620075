"""Pieces of OpenAPI that its parts are written with: schemas of fields, parameters, operations.

Plain dicts go in and come out, as OpenAPI 3.1 and JSON Schema 2020-12 have them; what is here only
keeps a part from saying the same thing twenty times. Examples stand with each field, so that what
an answer looks like is said once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

Json: TypeAlias = dict[str, Any]
#: Who may call: alternatives, as OpenAPI has them.
Security: TypeAlias = Sequence[Mapping[str, Sequence[str]]]

#: As ``schemas.untrusted.text.clean_text`` leaves it: no text here holds C0, DEL or C1.
STORED_TEXT: Final = r"^[^\u0000-\u001f\u007f-\u009f]*$"
#: The same, with something to see.
VISIBLE_TEXT: Final = (
    r"^[^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f]"
    r"[^\u0000-\u001f\u007f-\u009f]*$"
)


# -- schemas


def ref(name: str) -> Json:
    """A schema of the document's, by name."""
    return {"$ref": f"#/components/schemas/{name}"}


def text(description: str, *examples: str, **keywords: Any) -> Json:
    return _field("string", description, examples, keywords)


def word(description: str, allowed: Sequence[str], **keywords: Any) -> Json:
    """One of a closed set."""
    return _field("string", description, (), {"enum": list(allowed), **keywords})


def instant(description: str, example: str, **keywords: Any) -> Json:
    """As answers tell it: RFC 3339 in UTC with milliseconds."""
    pattern = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"
    keywords = {"format": "date-time", "pattern": pattern, **keywords}
    return _field("string", description, (example,), keywords)


def whole(description: str, *examples: int, **keywords: Any) -> Json:
    """A count, or milliseconds: from 0."""
    return _field("integer", description, examples, {"minimum": 0, **keywords})


def number(description: str, *examples: float, **keywords: Any) -> Json:
    """A mean or a share: from 0."""
    return _field("number", description, examples, {"minimum": 0, **keywords})


def flag(description: str, example: bool) -> Json:
    return _field("boolean", description, (example,), {})


def nullable(schema: Json) -> Json:
    """The same, or ``null``: unknown."""
    if "type" not in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    or_null = {**schema, "type": [schema["type"], "null"]}
    if "enum" in schema:
        or_null["enum"] = [*schema["enum"], None]
    return or_null


def many(items: Json, description: str | None = None, **keywords: Any) -> Json:
    told = {} if description is None else {"description": description}
    return {"type": "array", **told, "items": items, **keywords}


def record(
    fields: Mapping[str, Json], *, sometimes: Mapping[str, Json] | None = None, about: str = ""
) -> Json:
    """An object that has every one of ``fields`` (what is unknown is ``null``), and of
    ``sometimes`` those that were asked for. Open: fields are added within a major version."""
    return {
        "type": "object",
        **({"description": about} if about else {}),
        "required": list(fields),
        "properties": {**fields, **(sometimes or {})},
    }


def closed(fields: Mapping[str, Json], *, required: Sequence[str] = (), **keywords: Any) -> Json:
    """An object that is sent: checked to its last field."""
    return {
        "type": "object",
        **({"required": list(required)} if required else {}),
        "properties": dict(fields),
        "additionalProperties": False,
        **keywords,
    }


def _field(kind: str, description: str, examples: Sequence[Any], keywords: Json) -> Json:
    shown = {"examples": list(examples)} if examples else {}
    return {"type": kind, "description": description, **keywords, **shown}


# -- parameters


def in_header(name: str, schema: Json, *, required: bool = False) -> Json:
    return parameter("header", name, schema, required=required)


def parameter(place: str, name: str, schema: Json, *, required: bool) -> Json:
    """Its description and examples are those of its schema."""
    kept = {key: value for key, value in schema.items() if key != "description"}
    # What is needed is filled in for who tries a call; what is not narrows it.
    shown = {"example": schema["examples"][0]} if required and "examples" in schema else {}
    return {
        "name": name,
        "in": place,
        "required": required,
        "description": schema["description"],
        "schema": kept,
        **shown,
    }


# -- operations


def operation(
    name: str,
    summary: str,
    description: str,
    answers: Mapping[str, Json],
    *,
    security: Security,
    parameters: Sequence[Json] = (),
    body: Json | None = None,
) -> Json:
    """What a path answers to a method. ``name`` is the operation's id; ``answers`` by status."""
    return {
        "operationId": name,
        "summary": summary,
        "description": description,
        **({"parameters": list(parameters)} if parameters else {}),
        **({"requestBody": body} if body is not None else {}),
        "responses": dict(sorted(answers.items())),
        "security": list(security),
    }
