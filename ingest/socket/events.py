"""What a socket tells the log: its device, and when which event is due. PURE.

The rules 2, 3, 5, 6 and 7 of ``ingest/socket/session.py``. Times are seconds of one monotonic
clock; what is returned is to be handed over in its order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace as dataclass_replace
from typing import Final

from msgspec.structs import replace

from ingest.body.phone_events import logout_event
from ingest.body.validate import Sent
from ingest.socket.actions import SessionPolicy, Write
from ingest.socket.device import SocketDevice
from ingest.socket.frames import Frame
from schemas.log.events import Renew
from schemas.tokens.identity import Identity

#: Between two attempts to write ``connect``, on average.
CONNECT_RETRY_SECONDS: Final = 3.0
_NEVER: Final = float("inf")


class SocketEvents:
    """Of one socket. ``take`` asks whether the user may send an event now: 0.0, or the seconds to
    wait. ``fraction`` gives random numbers in [0, 1)."""

    __slots__ = (
        "_connect_at",
        "_connected",
        "_connection",
        "_device",
        "_first",
        "_fraction",
        "_hide_at",
        "_in_background",
        "_named_by_token",
        "_policy",
        "_renew_at",
        "_take",
        "_written_at",
    )

    def __init__(
        self,
        policy: SessionPolicy,
        connection: str,
        now: float,
        take: Callable[[str, float], float],
        fraction: Callable[[], float],
    ) -> None:
        self._policy = policy
        self._connection = connection
        self._take = take
        self._fraction = fraction
        #: When the last sign of life was written.
        self._written_at = now
        #: What ``connect`` is to say.
        self._first = Sent()
        self._device: SocketDevice | None = None
        #: No frame has named the device yet: the first that does moves the connection.
        self._named_by_token = False
        self._connected = False
        self._connect_at = _NEVER
        self._renew_at = _NEVER
        #: When a client that says nothing is taken for hidden.
        self._hide_at = _NEVER
        #: What the last frame that told of a state said.
        self._in_background = False

    @property
    def deadline(self) -> float:
        """When :meth:`due` wants to be asked."""
        return min(self._connect_at, self._renew_at, self._hide_at)

    @property
    def device_name(self) -> str | None:
        """What names the socket's device, once something does."""
        return self._device.name if self._device is not None else None

    def named_by(self, sent: Sent | None, identity: Identity) -> str | None:
        """What would name the device of ``identity``'s socket whose ``auth`` frame said ``sent``;
        ``None`` where there was no such frame."""
        sent = sent or self._first
        return sent.device_id or identity.device or sent.device_info

    # -- what the client does

    def admitted(self, identity: Identity, sent: Sent, now: float) -> list[Write]:
        """A token counts; its ``auth`` frame, if there was one, said ``sent``."""
        self._first = sent
        named = sent.device_id or sent.device_info
        self._connect_at = now + (0.0 if named else self._policy.first_frame_seconds)
        return self._connect_unasked(identity, now) if named else []

    def token_replaced(self, identity: Identity, frame: Frame, now: float) -> list[Write] | None:
        """A newer token of the same user. ``None``: nothing stands for the frame, which is to be
        acknowledged at once; :meth:`renew` then tells the log of the token."""
        sent = frame.sent
        told = sent.screen is not None or sent.app_state is not None
        if not self._connected:
            self._first = (sent if told else self._first).with_about(sent)
            return None
        if not told and self._moved_by(sent):
            # A connect without news would be a resume.
            state = "background" if self._in_background else None
            frame, told = dataclass_replace(frame, sent=replace(sent, app_state=state)), True
        return self.heartbeat(identity, frame, now) if told else None

    def heartbeat(self, identity: Identity, frame: Frame, now: float) -> list[Write]:
        """A heartbeat frame, or an ``auth`` frame that tells news."""
        if self._connected and not self._moved_by(frame.sent):
            return [self._beat(identity, frame, now)]
        if self._device is None and (self._first.screen or self._first.app_state):
            connect = self._connect(identity, self._first.with_about(frame.sent), None, now)
            return [connect, self._beat(identity, frame, now)]
        return [self._connect(identity, frame.sent.with_about(self._first), frame, now)]

    def sign_of_life(self, identity: Identity, now: float) -> list[Write]:
        """Of a frame that says nothing else; several of one message are one. A renewal would not
        count in the background, where frames do."""
        if now <= self._written_at or not self._connected or self._device is None:
            return []
        if not self._in_background:
            return self.renew(identity, now)
        self._written_at = now
        return [Write(self._device.heartbeat(identity, Sent(app_state="background")))]

    def renew(self, identity: Identity, now: float) -> list[Write]:
        """The phone is there, or its token is another."""
        if not self._connected or self._device is None:
            return []
        self._written_at = now
        return [Write(self._device.renew(identity))]

    def logout(self, identity: Identity, frame: Frame) -> Write:
        if self._device is not None:
            event = self._device.logout(identity)
        else:
            named = frame.sent.device_id or self._first.device_id
            event = logout_event(identity, named, identity.device)
        return Write(event, frame.id, frame.sent)

    def disconnect(
        self, identity: Identity, *, by_server: bool, silent_seconds: float = 0.0
    ) -> list[Write]:
        """The socket is gone."""
        # After an attempt that failed too: its connect may be in the log nevertheless.
        if self._device is None:
            return []
        return [
            Write(
                self._device.disconnect(
                    identity, by_server=by_server, silent_seconds=silent_seconds
                )
            )
        ]

    # -- what time and the log do

    def due(self, identity: Identity, heard_at: float, now: float) -> list[Write]:
        """What nobody asks for: a connect without a frame, hiding, a renewal of a client that was
        last heard of at ``heard_at``."""
        writes: list[Write] = []
        if now >= self._connect_at:
            writes += self._connect_unasked(identity, now)
        if now >= self._hide_at:
            self._hide_at = _NEVER
            writes += self._hide(identity, now)
        if now >= self._renew_at:
            self._renew_at = now + self._policy.heartbeat_interval_seconds
            if heard_at > self._written_at:
                writes += self.renew(identity, now)
        return writes

    def renewal_due(self, identity: Identity, heard_at: float, now: float) -> Renew | None:
        """As :meth:`due`, of one that :meth:`is_quiet`."""
        device = self._device
        if now < self._renew_at:
            return None
        self._renew_at = now + self._policy.heartbeat_interval_seconds
        if heard_at <= self._written_at or not self._connected or device is None:
            return None
        self._written_at = now
        return device.renew(identity)

    def is_quiet(self, now: float) -> bool:
        """Nothing but a renewal can be due."""
        return now < self._connect_at and now < self._hide_at

    def connect_not_written(self, now: float) -> None:
        """``connect`` is not known to be in the log: without it nobody would see the phone."""
        self._connected = False
        self._connect_at = now + CONNECT_RETRY_SECONDS * (0.5 + self._fraction())

    def _connect_unasked(self, identity: Identity, now: float) -> list[Write]:
        """``connect`` without a frame that asks for it; who reconnects too often waits."""
        wait_seconds = self._take(identity.user, now)
        if wait_seconds:
            self._connect_at = now + wait_seconds
            return []
        return [self._connect(identity, self._first, None, now)]

    def _connect(self, identity: Identity, sent: Sent, frame: Frame | None, now: float) -> Write:
        if self._device is None or self._moved_by(sent):
            self._device = SocketDevice(
                self._connection, sent.device_id, sent.device_info, identity.device
            )
            self._named_by_token = not (sent.device_id or sent.device_info)
        self._first = sent
        self._connected = True
        self._connect_at = _NEVER
        self._renew_at = now + self._policy.heartbeat_interval_seconds * self._fraction()
        self._written_at = now
        self._note_state(sent, now)
        event = self._device.connect(identity, sent)
        if frame is None:
            return Write(event)
        return Write(event, frame.id, self._device.checked(frame.sent))

    def _named(self, sent: Sent) -> str | None:
        """What ``sent`` names, if no frame before it named the device."""
        if not self._named_by_token or self._device is None:
            return None
        return sent.device_id or (None if self._device.claimed else sent.device_info)

    def _moved_by(self, sent: Sent) -> bool:
        """Whether ``sent`` is the first to name the device, and names another than the token."""
        named = self._named(sent)
        return named is not None and self._device is not None and named != self._device.name

    def _beat(self, identity: Identity, frame: Frame, now: float) -> Write:
        device = self._device
        assert device is not None  # noqa: S101  (named by _connect)
        if self._named(frame.sent) is not None:
            self._named_by_token = False
        self._written_at = now
        self._renew_at = now + self._policy.heartbeat_interval_seconds
        self._note_state(frame.sent, now)
        event = device.heartbeat(identity, frame.sent)
        return Write(event, frame.id, device.checked(frame.sent))

    def _note_state(self, sent: Sent, now: float) -> None:
        bound = self._policy.max_silent_foreground_seconds
        self._in_background = sent.says_background
        self._hide_at = now + bound if bound and not sent.says_background else _NEVER

    def _hide(self, identity: Identity, now: float) -> list[Write]:
        """A screen that nobody touches: in the background until its client says more."""
        if not self._connected or self._device is None:
            return []
        self._written_at = now
        self._in_background = True
        return [Write(self._device.heartbeat(identity, Sent(app_state="hidden")))]
