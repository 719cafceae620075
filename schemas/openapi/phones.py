"""What phones call: the two calls, the socket's handshake. docs/integration.md tells the rest."""

from __future__ import annotations

from typing import Final

from schemas.log.events import (
    ABOUT_PHONE,
    BACKGROUND_APP_STATES,
    FOREGROUND_APP_STATES,
    MAX_DEVICE_ID,
    MAX_TEXT,
)
from schemas.openapi.answers import PHONES, REQUEST_ID, refusals
from schemas.openapi.forms import Json, in_header, operation, text

TAG: Final = {
    "name": "Phones",
    "description": "What an app calls with its user's own token. Frozen: apps in the field depend "
    "on it. A field that serves analytics never costs presence: what cannot be used is left out, "
    "and named in `X-Rollcall-Warning`. Pages of the origins in `ROLLCALL_CORS_ORIGINS` may call "
    "too (CORS, without cookies).",
}


def _loose(description: str, *examples: str, **keywords: int) -> Json:
    """A text of a phone's: a number or boolean is taken as text, ``null`` means absent."""
    return {
        "type": ["string", "number", "boolean", "null"],
        "description": description,
        **keywords,
        "examples": list(examples),
    }


_DEVICE_ID: Final = _loose(
    "The installation's own id, made once and kept. Without it the device is the token's "
    "`device_id` or `sid` claim, else the `device_info` text.",
    "8c3f1e",
    maxLength=MAX_DEVICE_ID,
)
_STATES: Final = ", ".join(
    f"`{state}`" for state in sorted(FOREGROUND_APP_STATES) + sorted(BACKGROUND_APP_STATES)
)
SCHEMAS: Final[dict[str, Json]] = {
    "Heartbeat": {
        "type": "object",
        "description": "Every field is optional; others are ignored. A form is read too, and "
        "what is almost JSON; a body that cannot be read is a sign of life with a warning.",
        "properties": {
            "screen": _loose(
                "Which screen is shown. `background` means the background; `Unknown`, blank and "
                f"missing mean no news. Cut to {MAX_TEXT['screen']} characters.",
                "Cart",
            ),
            "app_state": _loose(
                f"The app's life-cycle state, whatever the case: {_STATES}. What other systems "
                "call them is known too; any other word counts as absent. Foreground unless it or "
                "`screen` says background.",
                "resumed",
            ),
            **{
                name: _loose(f"Cut to {MAX_TEXT[name]} characters.", example)
                for name, example in ABOUT_PHONE.items()
            },
            "device_id": _DEVICE_ID,
            "sent_at": {
                "description": "When it was sent, by the phone's clock: RFC 3339 with an offset, "
                "or Unix seconds or milliseconds. It is only measured, never believed.",
                "examples": ["2026-03-30T11:59:41.007Z"],
            },
        },
    },
    "Logout": {
        "type": "object",
        "description": "Which device; without it those that the token was last seen with.",
        "properties": {"device_id": _DEVICE_ID},
    },
    "Success": {
        "type": "object",
        "required": ["success"],
        "properties": {"success": {"const": True}},
    },
}

_WARNING: Final = {
    "X-Rollcall-Warning": {
        "description": "Only if a field could not be taken as it was sent: `field: what was done; "
        "field: …`.",
        "schema": {"type": "string"},
        "example": f"screen: cut to {MAX_TEXT['screen']} characters",
    }
}
_INTERVAL: Final = {
    "X-Heartbeat-Interval-Seconds": {
        "description": "How often to send a heartbeat in the foreground, in seconds.",
        "required": True,
        "schema": {"type": "number", "exclusiveMinimum": 0},
        "example": 90,
    }
}


def _accepted(description: str, headers: dict[str, Json]) -> dict[str, Json]:
    return {
        "200": {
            "description": description,
            "headers": {**REQUEST_ID, **_WARNING, **headers},
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Success"}}},
        }
    }


def _body(schema: str) -> Json:
    return {
        "required": False,
        "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}},
    }


_REFUSED: Final = refusals(
    *("PhoneBadRequest", "PhoneTokenRefused", "PhoneBodyTooLarge", "PhoneUnsupportedEncoding"),
    *("PhoneHeadersTooLarge", "PhoneBadField", "PhoneRateLimited"),
    *("PhoneFailed", "PhoneUnavailable"),
)
_DURABLE: Final = (
    "A `200` is durable: the event is in the log, on all in-sync replicas. `503` means that it is "
    "not known to be there: send it again, after `Retry-After` and a random time on top."
)


def _upgrade(name: str, must_be: str) -> Json:
    return in_header(name, text("RFC 6455.", must_be, const=must_be), required=True)


_CALLS: Final[dict[str, Json]] = {
    "/api/update-online-status": {
        "post": operation(
            "updateOnlineStatus",
            "A heartbeat",
            "The user is there: at the app's start, at every change of the screen or between "
            "foreground and background, and in the foreground every "
            "`X-Heartbeat-Interval-Seconds`. Without one for 300 s a device is offline.\n\n"
            f"{_DURABLE}",
            {
                **_accepted("It is in the log.", _INTERVAL),
                **_REFUSED,
            },
            security=PHONES,
            body=_body("Heartbeat"),
        ),
    },
    "/api/logout-status": {
        "post": operation(
            "logOut",
            "The user logs out",
            "The device is offline at once, and so is the user unless another device is online. An "
            "otherwise valid JWT counts up to 24 h past its expiry. Late heartbeats do not undo "
            f"it.\n\n{_DURABLE}",
            {
                **_accepted("It is in the log.", {}),
                **_REFUSED,
            },
            security=PHONES,
            body=_body("Logout"),
        ),
    },
    "/api/ws": {
        "get": operation(
            "openSocket",
            "Open a WebSocket",
            "For apps that keep one. Authenticate with the `Authorization` header, or within 5 s "
            'with a first frame `{"type": "auth", "token": "…"}`; never in the address. The server '
            'answers `{"type": "welcome", "heartbeat_interval_seconds": 90, '
            '"offline_after_seconds": 300, "ping_interval_seconds": 30}`. After that a frame is a '
            'heartbeat with the fields of `Heartbeat`, `{"type": "logout"}`, or an array of them; '
            'one with an `id` gets `{"type": "ack", "id": …}` once it is in the log. Frames, their '
            "errors and the close codes are beyond OpenAPI: see *Integration* in the "
            "documentation. This page cannot "
            "open one.",
            {
                "101": {
                    "description": "The socket is open.",
                    "headers": {
                        "Upgrade": {"required": True, "schema": {"const": "websocket"}},
                        "Sec-WebSocket-Accept": {"required": True, "schema": {"type": "string"}},
                    },
                },
                **refusals(
                    *("PhoneBadRequest", "PhoneTokenRefused", "PhoneOriginRefused"),
                    *("PhoneRateLimited", "PhoneFailed", "PhoneUnavailable"),
                ),
            },
            security=({"phoneToken": []}, {}),
            parameters=(
                _upgrade("Connection", "Upgrade"),
                _upgrade("Upgrade", "websocket"),
                _upgrade("Sec-WebSocket-Version", "13"),
                in_header(
                    "Sec-WebSocket-Key",
                    text("RFC 6455: 16 random bytes, in base64.", "dGhlIHNhbXBsZSBub25jZQ=="),
                    required=True,
                ),
            ),
        )
    },
}
PATHS: Final = {
    path: {method: {"tags": [TAG["name"]], **each} for method, each in item.items()}
    for path, item in _CALLS.items()
}
