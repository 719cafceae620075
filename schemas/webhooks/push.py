"""What a push message says, as whoever sends an audience writes it. PURE."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from schemas.bodies.fields import Field, read_object, schema_of, text_field
from schemas.http.problems import FieldProblem
from schemas.openapi.forms import Json


class Push(msgspec.Struct, frozen=True, omit_defaults=True):
    """A text with or without a title, or a template that the provider has."""

    title: str | None = None
    text: str | None = None
    template_id: str | None = None

    @property
    def document(self) -> dict[str, Any]:
        """As it is stored and shown."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found


def parse_push(said: object) -> Push:
    """A message as JSON says it. Raises ``ValueError``, where fields are wrong
    ``BadFieldsError``."""
    return Push(**read_object(said, PUSH_FIELDS, _together))


def _together(values: dict[str, Any], wrong: set[str]) -> list[FieldProblem]:
    said = values.keys() | wrong
    if "template_id" in said:
        return [
            FieldProblem(name, "stands beside no template_id: a template has its own")
            for name in ("title", "text")
            if name in said
        ]
    if "text" not in said:
        return [FieldProblem("text", "is missing: say what they read, or give a template_id")]
    return []


_TEXT: Final[dict[str, Field]] = {
    "title": text_field("Above the text.", "Your cart", 200),
    "text": text_field("What they read.", "It waits for you", 1_000),
}
_TEMPLATE: Final[dict[str, Field]] = {
    "template_id": text_field("A template that the provider has.", "8458af75-4da2-4ecf", 100)
}
PUSH_FIELDS: Final = {**_TEXT, **_TEMPLATE}
PUSH: Final[Json] = {
    "description": "What they are told: a text, or a template of the provider's.",
    "oneOf": [
        {**schema_of(_TEXT), "required": ["text"]},
        {**schema_of(_TEMPLATE), "required": ["template_id"]},
    ],
}
