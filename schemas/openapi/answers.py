"""What every call can answer: problems by status from the closed table, headers, tables, and who
may call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final

from schemas.http.problems import CODES, PROBLEM_JSON, TOKEN_CODES
from schemas.openapi.forms import (
    Json,
    Security,
    flag,
    instant,
    many,
    nullable,
    record,
    ref,
    text,
    word,
)

PHONES: Final[Security] = ({"phoneToken": []},)
ANYBODY: Final[Security] = ({},)

SECURITY: Final[dict[str, Json]] = {
    "phoneToken": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The user's own token, which your app has from your backend: a JWT, or an "
        "opaque token where the deployment asks an authorization server about it (RFC 7662).",
    },
    "staffToken": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A token with the scope that the call asks for in `scope`, `scp`, `scopes` "
        "or `permissions`, of the staff's issuer if there is one.",
    },
    "apiKey": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "rck_…",
        "description": "A key of `rollcall key create`, sent as `Authorization: Bearer rck_…`.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "rollcall_session",
        "description": "The dashboard's session, from `/login`; it counts for requests of this "
        "site's own pages only, which send it by themselves. Where the address has a port, the "
        "name ends with it: `rollcall_session_8080`.",
    },
}

HEADERS: Final[dict[str, Json]] = {
    "RequestId": {
        "description": "Finds the request in the logs: the request's own id if it is well-formed, "
        "else a new one.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._:/+=-]{1,128}$"},
    },
    "RetryAfter": {
        "description": "Seconds until the call is worth repeating.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    },
    "WwwAuthenticate": {
        "description": "RFC 6750: `Bearer` with `error` and, in `error_description`, the code.",
        "required": True,
        "schema": {"type": "string", "pattern": '^Bearer realm="rollcall"'},
    },
    "AcceptEncoding": {
        "description": "What a body may be compressed with here.",
        "required": True,
        "schema": {"type": "string"},
        "example": "gzip, deflate",
    },
    "AsOf": {
        "description": "Only with CSV and NDJSON: the answer's `as_of`; empty if unknown.",
        "schema": {"type": "string"},
    },
    "Stale": {
        "description": "Only with CSV and NDJSON: the answer's `stale`.",
        "schema": {"type": "string", "enum": ["true", "false"]},
    },
}
REQUEST_ID: Final = {"X-Request-ID": {"$ref": "#/components/headers/RequestId"}}

_PROBLEM: Final = {
    "type": text("Always `about:blank`: `code` says which problem it is.", "about:blank"),
    "title": text("What the code means.", "A parameter cannot be used"),
    "status": {"type": "integer", "description": "The HTTP status.", "examples": [400]},
    "detail": text("What is wrong, and what would be right.", "from must be before to."),
    "code": word("From a closed table; a code never changes its meaning.", list(CODES)),
    "errors": many(
        record(
            {
                "field": text("A parameter or a field of the body.", "from"),
                "message": text("What is wrong with it.", "must be before to"),
            }
        ),
        "Every field that cannot be used; empty where no field is to blame.",
    ),
    "request_id": text("As in `X-Request-ID`.", "4bf92f3577b34da6"),
}
_FAILURE: Final = {"const": False, "description": "What the phones' sample reads."}
SCHEMAS: Final[dict[str, Json]] = {
    "Problem": record(
        _PROBLEM,
        # Of a request that cannot be read it is not known which call it would have been.
        sometimes={"success": _FAILURE},
        about="RFC 9457, with a code that programs may switch on.",
    ),
    "PhoneProblem": record(
        {"success": _FAILURE, **_PROBLEM}, about="A problem on one of the phones' calls."
    ),
}


def _header(name: str) -> Json:
    return {"$ref": f"#/components/headers/{name}"}


#: How good a table is, where it is no JSON.
AS_TABLE: Final = {"X-Rollcall-As-Of": _header("AsOf"), "X-Rollcall-Stale": _header("Stale")}


def ok(
    schema: Json, description: str, headers: Mapping[str, Json] | None = None
) -> dict[str, Json]:
    """A 200 with JSON."""
    return {
        "200": {
            "description": description,
            "headers": {**REQUEST_ID, **(headers or {})},
            "content": {"application/json": {"schema": schema}},
        }
    }


def created(schema: Json, description: str) -> dict[str, Json]:
    """A 201 with JSON."""
    return {"201": ok(schema, description)["200"]}


def accepted(schema: Json, description: str) -> dict[str, Json]:
    """A 202 with JSON."""
    return {"202": ok(schema, description)["200"]}


def table(
    schema: Json, row: str, description: str, headers: Mapping[str, Json] | None = None
) -> dict[str, Json]:
    """A 200 whose ``items``, of the schema named ``row``, come as CSV or NDJSON too."""
    found = ok(schema, description, {**AS_TABLE, **(headers or {})})
    found["200"]["content"] |= {
        "text/csv": {
            "schema": {
                "type": "string",
                "description": f"A line of names, then a line for each {row}, with its fields as "
                "columns (RFC 4180). An empty cell is `null`. A text that begins with `=`, `+`, "
                "`-`, `@`, a tab or a carriage return gets a leading apostrophe.",
            }
        },
        "application/x-ndjson": {
            "schema": {"type": "string", "description": f"A {row} a line, as JSON."}
        },
    }
    return found


def refusals(*names: str) -> dict[str, Json]:
    """Those of :data:`RESPONSES`, by status."""
    return {
        str(CODES[_REFUSALS[name][0]][0]): {"$ref": f"#/components/responses/{name}"}
        for name in names
    }


def _refusal(name: str, codes: Sequence[str]) -> Json:
    status = CODES[codes[0]][0]
    schema = "PhoneProblem" if name.startswith("Phone") else "Problem"
    titles = "; ".join(f"`{code}`: {CODES[code][1]}" for code in codes)
    return {
        "description": f"{HTTPStatus(status).phrase}. {titles}.",
        "headers": {**REQUEST_ID, **_headers_of(codes[0])},
        "content": {
            PROBLEM_JSON: {
                "schema": {
                    **ref(schema),
                    "properties": {"status": {"const": status}, "code": {"enum": list(codes)}},
                },
                "example": _example(codes[0], schema),
            }
        },
    }


def _headers_of(code: str) -> dict[str, Json]:
    if code in ("rate_limited", "unavailable"):
        return {"Retry-After": _header("RetryAfter")}
    if code in (*TOKEN_CODES, "scope_missing"):
        return {"WWW-Authenticate": _header("WwwAuthenticate")}
    if code == "unsupported_encoding":
        return {"Accept-Encoding": _header("AcceptEncoding")}
    return {}


def _example(code: str, schema: str) -> Json:
    status, title = CODES[code]
    return {
        **({"success": False} if schema == "PhoneProblem" else {}),
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": f"{title}.",
        "code": code,
        "errors": [],
        "request_id": "4bf92f3577b34da6",
    }


#: Why a token is refused.
_TOKEN: Final = tuple(code for code in CODES if code in TOKEN_CODES)
_REFUSALS: Final[dict[str, Sequence[str]]] = {
    "BadRequest": ("bad_request",),
    "BadParameter": ("bad_parameter", "bad_request"),
    "BadList": ("bad_parameter", "bad_cursor", "bad_request"),
    "BadBody": ("bad_json", "bad_parameter", "bad_request"),
    "TokenRefused": _TOKEN,
    "ScopeMissing": ("scope_missing",),
    "UnknownUser": ("unknown_user",),
    "NoSuchErasure": ("not_found",),
    "NotThere": ("not_found",),
    "NoSuchWebhook": ("not_found",),
    "NoSuchDelivery": ("not_found",),
    "BodyTooLarge": ("body_too_large",),
    "HeadersTooLarge": ("headers_too_large",),
    "UnsupportedEncoding": ("unsupported_encoding",),
    "BadField": ("bad_field",),
    "RateLimited": ("rate_limited",),
    "Failed": ("internal",),
    "NotFederated": ("not_federated",),
    "Unavailable": ("unavailable",),
    "PhoneBadRequest": ("bad_request",),
    "PhoneTokenRefused": _TOKEN,
    "PhoneOriginRefused": ("origin_refused",),
    "PhoneBodyTooLarge": ("body_too_large",),
    "PhoneUnsupportedEncoding": ("unsupported_encoding",),
    "PhoneHeadersTooLarge": ("headers_too_large",),
    "PhoneBadField": ("bad_field",),
    "PhoneRateLimited": ("rate_limited",),
    "PhoneFailed": ("internal",),
    "PhoneUnavailable": ("unavailable",),
}
RESPONSES: Final = {name: _refusal(name, codes) for name, codes in _REFUSALS.items()}
#: What a call of readers can refuse whatever it is about; 400 is each call's own.
OF_READERS: Final = refusals(
    *("TokenRefused", "ScopeMissing", "RateLimited", "HeadersTooLarge", "Failed"),
    *("NotFederated", "Unavailable"),
)

#: How good an answer is, in every one that tells of people.
QUALITY: Final = {
    "as_of": nullable(
        instant(
            "The time of the log up to which the answer is complete; `null` before there is one.",
            "2026-03-30T12:00:00.412Z",
        )
    ),
    "stale": flag(
        "`as_of` is absent, older than 10 s, or in the future: something does not keep up.", False
    ),
}
