"""Mutants: a module's functions changed in one place each, and how one is put into a process.

mutmut says what may be changed. Its own runner collects the tests anew for each mutant, and gives
it all tests that reach the function; here a process has collected them, and a mutant is a fork of
it in which one function got another code.
"""

from __future__ import annotations

import inspect
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, Final

import libcst
from libcst.metadata import MetadataWrapper, ParentNodeProvider, PositionProvider
from mutmut.mutation.file_mutation import Mutation, create_mutations

ROOT: Final = Path(__file__).resolve().parents[2]
#: The pure core, and what of ingest is as pure.
PLACES: Final = (
    "processor/core/**/*.py",
    "ingest/body/*.py",
    "ingest/log/cut_off.py",
    "ingest/socket/session.py",
)


@dataclass(frozen=True, slots=True)
class Mutant:
    """``lines`` are those of the statement that is changed, or of its head; a test that runs none
    of them cannot see the change."""

    file: str
    line: int
    function: str
    lines: range
    module: libcst.Module
    mutation: Mutation

    @property
    def source(self) -> str:
        """Of the changed module."""
        changed = self.module.deep_replace(self.mutation.original_node, self.mutation.mutated_node)
        assert isinstance(changed, libcst.Module)
        code: str = changed.code
        return code

    def put_in(self) -> bool:
        """Changes the function in this process. False if the change compiles to the same."""
        name = self.file.removesuffix(".py").replace("/", ".")
        function = _found(sys.modules[name], self.function)
        first_line = function.__code__.co_firstlineno
        source = self.source
        code = next(
            each
            for each in _codes(compile(source, self.file, "exec", dont_inherit=True))
            if (each.co_qualname, each.co_firstlineno) == (self.function, first_line)
        )
        if _said(code) != _said(function.__code__):
            function.__code__ = code
            return True
        # A default, which is no part of the code.
        namespace: dict[str, Any] = {"__name__": name}
        exec(compile(source, self.file, "exec", dont_inherit=True), namespace)  # noqa: S102
        made = _found(namespace, self.function)
        before = (function.__defaults__, function.__kwdefaults__)
        function.__defaults__, function.__kwdefaults__ = made.__defaults__, made.__kwdefaults__
        return repr(before) != repr((made.__defaults__, made.__kwdefaults__))


def files() -> list[str]:
    """Every module of the places, from the root."""
    found = {path for place in PLACES for path in ROOT.glob(place)}
    return sorted(path.relative_to(ROOT).as_posix() for path in found)


def mutants_of(file: str) -> list[Mutant]:
    """All of a module, in the order of its lines."""
    text = (ROOT / file).read_text("utf-8")
    module, mutations, _, _ = create_mutations(file, text)
    wrapper = MetadataWrapper(module, unsafe_skip_copy=True)
    positions = wrapper.resolve(PositionProvider)
    parents = wrapper.resolve(ParentNodeProvider)
    found = []
    for mutation in mutations:
        function = mutation.contained_by_top_level_function
        if not isinstance(function, libcst.FunctionDef):
            continue
        names = [function.name.value]
        node: libcst.CSTNode = function
        while node in parents:
            node = parents[node]
            if isinstance(node, libcst.ClassDef):
                names.insert(0, node.name.value)
        node = mutation.original_node
        line = positions[node].start.line
        while not isinstance(
            node, libcst.SimpleStatementLine | libcst.BaseCompoundStatement | libcst.MatchCase
        ):
            node = parents[node]
        if isinstance(node, libcst.SimpleStatementLine | libcst.Match):
            lines = range(positions[node].start.line, positions[node].end.line + 1)
        else:  # its head; of a function, whose defaults are seen anywhere in it, all of it
            end = positions[function].end if node is function else positions[node.body].start
            lines = range(positions[node].start.line, end.line + 1)
        found.append(Mutant(file, line, ".".join(names), lines, module, mutation))
    return sorted(found, key=lambda mutant: mutant.line)


def sample(mutants: list[Mutant], size: int, seed: int) -> list[Mutant]:
    """``size`` of them, each as likely as any other, spread evenly over the module's lines."""
    if not 0 < size < len(mutants):
        return mutants
    step = len(mutants) / size
    first = random.Random(f"{seed} {mutants[0].file}").uniform(0, step)
    return [mutants[int(first + step * number)] for number in range(size)]


def _found(place: Any, name: str) -> FunctionType:
    for part in name.split("."):
        place = place[part] if isinstance(place, dict) else inspect.getattr_static(place, part)
    function = getattr(place, "__func__", place)
    assert isinstance(function, FunctionType)
    return function


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from _codes(each)


def _said(code: CodeType) -> tuple[object, ...]:
    """What it does, without the places in the text."""
    constants = [
        _said(each) if isinstance(each, CodeType) else repr(each) for each in code.co_consts
    ]
    return code.co_code, constants, code.co_names, code.co_varnames
