"""Dart without a Dart SDK: a grammar that says whether a file is Dart, and a way to run it.

:func:`javascript` takes the types out of a file and gives what is left to JavaScript. It knows what
``docs/clients/flutter/lib/src/machine.dart`` is written in: constants, functions, one class
with fields, getters and methods, ``if``, ``return``, literals, operators that both languages share,
``is num``, and ``$name`` in texts. Anything else is refused by name, so that nothing is run as
something that it is not.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Final

import tree_sitter_dart
from tree_sitter import Language, Node, Parser

#: What JavaScript has under another name.
_PRELUDE: Final = """const { min } = Math;
Number.prototype.floor = function () { return Math.floor(this); };
Number.prototype.round = function () { return Math.round(this); };
Array.prototype.add = Array.prototype.push;
"""
_DROPPED: Final = frozenset(
    {
        *("comment", "documentation_comment", "library_name", "import_or_export", "type_alias"),
        *("type_identifier", "type_arguments", "nullable_type", "void_type", "function_type"),
        *("final_builtin", "const_builtin", "inferred_type", "required"),
    }
)
#: Whose children are written as they stand.
_KEPT: Final = frozenset(
    {
        *("program", "class_body", "block", "function_body", "formal_parameter", "arguments"),
        *("formal_parameter_list", "optional_formal_parameters", "method_signature"),
        *("expression_statement", "return_statement", "if_statement"),
        *("argument", "argument_part", "selector", "unconditional_assignable_selector"),
        *("index_selector", "assignable_expression", "assignment_expression", "list_literal"),
        *("parenthesized_expression", "conditional_expression", "if_null_expression"),
        *("logical_and_expression", "logical_or_expression"),
        *("relational_expression", "additive_expression", "multiplicative_expression"),
        *("shift_expression", "unary_expression", "postfix_expression", "spread_element", "pair"),
        *("set_or_map_literal", "static_final_declaration", "initialized_variable_definition"),
        *("initializer_list_entry", "field_initializer", "prefix_operator", "postfix_operator"),
        *("negation_operator", "increment_operator", "relational_operator"),
        *("additive_operator", "shift_operator"),
        *("logical_and_operator", "logical_or_operator", "true", "false"),
    }
)


@cache
def _parser() -> Parser:
    return Parser(Language(tree_sitter_dart.language()))


def parse(source: str) -> Node:
    """The syntax tree of a file; :func:`errors` says whether it is Dart."""
    return _parser().parse(source.encode()).root_node


def errors(node: Node) -> Iterator[str]:
    """Where a file is no Dart, with lines that count from 1."""
    if node.is_error or node.is_missing:
        yield f"line {node.start_point.row + 1}: {_text(node)[:60]!r}"
    elif node.has_error:
        for child in node.children:
            yield from errors(child)


def nodes(node: Node, *types: str) -> Iterator[Node]:
    """The nodes of ``types`` in the tree, in the order of the file."""
    if node.type in types:
        yield node
    for child in node.children:
        yield from nodes(child, *types)


def javascript(source: str) -> str:
    """A module of JavaScript that does what a plain Dart file says; its class is exported."""
    tree = parse(source)
    found = list(errors(tree))
    if found:
        raise ValueError(f"no Dart: {found}")
    return _PRELUDE + _Translation(tree).text


class _Translation:
    """``_members`` are the names that mean ``this.name``, but where ``_locals`` hide them."""

    def __init__(self, tree: Node) -> None:
        kinds = ("getter_signature", "initialized_identifier")
        self._members = {_name(node) for node in nodes(tree, *kinds)}
        for node in nodes(tree, "method_signature"):
            self._members.update(map(_name, nodes(node, "function_signature")))
        self._locals: set[str] = set()
        self.text = self._of(tree)

    def _of(self, node: Node) -> str:
        kind = node.type
        if kind in _DROPPED:
            return ""
        if kind in _KEPT:
            return self._all(node.children) if node.children else _text(node)
        special = getattr(self, f"_{kind}", None)
        if special is not None:
            return str(special(node))
        if node.child_count == 0:
            return "" if kind == "!" and node.parent and node.parent.type == "selector" else kind
        raise _not_understood(node)

    def _all(self, children: list[Node]) -> str:
        return " ".join(filter(None, map(self._of, children)))

    def _identifier(self, node: Node) -> str:
        name = _text(node)
        before = node.prev_sibling
        if before is not None and before.type == ".":
            return name
        return f"this.{name}" if name in self._members - self._locals else name

    def _decimal_integer_literal(self, node: Node) -> str:
        return _text(node)

    def _null_literal(self, _node: Node) -> str:
        return "null"

    def _string_literal(self, node: Node) -> str:
        text = _text(node)
        if "`" in text or "\\" in text or "${" in text:
            raise _not_understood(node)
        for part in nodes(node, "identifier_dollar_escaped"):
            text = text.replace(f"${_text(part)}", "${" + self._identifier(part) + "}")
        return f"`{text[1:-1]}`" if not _is_key(node) else text

    def _equality_expression(self, node: Node) -> str:
        """JavaScript has two: only that of ``null`` means both of its nothings."""
        kinds = [child.type for child in node.children]
        position = kinds.index("equality_operator")
        same = "" if "null_literal" in kinds else "="
        operator = _text(node.children[position])
        left = self._all(node.children[:position])
        return f"{left} {operator}{same} {self._all(node.children[position + 1 :])}"

    def _multiplicative_operator(self, node: Node) -> str:
        if _text(node) != "*":
            raise _not_understood(node)
        return "*"

    def _class_definition(self, node: Node) -> str:
        return "export " + " ".join(
            _text(child) if child.type == "identifier" else self._of(child)
            for child in node.children
        )

    def _declaration(self, node: Node) -> str:
        """A constructor, or fields."""
        signature = next(nodes(node, "constructor_signature"), None)
        if signature is None:
            return self._all(node.children)
        self._locals = _locals(node)
        [parameters] = nodes(node, "formal_parameter_list")
        fields = "; ".join(map(self._of, nodes(node, "field_initializer")))
        return f"constructor {self._of(parameters)} {{ {fields} }}"

    def _initialized_identifier_list(self, node: Node) -> str:
        fields = [child for child in node.children if child.type == "initialized_identifier"]
        return "; ".join(
            f"{_name(field)} = {self._all(field.children[2:]) or 'null'}" for field in fields
        )

    def _getter_signature(self, node: Node) -> str:
        self._locals = _locals(_after(node))
        return f"get {_name(node)} ()"

    def _function_signature(self, node: Node) -> str:
        self._locals = _locals(node) | _locals(node.next_sibling or _after(node))
        [parameters] = nodes(node, "formal_parameter_list")
        method = node.parent is not None and node.parent.type == "method_signature"
        return f"{'' if method else 'function '}{_name(node)} {self._of(parameters)}"

    def _static_final_declaration_list(self, node: Node) -> str:
        return "const " + self._all(node.children)

    def _local_variable_declaration(self, node: Node) -> str:
        return "let " + self._all(node.children)

    def _type_test_expression(self, node: Node) -> str:
        value, test = node.children
        if _text(test) != "is num":
            raise _not_understood(test)
        return f"typeof {self._of(value)} === 'number'"


def _not_understood(node: Node) -> ValueError:
    return ValueError(f"line {node.start_point.row + 1}: {_text(node)!r} is not understood")


def _text(node: Node) -> str:
    return (node.text or b"").decode()


def _name(node: Node) -> str:
    return next(_text(child) for child in node.children if child.type == "identifier")


def _after(node: Node) -> Node:
    """The body of a method, which follows its signature."""
    assert node.parent is not None
    body = node.parent.next_sibling
    assert body is not None
    return body


def _locals(node: Node) -> set[str]:
    return {
        _name(found) for found in nodes(node, "formal_parameter", "initialized_variable_definition")
    }


def _is_key(node: Node) -> bool:
    parent = node.parent
    return parent is not None and parent.type == "pair" and parent.children[0] == node
