"""Versions in the order in which they were made, as far as their texts tell. PURE.

Numbers compare as numbers, so that 1.10 is after 1.9; a missing one is 0. What follows a ``-``, or
letters behind the numbers, is a preview and comes before the version itself (1.0.0-rc.2 before
1.0.0); what follows a ``+``, a space or a bracket is a build and comes after it. A leading ``v``
does not count, and texts that do not begin with a number come before all versions.

A comparison has the same order, but takes 1.0 and 1.0.0 for equal, and looks at builds only if it
names one: whoever asks for 1.4.2 means 1.4.2+57 too.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, get_args

Operator: TypeAlias = Literal["<", "<=", "=", ">=", ">"]
OPERATORS: Final[tuple[Operator, ...]] = get_args(Operator)
Key: TypeAlias = tuple[object, ...]

_COMPARE: Final[dict[Operator, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
    ">=": operator.ge,
    ">": operator.gt,
}
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


@dataclass(frozen=True, slots=True)
class Comparison:
    """Of texts with ``version``: with ``<``, those before it."""

    op: Operator
    version: str

    def holds(self, text: str) -> bool:
        """Whether ``text`` is on that side of it."""
        ours = version_key(self.version)
        names_build = bool(ours[0]) and bool(ours[-2])
        return _COMPARE[self.op](_order(text, names_build), _order(self.version, names_build))


def _order(text: str, with_build: bool) -> Key:
    is_version, *order, build, _ = version_key(text)
    return (is_version, *order, build) if with_build or not is_version else (is_version, *order)


def _pieces(text: str) -> tuple[tuple[int, int, str], ...]:
    """Numbers before words, as semver.org has it for previews."""
    return tuple(
        (0, int(number), "") if number else (1, 0, word.lower())
        for number, word in _PIECES.findall(text)
    )
