"""The events of ``presence.events`` and their codec.

One Kafka record is a batch of events of one partition: msgpack ``[version, [event, …]]``. An
event is an array whose first item is its kind, so that one decode of the record gives all of
them.

Old and new releases meet in one log, while a deployment is upgraded or goes back. What may change,
and what a reader does with it:

1. Fields may be appended within a version. An older reader ignores them, and presence must be right
   without them; for a newer reader of older records they have a default.
2. Anything else, such as a new kind, is a new version, in two releases: the first reads it and goes
   on writing the version of before, the second writes it. This one writes 1 and reads 2, which has
   the kinds of :data:`PrivacyEvent`. Records with those are written as 2, and only where
   ``ROLLCALL_EVENT_VERSION=2`` says that every processor reads it.
3. What a newer writer wrote is never dropped by an older reader. A version further ahead is
   :class:`NewerSchemaError`: the processor ends, and a newer one finds everything.
4. A version that nobody writes any more, or never wrote, is no batch of events. Neither is a record
   that nests deeper than :data:`schemas.untrusted.nesting.MAX_DEPTH`.

An event with appended fields costs an older reader some microseconds more: the one decode of a
record knows the fields of this release and no others, so that it has nothing to skip however deep
that is.

Ingest cleans what phones send and writes it as it was meant; what it *means* for presence (is
``background`` a screen?) is decided by the processor alone, so that the log can be replayed under
a better rule.

PostgreSQL cannot hold a NUL. Ingest removes it; an event of another writer that has one in a text
is bad, whether or not just this text would be stored: so the same log gives the same answer
(promise 4).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Final, TypeAlias, get_args
from zlib import crc32

import msgspec

from schemas.untrusted.nesting import msgpack_is_too_deep
from schemas.untrusted.safe_errors import told

#: What this release writes: heartbeats and all else that phones do.
VERSION: Final = 1
#: What it reads too: the first version with privacy events, which are written as this one.
PRIVACY_VERSION: Final = 2
#: A number above this is no version but garbage, which must not end a reader.
_LAST_VERSION: Final = 127

#: What ``app_state`` may be (design, section 1); anything else counts as absent.
FOREGROUND_APP_STATES: Final = frozenset({"foreground", "resumed", "inactive"})
BACKGROUND_APP_STATES: Final = frozenset({"background", "hidden", "paused", "detached"})

#: Longest text of each field in characters; longer text is cut at the door.
MAX_TEXT: Final = {"screen": 128, "app_version": 64, "device_info": 256, "platform": 32}
#: What a phone says of itself and its app, as an example of each.
ABOUT_PHONE: Final = {"app_version": "1.10.0", "device_info": "Pixel 9", "platform": "android"}
MAX_DEVICE_ID: Final = 128
MAX_USER_ID: Final = 256
MAX_NAME: Final = 256
#: No socket is silent for longer than it takes to notice; a day bounds what a writer may claim.
MAX_SILENT_MS: Final = 86_400_000


# A reader holds every writer to these bounds: what is indexed must fit an index.
_User: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_USER_ID)]
_Token: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
_Name: TypeAlias = Annotated[str, msgspec.Meta(max_length=MAX_NAME)]
_DeviceId: TypeAlias = Annotated[str, msgspec.Meta(max_length=MAX_DEVICE_ID)]
_DeviceInfo: TypeAlias = Annotated[str, msgspec.Meta(max_length=MAX_TEXT["device_info"])]
_Platform: TypeAlias = Annotated[str, msgspec.Meta(max_length=MAX_TEXT["platform"])]
_AppVersion: TypeAlias = Annotated[str, msgspec.Meta(max_length=MAX_TEXT["app_version"])]
_Screen: TypeAlias = Annotated[str, msgspec.Meta(max_length=MAX_TEXT["screen"])]
_AppState: TypeAlias = Annotated[str, msgspec.Meta(max_length=32)]
_Connection: TypeAlias = Annotated[str, msgspec.Meta(max_length=64)]
_Request: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class _Event(
    msgspec.Struct,
    frozen=True,
    array_like=True,
    gc=False,
    omit_defaults=False,
    kw_only=True,
    forbid_unknown_fields=True,
):
    """Common form of events: positional on the wire, immutable in memory."""


class Heartbeat(_Event, frozen=True, tag="heartbeat"):
    """A sign of life. ``None`` means that the phone said nothing of it. An empty ``name`` says that
    the user's name is not to be kept: whoever knows one forgets it.

    ``token`` is the token identity: ``sid:`` and the claim, else ``sha256:`` and the first 16
    bytes of the token's hash, URL-safe base64. ``claimed_device`` is the token's ``device_id`` or
    ``sid`` claim. ``connection`` is the socket's random id, ``None`` over HTTP. ``canary``: the
    token is that of a synthetic user, who is in no count (design, section 2).
    """

    user: _User
    token: _Token
    name: _Name | None = None
    device_id: _DeviceId | None = None
    claimed_device: _DeviceId | None = None
    device_info: _DeviceInfo | None = None
    platform: _Platform | None = None
    app_version: _AppVersion | None = None
    screen: _Screen | None = None
    app_state: _AppState | None = None
    connection: _Connection | None = None
    canary: bool = False


class Logout(_Event, frozen=True, tag="logout"):
    """The user signed out. ``token_expires_ms`` is the last instant (Unix milliseconds) at which
    ingest accepts the token, leeway included; ``None`` where it has no expiry. ``canary`` as in a
    heartbeat."""

    user: _User
    token: _Token
    device_id: _DeviceId | None = None
    claimed_device: _DeviceId | None = None
    token_expires_ms: int | None = None
    connection: _Connection | None = None
    canary: bool = False


class Connect(Heartbeat, frozen=True, tag="connect"):
    """A socket was opened and its device is known: a heartbeat with what its first frames said.

    It means foreground unless they said background, and it is evidence that somebody uses the app
    (promise 5). ``connection`` is never ``None``.
    """

    def __post_init__(self) -> None:
        if self.connection is None:
            raise ValueError("a connect names its connection")


class Renew(_Event, frozen=True, tag="renew"):
    """A socket answered pings, or its token was replaced: the phone is there.

    ``token`` is that of the socket now. ``device_id`` or ``claimed_device`` or ``device_info``
    name the socket's device, for where its connection has been forgotten. ``canary`` as in a
    heartbeat.
    """

    user: _User
    token: _Token
    connection: _Connection
    device_id: _DeviceId | None = None
    claimed_device: _DeviceId | None = None
    device_info: _DeviceInfo | None = None
    canary: bool = False


class Disconnect(_Event, frozen=True, tag="disconnect"):
    """A socket is gone. ``by_server``: we ended it, which says nothing of the phone.
    ``silent_ms`` is how long before that the phone was last heard of (0: it closed the socket)."""

    user: _User
    connection: _Connection
    by_server: bool = False
    silent_ms: Annotated[int, msgspec.Meta(ge=0, le=MAX_SILENT_MS)] = 0


class Tick(_Event, frozen=True, tag="tick"):
    """Nothing happened here: lets log time pass in a partition without clients."""


class OptOut(_Event, frozen=True, tag="opt_out"):
    """From here on nothing of the user counts, and what was stored of them goes (promise 8).
    ``request`` is the random id of what asked for it."""

    user: _User
    request: _Request


class OptIn(_Event, frozen=True, tag="opt_in"):
    """From here on the user counts again, from nothing. ``request`` as in an opt-out."""

    user: _User
    request: _Request


class Erase(_Event, frozen=True, tag="erase"):
    """What was stored of the user goes; what comes after it counts, from nothing. ``request`` as in
    an opt-out. With ``before_ms`` (log time, Unix milliseconds) only what is older is to go: an
    erasure that a restored database has forgotten, applied again."""

    user: _User
    request: _Request
    before_ms: Annotated[int, msgspec.Meta(ge=0)] | None = None


ClientEvent: TypeAlias = Heartbeat | Connect | Logout | Renew | Disconnect
PrivacyEvent: TypeAlias = OptOut | OptIn | Erase
Event: TypeAlias = ClientEvent | PrivacyEvent | Tick


class UndecodableRecordError(ValueError):
    """A record that is no batch of events: rejected whole."""


class NewerSchemaError(RuntimeError):
    """A record that only a newer release can read: not to be skipped."""


class BadEvent(msgspec.Struct, frozen=True):
    """An event that could not be decoded: rejected alone, the rest of its record counts."""

    error: str
    raw: bytes


_encoder = msgspec.msgpack.Encoder()
_batch_decoder = msgspec.msgpack.Decoder(tuple[int, list[ClientEvent | Tick]])
_raw_decoder = msgspec.msgpack.Decoder(tuple[int, list[msgspec.Raw]])
_envelope_decoder = msgspec.msgpack.Decoder(list[msgspec.Raw])
_version_decoder = msgspec.msgpack.Decoder(int)
_event_decoders: Final[dict[int, msgspec.msgpack.Decoder[Event]]] = {
    VERSION: msgspec.msgpack.Decoder(ClientEvent | Tick),
    PRIVACY_VERSION: msgspec.msgpack.Decoder(Event),
}
_kind_decoder = msgspec.msgpack.Decoder(str)
#: Items of an event of each kind, itself included.
_ITEMS: Final = {
    kind.__struct_config__.tag: 1 + len(kind.__struct_fields__) for kind in get_args(Event)
}


def encode_event(event: Event) -> bytes:
    """One event, to be joined by :func:`join_batch`."""
    return _encoder.encode(event)


def join_batch(events: Iterable[bytes]) -> bytes:
    """A record's value from already encoded events (no second encoding)."""
    return _encoder.encode((VERSION, [msgspec.Raw(event) for event in events]))


