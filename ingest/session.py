"""The life of one socket. PURE: frames and times in; frames, events and the end out.

The policy (design, section 4):

1. A socket is authenticated by its handshake's header or by an ``auth`` frame within
   ``auth_timeout``; else 4401. Frames before that are answered ``not_authenticated``. A later
   ``auth`` frame replaces the token if it is of the same user. A minute before the token ends the
   client is told, at its end the socket is closed: 4402.
2. It has one device for its life: that of its first ``auth`` frame if that carries ``device_id`` or
   ``device_info``, else of its first heartbeat frame, else, ``first_frame`` after authentication,
   what the token says. Then ``connect`` is written. It stands for the heartbeat frame that named
   the device, unless the ``auth`` frame told news of its own: then one event follows the other.
3. What cannot be written is answered ``unavailable``. Only ``connect`` is tried again, by itself,
   as long as the socket lives: without it nobody would see the phone.
4. Whatever the client sends, pongs included, shows that it is there. One that was not heard of for
   ``ping_interval`` is pinged, and lost ``ping_timeout`` later: 4408, and its disconnect says for
   how long it was silent. The interval is told in ``welcome``; it is shorter for a user whose
   sockets a gateway cuts sooner (``ingest.ping_intervals``).
5. ``renew`` is written every heartbeat interval for a client that was heard of since the last sign
   of life that was written; the first one at a random part of the interval, so that sockets which
   were opened together do not renew together. A replaced token is written as ``renew`` too: a
   heartbeat without news would be a resume on a device in the background.
6. A frame that cannot be taken is answered, counts against the user's allowance like any other, and
   is written as ``renew``: whoever sends it is there.
7. With ``max_silent_foreground``, a device in the foreground whose client sent no frame for so long
   is written as hidden, whatever pings it answers; its next frame brings it back.
8. Every end after ``connect`` is written as ``disconnect``; an end of our own making says so,
   unless it is a lost client's.

Times are seconds of one monotonic clock. Methods give what to do, in order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from ingest import frames
from ingest.frames import BadFrame, ErrorCode, Frame, FrameId
from ingest.session_actions import (
    LOGGED_OUT,
    LOST_OR_SLOW,
    NORMAL,
    NOT_AUTHENTICATED,
    RESTART,
    TOKEN_EXPIRED,
    Action,
    Close,
    Ping,
    Send,
    SessionPolicy,
    Verify,
    Write,
)
from ingest.socket_device import SocketDevice, logout
from ingest.validate import Sent
from schemas.events import Connect, Logout
from schemas.problems import TOKEN_CODES, ProblemError
from schemas.tokens import Identity

#: Before authentication nothing is known of the client: so many wrong frames, then 4401.
MAX_FRAMES_BEFORE_AUTH: Final = 10
TOKEN_WARNING_SECONDS: Final = 60.0
#: Between two attempts to write ``connect``, on average.
CONNECT_RETRY_SECONDS: Final = 3.0
_NEVER: Final = float("inf")


class Session:
    """One socket. ``take`` asks whether the user may send an event now: 0.0, or the seconds to
    wait. ``fraction`` gives random numbers in [0, 1). ``ping_interval`` gives a user's, in seconds,
    where it is not the policy's."""

    __slots__ = (
        "_connect_at",
        "_connected",
        "_device",
        "_early_frames",
        "_expires_at",
        "_first",
        "_fraction",
        "_heard_at",
        "_hide_at",
        "_identity",
        "_logging_out",
        "_ping_answered",
        "_ping_interval",
        "_ping_seconds",
        "_pinged_at",
        "_policy",
        "_renew_at",
        "_started_at",
        "_take",
        "_verifying",
        "_waiting",
        "_warn_at",
        "_written_at",
        "close_code",
        "connection",
        "lost_after_seconds",
    )

    def __init__(
        self,
        policy: SessionPolicy,
        connection: str,
        now: float,
        take: Callable[[str, float], float],
        fraction: Callable[[], float],
        ping_interval: Callable[[str], float] | None = None,
    ) -> None:
        self.connection = connection
        self._policy = policy
        self._take = take
        self._fraction = fraction
        self._started_at = now
        self._heard_at = now
        #: When the last sign of life was written.
        self._written_at = now
        self._identity: Identity | None = None
        self._verifying: Frame | None = None
        self._logging_out = False
        #: Frames that wait for a token to be verified or a logout to be written.
        self._waiting: deque[Frame | BadFrame] = deque()
        self._early_frames = 0
        #: What ``connect`` is to say.
        self._first = Sent()
        self._device: SocketDevice | None = None
        self._connected = False
        #: How it ended: one of ``session_actions.CLOSE_CODES``, 1000 where the client did.
        self.close_code: int | None = None
        self._connect_at = _NEVER
        self._renew_at = _NEVER
        #: When a client that says nothing is taken for hidden.
        self._hide_at = _NEVER
        self._pinged_at: float | None = None
        self._ping_interval = ping_interval
        self._ping_seconds = policy.ping_interval_seconds
        self._ping_answered = False
        #: The silence after which it was lost, if it had answered no ping until then.
        self.lost_after_seconds: float | None = None
        self._expires_at = _NEVER
        self._warn_at = _NEVER

    # -- what the shell asks

    @property
    def user(self) -> str | None:
        """Whose socket it is, once that is known."""
        return self._identity.user if self._identity is not None else None

    @property
    def heard_at(self) -> float:
        """When the client was last heard of."""
        return self._heard_at

    @property
    def device_name(self) -> str | None:
        """What names the socket's device, once something does."""
        return self._device.name if self._device is not None else None

    def device_of(self, identity: Identity) -> str | None:
        """What would name the device, if the token that is being verified is ``identity``'s."""
        sent = self._verifying.sent if self._verifying is not None else self._first
        return sent.device_id or identity.device or sent.device_info

    @property
    def deadline(self) -> float:
        """When :meth:`wake` wants to be called, if nothing happens before."""
        if self._identity is None:
            return self._started_at + self._policy.auth_timeout_seconds
        return min(
            self._connect_at,
            self._renew_at,
            self._hide_at,
            self._ping_or_lost_at(),
            self._warn_at,
            self._expires_at,
        )

    # -- what happens

    def admitted(self, identity: Identity, valid_until: float, now: float) -> list[Action]:
        """The handshake's header was a valid token. ``valid_until`` is on the session's clock."""
        return self._admit(identity, valid_until, now)

    def message(self, text: str, now: float) -> list[Action]:
        """A text message came."""
        self.heard(now)
        self._waiting.extend(frames.read_frames(text))
        return self._take_frames(now)

    def heard(self, now: float) -> None:
        """A ping or a pong came."""
        self._heard_at = now
        if self._pinged_at is not None:
            self._pinged_at = None
            self._ping_answered = True

    def verified(self, identity: Identity, valid_until: float, now: float) -> list[Action]:
        """The token of the last :class:`Verify` is valid."""
        frame = self._verified_frame()
        if self._identity is None:
            self._first = frame.sent
            actions = self._acknowledge(frame) + self._admit(identity, valid_until, now)
        elif identity.user != self._identity.user:
            message = "token: is another user's; open another socket for them"
            actions = [_error(frame.id, "bad_field", message)]
        else:
            actions = self._replace_token(frame, identity, valid_until, now)
        return actions + self._take_frames(now)

    def refused(self, problem: ProblemError, now: float) -> list[Action]:
        """The token of the last :class:`Verify` is not accepted, or cannot be verified now."""
        frame = self._verified_frame()
        if problem.code in TOKEN_CODES:
            code: ErrorCode = "not_authenticated"
        else:
            code = "rate_limited" if problem.code == "rate_limited" else "unavailable"
        actions: list[Action] = [_error(frame.id, code, problem.detail)]
        if code == "not_authenticated" and self._identity is None:
            return actions + self.close(NOT_AUTHENTICATED, problem.code)
        # A token that the socket has already counts until it ends.
        return actions + self._take_frames(now)

    def written(self, write: Write) -> list[Action]:
        """An event is in the log."""
        actions: list[Action] = []
        if write.sent is not None and write.frame_id is not None and self.close_code is None:
            actions.append(Send(frames.ack(write.frame_id, write.sent.warnings)))
        if isinstance(write.event, Logout):
            actions += self.close(LOGGED_OUT, "logged out")
        return actions

    def not_written(self, write: Write, now: float) -> list[Action]:
        """An event is not known to be in the log."""
        if isinstance(write.event, Connect):
            self._connected = False
            self._connect_at = now + CONNECT_RETRY_SECONDS * (0.5 + self._fraction())
        if write.sent is None or self.close_code is not None:
            return []
        message = "This was not stored: the log cannot be written to. Send it again later."
        actions: list[Action] = [_error(write.frame_id, "unavailable", message)]
        if isinstance(write.event, Logout):
            self._logging_out = False
            actions += self._take_frames(now)
        return actions

    def wake(self, now: float) -> list[Action]:
        """Time has passed."""
        if self.close_code is not None or now < self.deadline:
            return []
        if self._identity is None:
            return self.close(NOT_AUTHENTICATED, "not authenticated in time")
        if now >= self._expires_at:
            return self.close(TOKEN_EXPIRED, "token expired")
        if self._pinged_at is not None and now >= self._ping_or_lost_at():
            return self._lost(now)
        actions: list[Action] = []
        if now >= self._warn_at:
            self._warn_at = _NEVER
            actions.append(Send(frames.token_expiring(round(self._expires_at - now))))
        if now >= self._connect_at:
            actions += self._connect_unasked(now)
        if now >= self._hide_at:
            self._hide_at = _NEVER
            actions += self._hide(now)
        if now >= self._renew_at:
            self._renew_at = now + self._policy.heartbeat_interval_seconds
            if self._connected and self._heard_at > self._written_at:
                actions += self._renew(now)
        if now >= self._ping_or_lost_at():
            self._pinged_at = now
            actions.append(Ping())
        return actions

    def cut(self, now: float) -> list[Action]:
        """The connection broke without a close frame."""
        if self.close_code is None:
            self._note_loss(now)
        return self.gone()

    def gone(self) -> list[Action]:
        """The client closed the socket."""
        if self.close_code is not None:
            return []
        self.close_code = NORMAL
        return self._disconnect(by_server=False)

    def restart(self, reconnect_after_ms: int) -> list[Action]:
        """This process ends."""
        if self.close_code is not None:
            return []
        return [Send(frames.restart(reconnect_after_ms)), *self.close(RESTART, "restart")]

    def close(self, code: int, reason: str) -> list[Action]:
        """We end it."""
        if self.close_code is not None:
            return []
        self.close_code = code
        return [*self._disconnect(by_server=True), Close(code, reason)]

    # -- the parts

    def _ping_or_lost_at(self) -> float:
        if self._pinged_at is not None:
            return self._pinged_at + self._policy.ping_timeout_seconds
        return self._heard_at + self._ping_seconds

    def _verified_frame(self) -> Frame:
        frame, self._verifying = self._verifying, None
        assert frame is not None  # noqa: S101  (the shell answers each Verify once)
        return frame

    def _take_frames(self, now: float) -> list[Action]:
        actions: list[Action] = []
        while self._waiting and not self._busy and self.close_code is None:
            actions += self._take_frame(self._waiting.popleft(), now)
        return actions

    @property
    def _busy(self) -> bool:
        return self._verifying is not None or self._logging_out

    def _take_frame(self, frame: Frame | BadFrame, now: float) -> list[Action]:
        if self._identity is None:
            return self._frame_of_stranger(frame)
        if isinstance(frame, Frame) and frame.type == "logout":
            return self._logout(frame, self._identity)
        wait_seconds = self._take(self._identity.user, now)
        if wait_seconds:
            message = f"Too many frames of this user; wait {wait_seconds:.1f} s."
            return [_error(frame.id, "rate_limited", message)]
        if isinstance(frame, BadFrame):
            return [_error(frame.id, frame.code, frame.message), *self._sign_of_life(now)]
        if frame.type == "auth":
            self._verifying = frame
            return [Verify(frame.token)]
        if self._connected:
            return self._heartbeat(frame, now)
        if self._device is None and (self._first.screen or self._first.app_state):
            connect = self._connect(_described(self._first, frame.sent), None, now)
            return connect + self._heartbeat(frame, now)
        return self._connect(_described(frame.sent, self._first), frame, now)

    def _frame_of_stranger(self, frame: Frame | BadFrame) -> list[Action]:
        """Wrong frames are answered, but not for ever."""
        if isinstance(frame, Frame) and frame.type == "auth":
            self._verifying = frame
            return [Verify(frame.token)]
        if isinstance(frame, BadFrame):
            answer = _error(frame.id, frame.code, frame.message)
        else:
            message = "Send an auth frame with the user's token first."
            answer = _error(frame.id, "not_authenticated", message)
        self._early_frames += 1
        if self._early_frames < MAX_FRAMES_BEFORE_AUTH:
            return [answer]
        return [answer, *self.close(NOT_AUTHENTICATED, "too many frames before auth")]

    def _admit(self, identity: Identity, valid_until: float, now: float) -> list[Action]:
        policy = self._policy
        self._use(identity, valid_until, now)
        if self._ping_interval is not None:
            self._ping_seconds = self._ping_interval(identity.user)
        welcome = frames.welcome(
            policy.heartbeat_interval_seconds,
            policy.offline_after_seconds,
            self._ping_seconds,
            policy.max_silent_foreground_seconds,
        )
        named = self._first.device_id or self._first.device_info
        self._connect_at = now + (0.0 if named else policy.first_frame_seconds)
        return [Send(welcome), *(self._connect_unasked(now) if named else ())]

    def _replace_token(
        self, frame: Frame, identity: Identity, valid_until: float, now: float
    ) -> list[Action]:
        self._use(identity, valid_until, now)
        told = frame.sent.screen is not None or frame.sent.app_state is not None
        if not self._connected:
            self._first = _described(frame.sent if told else self._first, frame.sent)
            return self._acknowledge(frame)
        if told:
            return self._heartbeat(frame, now)
        return self._acknowledge(frame) + self._renew(now)

    def _use(self, identity: Identity, valid_until: float, now: float) -> None:
        self._identity = identity
        self._expires_at = valid_until
        self._warn_at = max(now, valid_until - TOKEN_WARNING_SECONDS)

    def _acknowledge(self, frame: Frame) -> list[Action]:
        if frame.id is None:
            return []
        return [Send(frames.ack(frame.id, frame.sent.warnings))]

    def _connect_unasked(self, now: float) -> list[Action]:
        """``connect`` without a frame that asks for it; who reconnects too often waits."""
        wait_seconds = self._take(self._known().user, now)
        if wait_seconds:
            self._connect_at = now + wait_seconds
            return []
        return self._connect(self._first, None, now)

    def _connect(self, sent: Sent, frame: Frame | None, now: float) -> list[Action]:
        identity = self._known()
        if self._device is None:
            self._device = SocketDevice(
                self.connection, sent.device_id, sent.device_info, identity.device
            )
        self._first = sent
        self._connected = True
        self._connect_at = _NEVER
        self._renew_at = now + self._policy.heartbeat_interval_seconds * self._fraction()
        self._written_at = now
        self._note_state(sent, now)
        event = self._device.connect(identity, sent)
        if frame is None:
            return [Write(event)]
        return [Write(event, frame.id, self._device.checked(frame.sent))]

    def _heartbeat(self, frame: Frame, now: float) -> list[Action]:
        device = self._device
        assert device is not None  # noqa: S101  (named by _connect)
        self._written_at = now
        self._renew_at = now + self._policy.heartbeat_interval_seconds
        self._note_state(frame.sent, now)
        event = device.heartbeat(self._known(), frame.sent)
        return [Write(event, frame.id, device.checked(frame.sent))]

    def _note_state(self, sent: Sent, now: float) -> None:
        bound = self._policy.max_silent_foreground_seconds
        self._hide_at = now + bound if bound and not sent.says_background else _NEVER

    def _hide(self, now: float) -> list[Action]:
        """A screen that nobody touches: in the background until its client says more."""
        if not self._connected or self._device is None:
            return []
        self._written_at = now
        return [Write(self._device.heartbeat(self._known(), Sent(app_state="hidden")))]

    def _sign_of_life(self, now: float) -> list[Action]:
        """Of a frame that says nothing else; several of one message are one."""
        return self._renew(now) if self._connected and now > self._written_at else []

    def _renew(self, now: float) -> list[Action]:
        assert self._device is not None  # noqa: S101  (named by _connect)
        self._written_at = now
        return [Write(self._device.renew(self._known()))]

    def _logout(self, frame: Frame, identity: Identity) -> list[Action]:
        if self._device is not None:
            event = self._device.logout(identity)
        else:
            named = frame.sent.device_id or self._first.device_id
            event = logout(identity, named, identity.device, None)
        self._logging_out = True
        return [Write(event, frame.id, frame.sent)]

    def _note_loss(self, now: float) -> None:
        if not self._ping_answered:
            quiet_until = now if self._pinged_at is None else self._pinged_at
            self.lost_after_seconds = quiet_until - self._heard_at

    def _lost(self, now: float) -> list[Action]:
        self.close_code = LOST_OR_SLOW
        self._note_loss(now)
        silent_seconds = now - self._heard_at
        return [
            *self._disconnect(by_server=False, silent_seconds=silent_seconds),
            Close(LOST_OR_SLOW, "no pong"),
        ]

    def _disconnect(self, *, by_server: bool, silent_seconds: float = 0.0) -> list[Action]:
        # After an attempt that failed too: its connect may be in the log nevertheless.
        if self._device is None:
            return []
        event = self._device.disconnect(
            self._known(), by_server=by_server, silent_seconds=silent_seconds
        )
        return [Write(event)]

    def _known(self) -> Identity:
        assert self._identity is not None  # noqa: S101  (only asked once authenticated)
        return self._identity


def _error(frame_id: FrameId, code: ErrorCode, message: str) -> Send:
    return Send(frames.error(frame_id, code, message), code)


def _described(sent: Sent, other: Sent) -> Sent:
    """``sent`` with what only ``other`` says of the device and the app, not of the screen."""
    return replace(
        sent,
        app_version=sent.app_version or other.app_version,
        device_info=sent.device_info or other.device_info,
        device_id=sent.device_id or other.device_id,
        platform=sent.platform or other.platform,
    )
