"""What a socket's client is told, as actions. PURE."""

from __future__ import annotations

from ingest.socket import frames
from ingest.socket.actions import Send, SessionPolicy
from ingest.socket.frames import ErrorCode, Frame, FrameId
from schemas.http.problems import NOT_STORED, TOKEN_CODES, ProblemError


def welcome(policy: SessionPolicy, ping_interval_seconds: float) -> Send:
    """Its token counts, and this is what is expected of it."""
    return Send(
        frames.welcome(
            policy.heartbeat_interval_seconds,
            policy.offline_after_seconds,
            ping_interval_seconds,
            policy.max_silent_foreground_seconds,
        )
    )


def error(frame_id: FrameId, code: ErrorCode, message: str) -> Send:
    """A frame cannot be taken."""
    return Send(frames.error(frame_id, code, message), code)


def acknowledgement(frame: Frame) -> list[Send]:
    """A frame was taken of which no event is written; nothing where it has no id."""
    if frame.id is None:
        return []
    return [Send(frames.ack(frame.id, frame.sent.warnings))]


def token_refused(frame_id: FrameId, problem: ProblemError) -> Send:
    """The token of an ``auth`` frame is not accepted, or cannot be verified now."""
    code: ErrorCode
    if problem.code in TOKEN_CODES:
        code = "not_authenticated"
    else:
        code = "rate_limited" if problem.code == "rate_limited" else "unavailable"
    return error(frame_id, code, problem.detail)


def not_stored(frame_id: FrameId, problem: ProblemError | None) -> Send:
    """A frame's event is not known to be in the log; ``problem`` where that was refused at once."""
    if problem is not None and problem.code == "rate_limited":
        return error(frame_id, "rate_limited", problem.detail)
    return error(frame_id, "unavailable", NOT_STORED)