def encode_batch(events: Iterable[Event]) -> bytes:
    """A record's value, of the first version that has all kinds in it."""
    batch = list(events)
    private = any(isinstance(event, PrivacyEvent) for event in batch)
    return _encoder.encode((PRIVACY_VERSION if private else VERSION, batch))


def decode_batch(value: bytes | None) -> list[Event | BadEvent]:
    """The events of a record, in order.

    Raises :class:`UndecodableRecordError` if it is no batch of a version that there was, and
    :class:`NewerSchemaError`. A single bad event comes back as :class:`BadEvent` in its place, so
    that indexes stay those of the record.
    """
    if value is None:
        raise UndecodableRecordError("the record has no value")
    try:
        version, events = _batch_decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _decode_one_by_one(value)
    if version != VERSION:
        _check_version(version)
    if b"\0" in value:
        return [_without_nul(event) for event in events]
    return list(events)


def _decode_one_by_one(value: bytes) -> list[Event | BadEvent]:
    if msgpack_is_too_deep(value):
        raise UndecodableRecordError("not a batch of events: nested too deeply")
    try:
        version, raws = _raw_decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        _refuse_another_envelope(value)
        raise UndecodableRecordError(f"not a batch of events: {told(error)}") from error
    _check_version(version)
    events: list[Event | BadEvent] = []
    for raw in raws:
        try:
            events.append(_without_nul(_event_decoders[version].decode(_known_fields(raw))))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            events.append(BadEvent(error=told(error), raw=bytes(raw)))
    return events


