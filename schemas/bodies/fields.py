"""Objects that are sent as JSON, checked to their last field; every mistake is named at once. PURE.

A field is one object that knows what OpenAPI says of it and what its value becomes, both made from
the same limits and words. The policy: a field that is unknown, given twice or cannot be used is
refused by name, with what would be right; ``null`` is no value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast

from schemas.http.problems import FieldProblem
from schemas.log.events import MAX_TEXT
from schemas.openapi import forms
from schemas.openapi.forms import STORED_TEXT, Json
from schemas.untrusted.text import clean_text, same_name

MAX_PROBLEMS: Final = 20
_SHOWN_NAME: Final = 64

#: From a value of JSON to ours; raises ``ValueError`` that says what would be right.
Reader: TypeAlias = Callable[[Any], Any]


class BadFieldsError(ValueError):
    """Fields of an object that cannot be used, by their names in it."""

    def __init__(self, problems: Sequence[FieldProblem]) -> None:
        super().__init__("; ".join(f"{each.field} {each.message}" for each in problems))
        self.problems = list(problems)


@dataclass(frozen=True, slots=True)
class Field:
    """``missing`` is what is said where it is not given; without it, it may be left out."""

    schema: Json
    read: Reader
    missing: str = ""


Fields: TypeAlias = Mapping[str, Field]
#: Of values, and of the names of fields that are wrong already.
Together: TypeAlias = Callable[[dict[str, Any], set[str]], Sequence[FieldProblem]]


def schema_of(fields: Fields, **keywords: Any) -> Json:
    """Of an object of these fields."""
    return forms.closed(
        {name: each.schema for name, each in fields.items()},
        required=[name for name, each in fields.items() if each.missing],
        **keywords,
    )


def read_fields(
    document: Mapping[str, Any], fields: Fields, together: Together | None = None
) -> dict[str, Any]:
    """The values of the fields that are given. ``together`` says what is wrong with fields beside
    each other, of those that are right by themselves. Raises :class:`BadFieldsError`."""
    values: dict[str, Any] = {}
    problems: list[FieldProblem] = []
    for name, value in document.items():
        if len(problems) >= MAX_PROBLEMS:
            break
        known = fields.get(name)
        if known is None:
            problems.append(
                FieldProblem(shown_name(name), f"is no field here (they are: {', '.join(fields)})")
            )
            continue
        try:
            values[name] = known.read(value)
        except BadFieldsError as error:
            problems += within(name, error.problems)
        except ValueError as error:
            problems.append(FieldProblem(name, str(error)))
    problems += [
        FieldProblem(name, each.missing)
        for name, each in fields.items()
        if each.missing and name not in document
    ]
    if together is not None:
        wrong = {each.field.partition(".")[0] for each in problems}
        problems += [each for each in together(values, wrong) if each.field not in wrong]
    if problems:
        raise BadFieldsError(problems[:MAX_PROBLEMS])
    return values


def read_object(value: Any, fields: Fields, together: Together | None = None) -> dict[str, Any]:
    """As :func:`read_fields`, of an object within the object. Raises ``ValueError`` too."""
    if not isinstance(value, Mapping):
        raise ValueError(f"must be an object with {', '.join(fields)}")
    return read_fields(value, fields, together)


def read_list(value: Any, of: Field, least: int, most: int) -> list[Any]:
    """A list of such values. Raises ``ValueError`` or :class:`BadFieldsError`."""
    if not isinstance(value, list):
        raise ValueError(f"must be a list of {least} to {most}")
    if not least <= len(value) <= most:
        raise ValueError(f"must be a list of {least} to {most}, not of {len(value)}")
    found: list[Any] = []
    problems: list[FieldProblem] = []
    for index, item in enumerate(value):
        try:
            found.append(of.read(item))
        except ValueError as error:
            problems.append(FieldProblem(f"[{index}]", str(error)))
    if problems:
        raise BadFieldsError(problems[:MAX_PROBLEMS])
    return found


def without_nulls(said: object, names: Sequence[str]) -> object:
    """``said`` without those of these fields that are ``null``."""
    if not isinstance(said, Mapping):
        return said
    return {name: each for name, each in said.items() if each is not None or name not in names}


def within(name: str, problems: Sequence[FieldProblem]) -> list[FieldProblem]:
    """Those of an object or a list that is the field ``name``."""
    return [
        FieldProblem(
            name + each.field if each.field.startswith("[") else f"{name}.{each.field}",
            each.message,
        )
        for each in problems
    ]


def shown_name(name: str) -> str:
    """A name that a stranger chose, as an error may repeat it."""
    return clean_text(name)[:_SHOWN_NAME]


# -- fields, each with the reader of the limits that it tells


def text_problem(text: object, max_characters: int) -> str | None:
    """Why ``text`` is none that is stored anywhere; ``None`` if it may be."""
    if not isinstance(text, str):
        return "must be a text"
    if not text:
        return f"is empty: it must have 1 to {max_characters} characters"
    if len(text) > max_characters:
        return f"is longer than {max_characters} characters"
    if clean_text(text) != text:
        return "holds characters that no text here can hold"
    return None


def read_text(max_characters: int) -> Reader:
    """A text that can be stored."""

    def read(value: Any) -> str:
        problem = text_problem(value, max_characters)
        if problem:
            raise ValueError(problem)
        return cast(str, value)

    return read


def text_field(about: str, example: str, max_characters: int, missing: str = "") -> Field:
    """A text that can be stored."""
    schema = forms.text(about, example, **_limits(max_characters))
    return Field(schema, read_text(max_characters), missing)


def line_field(about: str, example: str, max_characters: int, missing: str = "") -> Field:
    """A text that shows something; blanks at its ends are dropped."""
    read = read_text(max_characters)
    limits = {**_limits(max_characters), "pattern": forms.VISIBLE_TEXT}
    schema = forms.text(about, example, **limits)
    return Field(schema, lambda v: read(v.strip() if isinstance(v, str) else v), missing)


def name_field(about: str, example: str, of: str, missing: str = "") -> Field:
    """A name of what phones send as ``of``, in the one spelling that is stored."""
    read = read_text(MAX_TEXT[of])
    schema = forms.text(about, example, **_limits(MAX_TEXT[of]))
    return Field(schema, lambda v: read(same_name(v) if isinstance(v, str) else v), missing)


def word_field(
    about: str, allowed: Sequence[str], missing: str = "", or_else: str = "", **keywords: Any
) -> Field:
    """One of these words."""

    def read(value: Any) -> str:
        if not isinstance(value, str) or value not in allowed:
            raise ValueError(f"must be {' or '.join(allowed)}{or_else}")
        return value

    return Field(forms.word(about, allowed, **keywords), read, missing)


def number_field(
    about: str, example: int, least: int, most: int, missing: str = "", **keywords: Any
) -> Field:
    """A whole number."""

    def read(value: Any) -> int:
        # JSON has one kind of number: 5.0 is 5.
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return value

    schema = forms.whole(about, example, minimum=least, maximum=most, **keywords)
    return Field(schema, read, missing)


def flag_field(about: str, example: bool, missing: str = "", **keywords: Any) -> Field:
    """True or false."""

    def read(value: Any) -> bool:
        if not isinstance(value, bool):
            raise ValueError("must be true or false")
        return value

    return Field({**forms.flag(about, example), **keywords}, read, missing)


def parsed_field(schema: Json, parse: Callable[[str], Any], missing: str = "") -> Field:
    """What ``parse`` makes of a text."""

    def read(value: Any) -> Any:
        if not isinstance(value, str):
            raise ValueError("must be a text")
        return parse(value)

    return Field(schema, read, missing)


def _limits(max_characters: int) -> Json:
    return {"minLength": 1, "maxLength": max_characters, "pattern": STORED_TEXT}
