"""Fields that did not come as JSON: forms, multipart forms, lines of names and values. PURE.

Dart's ``http.post(body: map)`` sends a form, ``FormData`` and ``MultipartRequest`` a multipart
form, and a map that was printed instead of encoded is ``{screen: Home, app_version: 1.0}``. Values
are texts; what they mean is ``ingest.body.validate``'s.
"""

from __future__ import annotations

import re
from typing import Final

from ingest.body.charset import text_of

MAX_FIELDS: Final = 100
_SEPARATOR: Final = re.compile(r"[&\r\n]+")
_PART_NAME: Final = re.compile(rb"""\bname="?([^";\r\n]*)"?""", re.IGNORECASE)
_PERCENT: Final = re.compile(rb"%([0-9A-Fa-f]{2})")
_HEAD_END: Final = re.compile(rb"\r?\n\r?\n")


def form_fields(text: str) -> dict[str, str]:
    """The fields of a query, of an ``application/x-www-form-urlencoded`` body or of a
    ``text/plain`` one; of a field that is there twice the last."""
    fields = {}
    for pair in _SEPARATOR.split(text, MAX_FIELDS)[:MAX_FIELDS]:
        name, _, value = pair.partition("=")
        if name:
            fields[_decoded(name)] = _decoded(value)
    return fields


def multipart_fields(body: bytes, boundary: str | None) -> dict[str, str] | None:
    """The fields of a ``multipart/form-data`` body, whose first line tells the boundary where no
    header does; ``None`` if it is none."""
    delimiter = f"--{boundary}".encode() if boundary else body.split(b"\n", 1)[0].rstrip()
    if len(delimiter) < len(b"--x") or delimiter not in body:
        return None
    fields = {}
    for part in body.split(delimiter, MAX_FIELDS)[1 : MAX_FIELDS + 1]:
        head, *content = _HEAD_END.split(part, 1)
        name = _PART_NAME.search(head)
        if content and name:
            value, _ = text_of(content[0].removesuffix(b"\n").removesuffix(b"\r"))
            fields[text_of(name[1])[0]] = value
    return fields or None


def named_values(text: str, names: frozenset[str]) -> dict[str, str]:
    """What a flat text that is almost JSON says of the fields ``names``: a map that a language
    printed, single quotes, an object that was cut off. Nested ones say nothing that is plain."""
    if text.count("{") > 1 or "[" in text:
        return {}
    found = {}
    for match in _NAMED.finditer(text):
        name, value = match[1], match[2].strip()
        if name in names:
            found[name] = value[1:-1] if value[:1] in ("'", '"') else value
    return {name: value for name, value in found.items() if value not in _NOTHING}


_NOTHING: Final = frozenset({"null", "None", "nil", "undefined"})
# Bounded blanks: without, a body of blanks would be read again from each of them.
_NAMED: Final = re.compile(
    r"""(?:^|[{,;\n])[ \t\r]{0,8}["']?([a-z_]{1,32})["']?[ \t]{0,8}(?::|=>?)[ \t]{0,8}"""
    r"""("[^"\\\n]*"|'[^'\\\n]*'|[^,;{}"'\\\n]*(?=[,;}\n]|$))"""
)


def _decoded(text: str) -> str:
    """A name or value of a form. Its bytes are UTF-8, or what else :func:`text_of` reads."""
    if "%" not in text and "+" not in text:
        return text.strip()
    packed = text.replace("+", " ").encode("utf-8", "surrogatepass")
    unpacked = _PERCENT.sub(lambda found: bytes.fromhex(found[1].decode()), packed)
    return text_of(unpacked)[0].strip()
