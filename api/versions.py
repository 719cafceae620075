"""Versions in the order in which they were made, as far as their texts tell. PURE.

Numbers compare as numbers, so that 1.10 is after 1.9; a missing one is 0. What follows a ``-``, or
letters behind the numbers, is a preview and comes before the version itself (1.0.0-rc.2 before
1.0.0); what follows a ``+``, a space or a bracket is a build and comes after it. A leading ``v``
does not count, and texts that do not begin with a number come before all versions.
"""

from __future__ import annotations

import re
from typing import Final, TypeAlias

Key: TypeAlias = tuple[object, ...]

_VERSION: Final = re.compile(r"v?([0-9]+(?:\.[0-9]+)*)(.*)", re.IGNORECASE | re.DOTALL)
_PIECES: Final = re.compile(r"([0-9]+)|([^0-9.+\-_ ()]+)")


def version_key(text: str) -> Key:
    """A key to sort by; equal only for equal texts."""
    match = _VERSION.fullmatch(text)
    if match is None:
        return (0, _pieces(text), text)
    numbers, rest = match.groups()
    release = [int(number) for number in numbers.split(".")]
    while release and release[-1] == 0:
        release.pop()
    stripped = rest.lstrip(".")
    is_preview = bool(stripped) and stripped[0] not in "+ ("
    preview, _, build = stripped.partition("+") if is_preview else ("", "", stripped)
    return (1, tuple(release), not is_preview, _pieces(preview), _pieces(build), text)


def _pieces(text: str) -> tuple[tuple[int, int, str], ...]:
    """Numbers before words, as semver.org has it for previews."""
    return tuple(
        (0, int(number), "") if number else (1, 0, word.lower())
        for number, word in _PIECES.findall(text)
    )
