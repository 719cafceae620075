"""Rules that fold ids and people's names out of the names of screens. PURE.

An app that puts an id or a person into a screen's name (``/product/4711``, ``Chat with Bob``) makes
a screen of each. A file of rules, one a line, says what becomes of such names at the door:

1. ``background`` and ``Unknown`` mean something in the protocol: they are never folded, and nothing
   is ever folded into them.
2. A line may name a ready rule (:data:`READY`). Whatever their order in the file they come first,
   in that of the table. They look at *words*: letters and digits without anything between.
3. Any other line is a pattern: text with ``{name}`` in it, which stands for one character or more.
   In a pattern with a ``/`` that is never a ``/``: it stays within its segment. The first pattern
   that matches a whole name is its name from then on.
4. A line that is ``#`` alone or begins with ``# `` is a comment.

The same name always gives the same, and folding twice is folding once: a file whose rules would
fold what they have made is refused. There are no regular expressions in a file, so that none can
take long: a name is matched in time linear in its length, and the number of patterns is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, NamedTuple, TypeAlias

from schemas.log.events import MAX_TEXT
from schemas.untrusted.text import clean_text, same_name

MAX_FILE_BYTES: Final = 65_536
MAX_PATTERNS: Final = 200
#: Screens that mean something in the protocol (design, section 1), in lower case.
RESERVED: Final = frozenset({"background", "unknown"})

Fold: TypeAlias = Callable[[str], str]

_MAX_CHARACTERS: Final = MAX_TEXT["screen"]
_PLACEHOLDER: Final = re.compile(r"\{([A-Za-z][A-Za-z_]{0,31})\}")
# Around a word: no letter, no digit.
_START, _END = r"(?<![^\W_])", r"(?![^\W_])"
_UUID: Final = re.compile(
    rf"{_START}[0-9a-fA-F]{{8}}(?:-[0-9a-fA-F]{{4}}){{3}}-[0-9a-fA-F]{{12}}{_END}"
)
_HASH: Final = re.compile(rf"{_START}[0-9a-fA-F]{{16,}}+{_END}")
_DIGITS: Final = re.compile(rf"{_START}\d++{_END}")


class ScreenRulesError(ValueError):
    """A file of rules that cannot be used; the message names the line and the remedy."""


def _without_query(name: str) -> str:
    path, mark, _ = name.partition("?")
    return (same_name(path) or "{query}") if mark else name


#: The ready rules by name, in the order in which they are applied.
READY: Final[dict[str, Fold]] = {
    "queries": _without_query,
    "uuids": partial(_UUID.sub, "{id}"),
    "hashes": partial(_HASH.sub, "{id}"),
    "digits": partial(_DIGITS.sub, "{id}"),
}


class _Pattern(NamedTuple):
    """``segments`` are the parts between slashes, each by its texts around its placeholders."""

    text: str
    line: int
    segments: tuple[tuple[str, ...], ...]

    def matches(self, name: str, parts: list[str]) -> bool:
        if len(self.segments) == 1:
            return _stands_for(self.segments[0], name)
        return all(map(_stands_for, self.segments, parts))


def _stands_for(texts: tuple[str, ...], part: str) -> bool:
    """Whether ``part`` is these texts with one character or more between each two of them."""
    if len(texts) == 1:
        return part == texts[0]
    first, *middle, last = texts
    if not (part.startswith(first) and part.endswith(last)):
        return False
    at, end = len(first), len(part) - len(last)
    for text in middle:  # the first place that fits leaves most room for the others
        found = part.find(text, at + 1, end)
        if found < 0:
            return False
        at = found + len(text)
    return at < end


@dataclass(frozen=True, slots=True)
class ScreenRules:
    """What a file says. ``lines`` are its rules as they are applied."""

    ready: tuple[str, ...]
    patterns: tuple[_Pattern, ...] = ()

    @property
    def lines(self) -> list[str]:
        return [*self.ready, *(pattern.text for pattern in self.patterns)]

    def folder(self) -> Fold:
        """The function from a name, cleaned and in its one spelling, to its name from then on."""
        ready = [READY[name] for name in self.ready]
        by_slashes = {
            slashes: [p for p in self.patterns if p.text.count("/") in (0, slashes)]
            for slashes in {0, *(pattern.text.count("/") for pattern in self.patterns)}
        }

        def fold(name: str) -> str:
            if name.lower() in RESERVED:
                return name
            for rule in ready:
                name = rule(name)
            if name.lower() in RESERVED:
                name = f"{{{name.lower()}}}"
            parts = name.split("/")
            for pattern in by_slashes.get(len(parts) - 1, by_slashes[0]):
                if pattern.matches(name, parts):
                    return pattern.text
            return name

        return fold


#: Where nobody has written rules yet: what a preview shows.
READY_RULES: Final = ScreenRules(tuple(READY))


def parse_screen_rules(text: str) -> ScreenRules:
    """The rules of a file. Raises :class:`ScreenRulesError`."""
    ready: set[str] = set()
    patterns: dict[str, _Pattern] = {}
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        rule = same_name(clean_text(line))
        if not rule or rule == "#" or rule.startswith("# "):
            continue
        if rule in READY:
            ready.add(rule)
        else:
            patterns.setdefault(rule, _pattern(rule, number))
    if len(patterns) > MAX_PATTERNS:
        raise ScreenRulesError(
            f"line {[*patterns.values()][MAX_PATTERNS].line}: there are at most {MAX_PATTERNS} "
            "patterns: write one for several, or name a ready rule"
        )
    if not ready and not patterns:
        raise ScreenRulesError(
            f"there is no rule in it: write patterns, or names of ready rules ({', '.join(READY)})"
        )
    rules = ScreenRules(tuple(name for name in READY if name in ready), tuple(patterns.values()))
    _check_that_twice_is_once(rules)
    return rules


def _pattern(rule: str, number: int) -> _Pattern:
    texts = _PLACEHOLDER.split(rule)[::2]
    if any("{" in text or "}" in text for text in texts):
        problem = "a placeholder is {name}: letters and _ in braces, which mean nothing else here"
    elif len(texts) == 1:
        problem = (
            f"this is neither a ready rule ({', '.join(READY)}) nor a pattern, which has a "
            "{name} in it, such as /product/{id}"
        )
    elif not any(texts):
        problem = "this would fold every name into one: write some text beside the placeholder"
    elif not all(texts[1:-1]):
        problem = "two placeholders stand side by side: write one, or text between them"
    elif len(rule) > _MAX_CHARACTERS:
        problem = f"a screen's name has at most {_MAX_CHARACTERS} characters: write a shorter one"
    else:
        segments = tuple(tuple(_PLACEHOLDER.split(part)[::2]) for part in rule.split("/"))
        return _Pattern(rule, number, segments)
    raise ScreenRulesError(f"line {number}: {rule[:60]}: {problem}")


def _check_that_twice_is_once(rules: ScreenRules) -> None:
    fold = rules.folder()
    ready_alone = ScreenRules(rules.ready).folder()
    lines = {pattern.text: pattern.line for pattern in rules.patterns}
    for pattern in rules.patterns:
        made = fold(pattern.text)
        if made == pattern.text:
            continue
        after_ready = ready_alone(pattern.text)
        if after_ready != pattern.text:
            problem = f"the ready rules come first, and make it {after_ready}: write that"
        else:
            problem = (
                f"line {lines[made]}, {made}, takes its names first: put it below this one, or "
                "leave one out"
            )
        raise ScreenRulesError(f"line {pattern.line}: {pattern.text}: {problem}")
