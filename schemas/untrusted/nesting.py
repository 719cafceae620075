"""How deep JSON and msgpack may nest: bounded by us. PURE.

Decoders that recurse give up somewhere. Where, is up to the interpreter: Python 3.11 at its
recursion limit, 3.12 and 3.13 at other depths, some of which were no error at all. The same bytes
must mean the same everywhere (promise 4), so what is nested deeper than this is refused before
anything recurses into it.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

#: Arrays and objects around a value. Far more than anybody needs, far less than any Python allows.
MAX_DEPTH: Final = 256

_TEXT_OR_BRACKET: Final = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)
_OPENING: Final = frozenset("[{")

# What a header's first byte says of the bytes that follow it: how many there are, or in how many
# bytes their number stands (and how many there are beside them).
_FIXED: Final = dict(
    [(0xCA, 4), (0xCB, 8), (0xCC, 1), (0xCD, 2), (0xCE, 4), (0xCF, 8)]
    + [(0xD0, 1), (0xD1, 2), (0xD2, 4), (0xD3, 8)]
    + [(0xD4, 2), (0xD5, 3), (0xD6, 5), (0xD7, 9), (0xD8, 17)]
    + [(0xA0 | length, length) for length in range(32)]
)
_COUNTED: Final = {
    196: (1, 0),
    197: (2, 0),
    198: (4, 0),
    199: (1, 1),
    200: (2, 1),
    201: (4, 1),
    217: (1, 0),
    218: (2, 0),
    219: (4, 0),
}
# Items of a container: how many there are, or in how many bytes their number stands; and how many
# values an item is.
_FIXED_ITEMS: Final = dict(
    [(0x90 | items, items) for items in range(16)]
    + [(0x80 | items, 2 * items) for items in range(16)]
)
_COUNTED_ITEMS: Final = {0xDC: (2, 1), 0xDD: (4, 1), 0xDE: (2, 2), 0xDF: (4, 2)}
_NO_CONTAINERS: Final = bytes(set(range(256)) - _FIXED_ITEMS.keys() - _COUNTED_ITEMS.keys())


class NestedTooDeeplyError(ValueError):
    """A document nests deeper than :data:`MAX_DEPTH`."""

    def __init__(self) -> None:
        super().__init__(f"it nests deeper than {MAX_DEPTH}")


def not_too_deep(text: str) -> str:
    """The text itself, for a decoder. Raises ``NestedTooDeeplyError``."""
    if json_is_too_deep(text):
        raise NestedTooDeeplyError
    return text


def text_of_json(document: bytes) -> str:
    """The text of a document that servers wrote, in UTF-8, 16 or 32 as :func:`json.loads` finds.

    Raises ``NestedTooDeeplyError``, or ``UnicodeDecodeError``, which is a ``ValueError`` too.
    """
    return not_too_deep(document.decode(json.detect_encoding(document)))


def load_json(document: bytes) -> Any:
    """The value of somebody else's document. Raises ``ValueError``."""
    return json.loads(text_of_json(document))


def json_is_too_deep(text: str) -> bool:
    """Whether JSON, or what begins like it, nests deeper than :data:`MAX_DEPTH`."""
    # All but a few texts have too few brackets, wherever they stand.
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return False
    depth = 0
    for found in _TEXT_OR_BRACKET.finditer(text):
        mark = found[0]
        if mark[0] == '"':
            continue
        depth += 1 if mark in _OPENING else -1
        if depth > MAX_DEPTH:
            return True
    return False


def msgpack_is_too_deep(value: bytes) -> bool:
    """Whether msgpack, or what begins like it, nests deeper than :data:`MAX_DEPTH`."""
    # As above; bytes of other meanings count as well.
    if len(value.translate(None, _NO_CONTAINERS)) <= MAX_DEPTH:
        return False
    # Values still to come of each container that is open.
    open_containers: list[int] = [1]
    at, end = 0, len(value)
    while at < end and open_containers:
        if open_containers[-1] == 0:
            open_containers.pop()
            continue
        open_containers[-1] -= 1
        head = value[at]
        at += 1
        if head in _FIXED:
            at += _FIXED[head]
        elif head in _COUNTED:
            width, beside = _COUNTED[head]
            at += width + beside + int.from_bytes(value[at : at + width])
        elif head in _FIXED_ITEMS:
            open_containers.append(_FIXED_ITEMS[head])
        elif head in _COUNTED_ITEMS:
            width, values = _COUNTED_ITEMS[head]
            open_containers.append(values * int.from_bytes(value[at : at + width]))
            at += width
        # Empty ones are gone again before anything is inside.
        if len(open_containers) > MAX_DEPTH + 1:
            return True
    return False
