"""The life of one socket. PURE: frames and times in; frames, events and the end out.

The policy (design, section 4):

1. A socket is authenticated by its handshake's header or by an ``auth`` frame within
   ``auth_timeout``; else 4401. Frames before that are answered ``not_authenticated``. A later
   ``auth`` frame replaces the token if it is of the same user. A minute before the token ends the
   client is told, at its end the socket is closed: 4402.
2. It has one device: that of its first ``auth`` frame if that carries ``device_id`` or
   ``device_info``, else of its first heartbeat frame, else, ``first_frame`` after authentication,
   what the token says. Then ``connect`` is written. It stands for the heartbeat frame that named
   the device, unless the ``auth`` frame told news of its own: then one event follows the other. A
   device that the token named gives way to the first that a frame names, whenever that comes: a
   second ``connect`` says so, and stands for that frame. After that it is for life.
3. What cannot be written is answered ``unavailable``. Only ``connect`` is tried again, by itself,
   as long as the socket lives: without it nobody would see the phone.
4. Whatever the client sends, pongs included, shows that it is there. One that was not heard of for
   ``ping_interval`` is pinged, and lost ``ping_timeout`` later: 4408, and its disconnect says for
   how long it was silent. The interval is told in ``welcome``; it is shorter for a user whose
   sockets a gateway cuts sooner (``ingest.socket.ping_intervals``).
5. ``renew`` is written every heartbeat interval for a client that was heard of since the last sign
   of life that was written; the first one at a random part of the interval, so that sockets which
   were opened together do not renew together. A replaced token is written as ``renew`` too: a
   heartbeat without news would be a resume on a device in the background.
6. A frame that cannot be taken is answered, counts against the user's allowance like any other, and
   is written as ``renew``, in the background as a heartbeat that says so: who sends it is there. A
   ping counts too. Beyond the allowance a ping gets no pong, and frames get ten errors at once and
   one a second in the long run: what a client sends wrong must not make more of itself.
7. With ``max_silent_foreground``, a device in the foreground whose client sent no frame for so long
   is written as hidden, whatever pings it answers; its next frame brings it back.
8. Every end after ``connect`` is written as ``disconnect``; an end of our own making says so,
   unless it is a lost client's. It is the last event: whatever was still being asked or written
   when the socket closed, nothing follows (:class:`State`).

Times are seconds of one monotonic clock. Methods give what to do, in order.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Final

from ingest.body.validate import BodyReader, Sent
from ingest.socket import frames, replies
from ingest.socket.actions import (
    LOGGED_OUT,
    LOST_OR_SLOW,
    NORMAL,
    NOT_AUTHENTICATED,
    RESTART,
    TOKEN_EXPIRED,
    Action,
    Close,
    Idle,
    Ping,
    Pong,
    Send,
    SessionPolicy,
    Verify,
    Write,
)
from ingest.socket.events import SocketEvents
from ingest.socket.frames import BadFrame, Frame
from ingest.socket.liveness import Liveness
from ingest.socket.token import SocketToken
from schemas.http.problems import ProblemError
from schemas.http.token_bucket import BucketPolicy, TokenBuckets
from schemas.log.events import Connect, Disconnect, Logout
from schemas.tokens.identity import Identity

#: Before authentication nothing is known of the client: so many pings and wrong frames, then 4401.
MAX_FRAMES_BEFORE_AUTH: Final = 10
#: Errors to a client that is beyond its allowance: some must reach an app that is only mistaken.
REFUSALS: Final = BucketPolicy(per_second=1.0, burst=10, max_keys=1)


class State(Enum):
    """The life of a socket, in its order."""

    #: No token counts yet: nothing is written.
    STRANGER = "stranger"
    #: Whose it is, is known. Events are written.
    OPEN = "open"
    #: Its disconnect was the last event, and its close frame the last frame.
    CLOSED = "closed"


class Session:
    """One socket. ``take`` asks whether the user may send an event now: 0.0, or the seconds to
    wait. ``fraction`` gives random numbers in [0, 1). ``reader`` reads what frames say.
    ``ping_interval`` gives a user's, in seconds, where it is not the policy's."""

    __slots__ = (
        "_disconnected",
        "_early_frames",
        "_events",
        "_liveness",
        "_logging_out",
        "_ping_interval",
        "_policy",
        "_reader",
        "_refusals",
        "_started_at",
        "_take",
        "_token",
        "_verifying",
        "_waiting",
        "close_code",
        "connection",
        "lost_after_seconds",
        "state",
    )

    def __init__(
        self,
        policy: SessionPolicy,
        connection: str,
        now: float,
        take: Callable[[str, float], float],
        fraction: Callable[[], float],
        reader: BodyReader,
        ping_interval: Callable[[str], float] | None = None,
    ) -> None:
        self.connection = connection
        self.state = State.STRANGER
        self._policy = policy
        self._take = take
        self._reader = reader
        self._started_at = now
        self._events = SocketEvents(policy, connection, now, take, fraction)
        self._liveness = Liveness(now, policy.ping_interval_seconds, policy.ping_timeout_seconds)
        self._ping_interval = ping_interval
        self._disconnected = False
        self._token = SocketToken()
        self._verifying: Frame | None = None
        self._logging_out = False
        #: Frames that wait for a token to be verified or a logout to be written.
        self._waiting: list[Frame | BadFrame] = []
        self._early_frames = 0
        #: Made for who needs it: of most sockets it would be a tenth of their memory.
        self._refusals: TokenBuckets | None = None
        #: How it ended: one of ``session_actions.CLOSE_CODES``, 1000 where the client did.
        self.close_code: int | None = None
        #: The silence after which it was lost, if it had answered no ping until then.
        self.lost_after_seconds: float | None = None

    # -- what the shell asks

    @property
    def closed(self) -> bool:
        return self.state is State.CLOSED

    @property
    def user(self) -> str | None:
        """Whose socket it is, once that is known."""
        identity = self._token.identity
        return identity.user if identity is not None else None

    @property
    def answers_bring_forward(self) -> bool:
        """As :attr:`Liveness.answers_bring_forward`."""
        return self._liveness.answers_bring_forward

    @property
    def heard_at(self) -> float:
        """When the client was last heard of."""
        return self._liveness.heard_at

    @property
    def device_name(self) -> str | None:
        """What names the socket's device, once something does."""
        return self._events.device_name

    def device_of(self, identity: Identity) -> str | None:
        """What would name the device, if the token that is being verified is ``identity``'s."""
        sent = self._verifying.sent if self._verifying is not None else None
        return self._events.named_by(sent, identity)

    def leaves(self, write: Write) -> bool:
        """Asked of each event as it is handed over: nothing follows the disconnect, whatever was
        decided before it and handed over late."""
        if self._disconnected:
            return False
        self._disconnected = isinstance(write.event, Disconnect)
        return True

    @property
    def deadline(self) -> float:
        """When :meth:`wake` wants to be called, if nothing happens before."""
        if self.state is State.STRANGER:
            return self._started_at + self._policy.auth_timeout_seconds
        return min(self._events.deadline, self._liveness.deadline, self._token.deadline)

    # -- what happens

    def admitted(self, identity: Identity, valid_until: float, now: float) -> list[Action]:
        """The handshake's header was a valid token. ``valid_until`` is on the session's clock."""
        return [] if self.closed else self._admit(identity, None, valid_until, now)

    def message(self, text: str, now: float) -> list[Action]:
        """A text message came."""
        if self.closed:
            return []
        self._liveness.heard(now)
        self._waiting.extend(frames.read_frames(text, self._reader))
        return self._take_frames(now)

    def pinged(self, payload: bytes, now: float) -> list[Action]:
        """A ping came."""
        if self.closed:
            return []
        self._liveness.heard(now)
        user = self.user
        if user is None:
            return [Pong(payload), *self._count_early()]
        return [] if self._take(user, now) else [Pong(payload)]

    def ponged(self, now: float) -> None:
        """A pong came."""
        self._liveness.heard(now)

    def answered(self, now: float) -> bool:
        """The pong came that a ping waits for. False if none does, and then nothing was done."""
        if not self._liveness.pinged:
            return False
        self._liveness.heard(now)
        return True

    def verified(self, identity: Identity, valid_until: float, now: float) -> list[Action]:
        """The token of the last :class:`Verify` is valid."""
        if self.closed:
            return []
        frame = self._verified_frame()
        if self._token.identity is None:
            actions = [
                *replies.acknowledgement(frame),
                *self._admit(identity, frame, valid_until, now),
            ]
        elif identity.user != self._token.identity.user:
            message = "token: is another user's; open another socket for them"
            actions = [replies.error(frame.id, "bad_field", message)]
        else:
            actions = self._replace_token(frame, identity, valid_until, now)
        return actions + self._take_frames(now)

    def refused(self, problem: ProblemError, now: float) -> list[Action]:
        """The token of the last :class:`Verify` is not accepted, or cannot be verified now."""
        if self.closed:
            return []
        frame = self._verified_frame()
        refusal = replies.token_refused(frame.id, problem)
        actions: list[Action] = [refusal]
        if refusal.error == "not_authenticated" and self._token.identity is None:
            return actions + self.close(NOT_AUTHENTICATED, problem.code)
        # A token that the socket has already counts until it ends.
        return actions + self._take_frames(now)

    def written(self, write: Write) -> list[Action]:
        """An event is in the log."""
        if self.closed:
            return []
        actions: list[Action] = []
        if write.sent is not None and write.frame_id is not None:
            actions.append(Send(frames.ack(write.frame_id, write.sent.warnings)))
        if isinstance(write.event, Logout):
            actions += self.close(LOGGED_OUT, "logged out")
        return actions

    def not_written(
        self, write: Write, now: float, problem: ProblemError | None = None
    ) -> list[Action]:
        """An event is not known to be in the log; ``problem`` where that was refused at once."""
        if self.closed:
            return []
        if isinstance(write.event, Connect):
            self._events.connect_not_written(now)
        if write.sent is None:
            return []
        actions: list[Action] = [replies.not_stored(write.frame_id, problem)]
        if isinstance(write.event, Logout):
            self._logging_out = False
            actions += self._take_frames(now)
        return actions

    def wake(self, now: float) -> list[Action]:
        """Time has passed."""
        if self.closed or now < self.deadline:
            return []
        identity = self._token.identity
        if identity is None:
            return self.close(NOT_AUTHENTICATED, "not authenticated in time")
        if self._token.expired(now):
            return self.close(TOKEN_EXPIRED, "token expired")
        liveness = self._liveness
        if liveness.pinged and now >= liveness.deadline:
            return self._lost(now)
        actions: list[Action] = [*self._token.warnings(now)]
        actions += self._events.due(identity, liveness.heard_at, now)
        if now >= liveness.deadline:
            liveness.ping(now)
            actions.append(Ping())
        return actions

    def idle(self, now: float) -> Idle | None:
        """As :meth:`wake`, of a socket about which nothing is unusual; several times as fast. Of
        any other ``None``, and then nothing was done."""
        identity, liveness = self._token.identity, self._liveness
        if (
            self.state is not State.OPEN
            or identity is None
            or now >= self._token.deadline
            or not self._events.is_quiet(now)
            or (liveness.pinged and now >= liveness.deadline)
        ):
            return None
        renewal = self._events.renewal_due(identity, liveness.heard_at, now)
        return Idle(liveness.ping_if_due(now), renewal)

    def cut(self, now: float) -> list[Action]:
        """The connection broke without a close frame."""
        if not self.closed:
            self.lost_after_seconds = self._liveness.loss_seconds(now)
        return self.gone()

    def gone(self) -> list[Action]:
        """The client closed the socket."""
        if self.closed:
            return []
        return self._end(NORMAL, by_server=False)

    def restart(self, reconnect_after_ms: int) -> list[Action]:
        """This process ends."""
        if self.closed:
            return []
        return [Send(frames.restart(reconnect_after_ms)), *self.close(RESTART, "restart")]

    def close(self, code: int, reason: str) -> list[Action]:
        """We end it."""
        if self.closed:
            return []
        return [*self._end(code, by_server=True), Close(code, reason)]

    # -- the parts

    def _end(self, code: int, *, by_server: bool, silent_seconds: float = 0.0) -> list[Action]:
        self.state = State.CLOSED
        self.close_code = code
        self._waiting.clear()
        identity = self._token.identity
        if identity is None:
            return []
        return [
            *self._events.disconnect(identity, by_server=by_server, silent_seconds=silent_seconds)
        ]

    def _lost(self, now: float) -> list[Action]:
        self.lost_after_seconds = self._liveness.loss_seconds(now)
        silent_seconds = now - self._liveness.heard_at
        end = self._end(LOST_OR_SLOW, by_server=False, silent_seconds=silent_seconds)
        return [*end, Close(LOST_OR_SLOW, "no pong")]

    def _verified_frame(self) -> Frame:
        frame, self._verifying = self._verifying, None
        assert frame is not None  # noqa: S101  (the shell answers each Verify once)
        return frame

    def _take_frames(self, now: float) -> list[Action]:
        actions: list[Action] = []
        while self._waiting and not self._busy and not self.closed:
            actions += self._take_frame(self._waiting.pop(0), now)
        return actions

    @property
    def _busy(self) -> bool:
        return self._verifying is not None or self._logging_out

    def _take_frame(self, frame: Frame | BadFrame, now: float) -> list[Action]:
        identity = self._token.identity
        if identity is None:
            return self._frame_of_stranger(frame)
        if isinstance(frame, Frame) and frame.type == "logout":
            self._logging_out = True
            return [self._events.logout(identity, frame)]
        wait_seconds = self._take(identity.user, now)
        if wait_seconds:
            return self._refuse(frame, wait_seconds, now)
        if isinstance(frame, BadFrame):
            error = replies.error(frame.id, frame.code, frame.message)
            return [error, *self._events.sign_of_life(identity, now)]
        if frame.type == "auth":
            self._verifying = frame
            return [Verify(frame.token)]
        return [*self._events.heartbeat(identity, frame, now)]

    def _refuse(self, frame: Frame | BadFrame, wait_seconds: float, now: float) -> list[Action]:
        if self._refusals is None:
            self._refusals = TokenBuckets(REFUSALS)
        if self._refusals.take("", now):
            return []
        message = f"Too many frames of this user; wait {wait_seconds:.1f} s."
        return [replies.error(frame.id, "rate_limited", message)]

    def _frame_of_stranger(self, frame: Frame | BadFrame) -> list[Action]:
        """Wrong frames are answered, but not for ever."""
        if isinstance(frame, Frame) and frame.type == "auth":
            self._verifying = frame
            return [Verify(frame.token)]
        if isinstance(frame, BadFrame):
            answer = replies.error(frame.id, frame.code, frame.message)
        else:
            message = "Send an auth frame with the user's token first."
            answer = replies.error(frame.id, "not_authenticated", message)
        return [answer, *self._count_early()]

    def _count_early(self) -> list[Action]:
        self._early_frames += 1
        if self._early_frames < MAX_FRAMES_BEFORE_AUTH:
            return []
        return self.close(NOT_AUTHENTICATED, "too many frames before auth")

    def _admit(
        self, identity: Identity, frame: Frame | None, valid_until: float, now: float
    ) -> list[Action]:
        self.state = State.OPEN
        self._token.use(identity, valid_until, now)
        if self._ping_interval is not None:
            self._liveness.interval_seconds = self._ping_interval(identity.user)
        sent = Sent() if frame is None else frame.sent
        welcome = replies.welcome(self._policy, self._liveness.interval_seconds)
        return [welcome, *self._events.admitted(identity, sent, now)]

    def _replace_token(
        self, frame: Frame, identity: Identity, valid_until: float, now: float
    ) -> list[Action]:
        self._token.use(identity, valid_until, now)
        writes = self._events.token_replaced(identity, frame, now)
        if writes is not None:
            return [*writes]
        return [*replies.acknowledgement(frame), *self._events.renew(identity, now)]