def _known_fields(raw: msgspec.Raw) -> msgspec.Raw | bytes:
    """An event without what a newer writer appended."""
    try:
        items = _envelope_decoder.decode(raw)
        known = _ITEMS.get(_kind_decoder.decode(items[0]))
    except (msgspec.DecodeError, UnicodeDecodeError, IndexError):
        return raw
    return _encoder.encode(items[:known]) if known is not None and known < len(items) else raw


def _check_version(version: int) -> None:
    if PRIVACY_VERSION < version <= _LAST_VERSION:
        raise _newer(version)
    if not VERSION <= version <= PRIVACY_VERSION:
        raise UndecodableRecordError(f"unknown schema version {version}")


def _refuse_another_envelope(value: bytes) -> None:
    """A newer version may put something else around its events; the version stays first."""
    try:
        version = _version_decoder.decode(_envelope_decoder.decode(value)[0])
    except (msgspec.DecodeError, UnicodeDecodeError, IndexError):
        return
    if PRIVACY_VERSION < version <= _LAST_VERSION:
        raise _newer(version)


def _newer(version: int) -> NewerSchemaError:
    return NewerSchemaError(
        f"a record has event schema version {version}, this release reads up to "
        f"{PRIVACY_VERSION}: start a newer release of the processor; nothing is lost meanwhile, "
        "for as long as the topic keeps it"
    )


def _without_nul(event: Event) -> Event | BadEvent:
    for field, value in msgspec.structs.asdict(event).items():
        if isinstance(value, str) and "\0" in value:
            return BadEvent(error=f"{field} holds a NUL", raw=encode_event(event))
    return event


def partition_of(user: str, partitions: int) -> int:
    """The partition that holds all events of a user: CRC-32 of the id's UTF-8, modulo.

    Part of the wire format: another hash would split a user's history over two partitions.
    """
    return crc32(user.encode()) % partitions
