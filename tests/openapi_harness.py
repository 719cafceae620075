"""The OpenAPI document as schemathesis holds a running service to it.

Of each operation schemathesis sends every boundary of what it takes, and examples drawn at random:
the same on every run, unless ``ROLLCALL_TEST_EXAMPLES`` draws that many others to hunt with. What
takes nothing but what others take, too, gets the examples alone: a parameter and a body are
declared once for all. The daily suite sends a fourth of an operation's many boundaries, always the
same; the long hunts send all.

Import it where it is used: schemathesis costs every process that collects tests a second and more.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import schemathesis
from hypothesis import settings
from requests import Response as HttpResponse
from schemathesis import Case, CheckContext, Response
from schemathesis.checks import load_all_checks
from schemathesis.config import SchemathesisConfig
from schemathesis.core.result import Ok
from schemathesis.generation.feedback import FeedbackSources
from schemathesis.generation.meta import TestPhase
from schemathesis.pytest._test_builder import build_operation_test
from schemathesis.schemas import APIOperation, BaseSchema
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.openapi import document
from tests.openapi_schemas import closed

_HUNTED: Final = int(os.environ.get("ROLLCALL_TEST_EXAMPLES") or 0)
#: Of more boundaries than so many the daily suite sends one in so many.
_ALL_UP_TO: Final = 8
_ONE_IN: Final = 4
#: schemathesis' own statuses for wrong data.
_REFUSED: Final = ("400", "401", "403", "404", "406", "422", "428", "5xx")
#: Parameters whose rules no schema can say: what the others are, what is kept, what was paged.
_RULED_BY_MORE: Final = frozenset(
    {
        *("from", "to", "tz", "at", "bucket", "sort", "limit", "cursor"),
        *("last_active", "saw", "did_not_see"),  # periods of an audience
        "address",  # of a saved view: a page's
        *("url", "email"),  # of a webhook or an alert
        "canary",  # not beside an instant
        "search",  # beside q, three characters and more
        "platform",  # more than blanks
        "push",  # of a timer: OneSignal may not be set up
        "users_per_call",  # of a delivery: at most what its target takes
    }
)

#: Of any text, which characters; of any list that is kept, how long it is by now.
_IS_OF_ALL: Final = re.compile(
    "holds characters that no text here can hold|must have no characters that cannot be seen"
    "|is one too many:"
)


def described(
    examples: int,
    *,
    auth: Mapping[str, str] | None = None,
    likely: Mapping[str, Sequence[str]] | None = None,
    unchecked: Sequence[str] = (),
) -> BaseSchema:
    """The document for schemathesis.

    ``auth``: the tokens that it sends, by security scheme. ``likely``: values that it tries for a
    parameter (``query.from``) half of the time; at random none would be of the fleet. ``unchecked``
    are checks that a service does not promise.
    """
    described = document("0")
    checks: dict[str, Any] = {name: {"enabled": False} for name in unchecked}
    # Data that is wrong because it is long may end at the limit of a head.
    checks["negative_data_rejection"] = {"expected-statuses": [*_REFUSED, "431"]}
    config = SchemathesisConfig.from_dict(
        {
            "seed": 1,
            "suppress-health-check": ["all"],
            "generation": {
                "max-examples": _HUNTED or examples,
                "deterministic": not _HUNTED,
                "database": "none",
            },
            # Nothing links one operation to another.
            "phases": {
                "stateful": {"enabled": False},
                # A call more for each method that there is; test_api_doors.py has several of all.
                **({} if _HUNTED else {"coverage": {"unexpected-methods": ["PUT"]}}),
            },
            # Ours is stricter: see below.
            "checks": {**checks, "positive_data_acceptance": {"enabled": False}},
            **({"auth": {"openapi": {n: {"bearer": t} for n, t in auth.items()}}} if auth else {}),
            "operations": [
                {"include-name": label, "phases": {"coverage": {"enabled": bool(_HUNTED)}}}
                for label in take_nothing_new(described)
            ],
            "dictionaries": {
                _word(name): {"values": list(values)} for name, values in (likely or {}).items()
            },
            "parameters": {
                name: {"dictionary": _word(name), "probability": 0.5} for name in (likely or {})
            },
        }
    )
    return schemathesis.openapi.from_dict(closed(described), config=config)


def take_nothing_new(document: Mapping[str, Any]) -> list[str]:
    """Operations each of whose parameters, and whose body, another one takes, too: that gets all
    boundaries. One that takes nothing is no such operation."""
    taken = {
        f"{method.upper()} {path}": {
            json.dumps(each, sort_keys=True)
            for each in (*operation.get("parameters", ()), operation.get("requestBody"))
            if each
        }
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }
    known: set[str] = set()
    found = []
    for label in sorted(taken, key=lambda label: -len(taken[label])):
        if taken[label] and taken[label] <= known:
            found.append(label)
        known |= taken[label]
    return found


def _operations(schema: BaseSchema) -> list[APIOperation[Any, Any, Any, Any]]:
    return [result.ok() for result in schema.get_all_operations() if isinstance(result, Ok)]


def hunt(
    schema: BaseSchema,
    label: str,
    check: Callable[[Case[Any]], object],
    *,
    examples: int | None = None,
) -> None:
    """Call ``check`` with boundaries of an operation, and with examples; with every boundary if
    ``examples`` says how many of those.

    schemathesis' own ``parametrize`` makes them as tests are collected: every process of a run
    would, for all operations.
    """
    [operation] = [found for found in _operations(schema) if found.label == label]

    boundaries = 0

    def test(case: Case[Any]) -> None:
        nonlocal boundaries
        if case.meta is not None and case.meta.phase.name is TestPhase.COVERAGE:
            boundaries += 1
            is_daily = examples is None and not _HUNTED
            if is_daily and boundaries > _ALL_UP_TO and boundaries % _ONE_IN:
                return
        check(case)

    load_all_checks()
    build_operation_test(
        config=schema.config,
        operation=operation,
        test_func=test,
        given_kwargs={},
        feedback=FeedbackSources(),
        explicit_settings=None if examples is None else settings(max_examples=examples),
    )()


def good_data_is_refused_for_a_reason_only(
    _context: CheckContext, response: Response, case: Case[Any]
) -> None:
    """A check: what fits its schema is a 400 only for what no schema can say."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if response.status_code in (400, 422):
        errors = response.json()["errors"]
        assert errors
        fields = {
            error["field"].rpartition(".")[2]
            for error in errors
            # Which fields of an alert's rule go together, no schema here says.
            if not error["field"].startswith("rule.") and not _IS_OF_ALL.match(error["message"])
        }
        assert fields <= _RULED_BY_MORE, response.text


def hold(
    answer: HttpResponse, schema: BaseSchema, path: str, method: str, **path_parameters: str
) -> None:
    """Fails unless the operation's description has such an answer."""
    schema[path][method].Case(path_parameters=path_parameters).validate_response(
        answer,
        checks=[
            status_code_conformance,
            content_type_conformance,
            response_headers_conformance,
            response_schema_conformance,
        ],
    )


def _word(parameter: str) -> str:
    return parameter.replace(".", "-")
