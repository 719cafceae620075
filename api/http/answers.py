"""Answers as structs: one statement for what is sent and what OpenAPI says of it. PURE.

A field is annotated with what it tells (:func:`told` and others). One that may be unknown is
``None`` then; one that is there only if it was asked for defaults to ``UNSET``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, TypeAlias, TypeVar, cast, get_args, get_type_hints

import msgspec
from msgspec import Meta, UnsetType

from schemas.openapi import forms
from schemas.openapi.answers import QUALITY
from schemas.openapi.forms import Json

#: msgspec would sort them.
_WORDS: Final = "x-words"
_OURS: Final = ("type", "description", "examples")
_PLACE: Final = "#/components/schemas/{name}"


class Answer(msgspec.Struct):
    """Its class's name is the schema's."""


AnAnswer = TypeVar("AnAnswer", bound=Answer)


def made(answer: type[AnAnswer], values: Mapping[str, Any]) -> AnAnswer:
    """Of ``values`` by field. Raises ``TypeError`` if one is missing, or is none of its fields."""
    return cast(Callable[..., AnAnswer], answer)(**values)


def joined(name: str, about: str, *parts: type[Answer]) -> type[Answer]:
    """The fields of all ``parts``, in this order: a subclass would have its own ones last."""
    hints = [get_type_hints(part, include_extras=True) for part in parts]
    fields = [field for each in hints for field in each.items()]
    answer = msgspec.defstruct(name, fields, bases=(Answer,), namespace={"__doc__": about})
    return cast(type[Answer], answer)


def told(about: str, *examples: Any, **keywords: Any) -> Meta:
    """What a field tells; ``keywords`` are JSON Schema's."""
    return Meta(
        description=about, examples=list(examples) or None, extra_json_schema=keywords or None
    )


def count(about: str, *examples: int, **keywords: Any) -> Meta:
    """A count, or milliseconds: from 0."""
    return told(about, *examples, **{"minimum": 0, **keywords})


def number(about: str, *examples: float, **keywords: Any) -> Meta:
    """A mean or a share: from 0."""
    return told(about, *examples, **{"minimum": 0, **keywords})


def day(about: str, example: str) -> Meta:
    """A date."""
    return told(about, example, format="date")


def one_of(about: str, of: Any) -> Meta:
    """One of the words of a ``Literal``, in its order."""
    return told(about, **{_WORDS: list(get_args(of))})


def instant(about: str, example: str) -> Meta:
    """As :func:`api.periods.instants.rfc3339` writes it."""
    schema = forms.instant(about, example)
    return told(about, example, format=schema["format"], pattern=schema["pattern"])


def described(schema: Json) -> Meta:
    """What a schema that is written already says."""
    rest = {key: each for key, each in schema.items() if key not in _OURS}
    return told(schema["description"], *schema.get("examples", ()), **rest)


def of(schema: str) -> Meta:
    """An object of a schema that is described elsewhere."""
    return Meta(extra_json_schema=forms.ref(schema))


AsOf: TypeAlias = Annotated[str | None, described(QUALITY["as_of"])]
NextCursor: TypeAlias = Annotated[
    str | None, told("Give it as `cursor` for the next page; `null` on the last.", "kXy3b1")
]
Stale: TypeAlias = Annotated[bool, described(QUALITY["stale"])]
MembersAway: TypeAlias = Annotated[
    list[str] | UnsetType,
    told("Only of a federation: its members that do not answer, who are in nothing told here."),
]


def schemas_of(*answers: type[Answer]) -> dict[str, Json]:
    """Their schemas and those of their parts, by name."""
    _, found = msgspec.json.schema_components(answers, ref_template=_PLACE)
    return {name: _open(_shown(schema)) for name, schema in found.items()}


def _open(schema: Json) -> Json:
    """Without what it is called and with nothing that is told by default."""
    return {key: value for key, value in schema.items() if key != "title"}


def _shown(node: Any) -> Any:
    """As the rest of the document is written: ``null`` among the types, words as strings."""
    if isinstance(node, list):
        return [_shown(each) for each in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return {"$ref": node["$ref"]}
    shown = {key: _shown(value) for key, value in node.items()}
    if _WORDS in shown:
        unknown = [None] if {"type": "null"} in shown.get("anyOf", ()) else []
        shown["enum"] = [*shown.pop(_WORDS), *unknown]
        shown.pop("anyOf", None)
    if "enum" in shown and "type" not in shown:
        or_null = ["string", "null"] if None in shown["enum"] else "string"
        return {"type": or_null, **shown}
    known = [each for each in shown.get("anyOf", ()) if each != {"type": "null"}]
    if len(known) == 1 and len(shown["anyOf"]) == 2 and "type" in known[0]:
        del shown["anyOf"]
        return {**known[0], **shown, "type": [known[0]["type"], "null"]}
    return shown
