"""The bytes that phones send. PURE.

Over HTTP those of the published sample (docs/integration.md): three fields, and the screen says
what its app knows of its state. Over a socket the frames of the client that is documented there:
each tells the whole state.
"""

from __future__ import annotations

import json
from typing import Any, Final

from deploy.simulate.behaviour import Action, Kind
from deploy.simulate.people import Phone

HEARTBEAT_PATH: Final = "/api/update-online-status"
LOGOUT_PATH: Final = "/api/logout-status"
SOCKET_PATH: Final = "/api/ws"
SAMPLE_HEADERS: Final = {
    "user-agent": "Dart/3.5 (dart:io)",
    "accept-encoding": "gzip",
    "content-type": "application/json; charset=utf-8",
}
#: What the sample names instead of a screen: at its timer and its resume, and in the background.
_SAMPLE_SCREENS: Final = {
    Kind.BEAT: "Unknown",
    Kind.RESUME: "Unknown",
    Kind.BACKGROUND: "background",
    Kind.LATE_BACKGROUND: "background",
    Kind.LATE_RESUME: "Unknown",
}


def sample_heartbeat(app_version: str, device_info: str, screen: str) -> bytes:
    """The body as Dart's ``jsonEncode`` writes it."""
    return _json(
        {"app_version": app_version, "device_info": device_info, "screen": screen}
    ).encode()


def sample_call(phone: Phone, action: Action) -> tuple[str, bytes] | None:
    """Path and body of the call that the sample makes of an action; ``None``: it makes none."""
    if action.kind is Kind.LOG_OUT:
        return LOGOUT_PATH, b""
    if action.kind in (Kind.DROP, Kind.DIE):
        return None
    screen = _SAMPLE_SCREENS.get(action.kind, action.screen)
    return HEARTBEAT_PATH, sample_heartbeat(phone.app.version, phone.device.text, screen)


def logout_body(phone: Phone) -> bytes:
    """Of the call with which an app logs out that has no socket at the moment."""
    return _json({"device_id": phone.device_id}).encode()


def state_fields(
    phone: Phone, screen: str, *, in_background: bool, sent_at: str | None = None
) -> dict[str, Any]:
    """What a frame tells about a phone; ``sent_at`` is its own clock's time, if it tells one."""
    told = {
        "screen": screen,
        "app_state": "paused" if in_background else "resumed",
        "app_version": phone.app.version,
        "device_info": phone.device.text,
        "device_id": phone.device_id,
        "platform": phone.device.platform,
    }
    return told if sent_at is None else {**told, "sent_at": sent_at}


def frame(frame_id: int, **fields: Any) -> str:
    """A text message of one frame that wants an ``ack``."""
    return _json({"id": frame_id, **fields})


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
