"""An order of versions, as filters have it. PURE."""

from __future__ import annotations

from typing import Final

from schemas.bodies.fields import Field, name_field, read_object, schema_of, word_field
from schemas.measures.versions import OPERATORS, Comparison

_FIELDS: Final[dict[str, Field]] = {
    "op": word_field(
        "How the user's version compares.",
        OPERATORS,
        f"is missing: it must be {' or '.join(OPERATORS)}",
    ),
    "version": name_field(
        "1.10 is after 1.9; builds count only if it names one.",
        "1.10.0",
        "app_version",
        "is missing: name the version",
    ),
}
VERSION: Final = Field(
    schema_of(_FIELDS, description="Versions in their order; an unknown one is in none."),
    lambda value: Comparison(**read_object(value, _FIELDS)),
)
PLATFORM: Final = name_field("As in breakdowns, whatever the case.", "android", "platform")
