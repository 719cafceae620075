"""The codec of ``presence.events``: part of the wire format, so written down in bytes."""

from __future__ import annotations

from base64 import b64decode
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from schemas.log.events import (
    PRIVACY_VERSION,
    VERSION,
    BadEvent,
    Connect,
    Disconnect,
    Erase,
    Event,
    Heartbeat,
    Logout,
    NewerSchemaError,
    OptIn,
    OptOut,
    Renew,
    Tick,
    UndecodableRecordError,
    decode_batch,
    encode_batch,
    encode_event,
    join_batch,
    partition_of,
)
from schemas.untrusted.nesting import MAX_DEPTH
from schemas.untrusted.text import clean_text

characters = st.characters(codec="utf-8", exclude_characters="\0")
texts = st.text(characters, min_size=1, max_size=32)
optional = st.none() | st.text(characters, max_size=32)
heartbeats = st.builds(
    Heartbeat,
    user=texts,
    token=texts,
    name=optional,
    device_id=optional,
    claimed_device=optional,
    device_info=optional,
    platform=optional,
    app_version=optional,
    screen=optional,
    app_state=optional,
    connection=optional,
)
logouts = st.builds(
    Logout,
    user=texts,
    token=texts,
    device_id=optional,
    claimed_device=optional,
    token_expires_ms=st.none() | st.integers(-(2**63), 2**64 - 1),
    connection=optional,
)
connects = st.builds(
    Connect, user=texts, token=texts, connection=texts, screen=optional, app_state=optional
)
renewals = st.builds(
    Renew,
    user=texts,
    token=texts,
    connection=texts,
    device_id=optional,
    claimed_device=optional,
    device_info=optional,
)
disconnects = st.builds(
    Disconnect,
    user=texts,
    connection=texts,
    by_server=st.booleans(),
    silent_ms=st.integers(0, 86_400_000),
)
erasures = st.builds(
    Erase, user=texts, request=texts, before_ms=st.none() | st.integers(0, 2**63 - 1)
)
opting = st.builds(OptOut, user=texts, request=texts) | st.builds(OptIn, user=texts, request=texts)
phones_events = heartbeats | logouts | connects | renewals | disconnects | st.builds(Tick)
events = phones_events | opting | erasures
GOLDEN = Path(__file__).with_name("golden_records.ndjson")


class GoldenRecord(msgspec.Struct):
    record: str
    events: list[tuple[str, dict[str, object]]]


HEARTBEAT = Heartbeat(user="u", token="sha256:t", screen="Home")


@given(st.lists(events, max_size=10))
def test_a_batch_comes_back_as_it_went_in(batch: list[Event]) -> None:
    assert decode_batch(encode_batch(batch)) == batch


@given(st.lists(phones_events, max_size=10))
def test_joining_encoded_events_gives_the_same_record(batch: list[Event]) -> None:
    assert join_batch([encode_event(event) for event in batch]) == encode_batch(batch)


def test_the_bytes_of_a_record_never_change() -> None:
    record = encode_batch(
        [
            Heartbeat(
                user="u",
                token="t",
                name="n",
                device_id="d",
                claimed_device="c",
                device_info="i",
                platform="p",
                app_version="v",
                screen="s",
                app_state="a",
                connection="x",
            ),
            Logout(user="u", token="t", token_expires_ms=1),
            Connect(user="u", token="t", screen="s", connection="x"),
            Renew(user="u", token="t", connection="x", device_info="i"),
            Disconnect(user="u", connection="x", by_server=True, silent_ms=7),
            Tick(),
        ]
    )
    assert msgspec.msgpack.decode(record) == [
        1,
        [
            ["heartbeat", "u", "t", "n", "d", "c", "i", "p", "v", "s", "a", "x", False],
            ["logout", "u", "t", None, None, 1, None, False],
            ["connect", "u", "t", *[None] * 6, "s", None, "x", False],
            ["renew", "u", "t", "x", None, None, "i", False],
            ["disconnect", "u", "x", True, 7],
            ["tick"],
        ],
    ]


def record_of(*raw_events: object, version: object = VERSION) -> bytes:
    return msgspec.msgpack.encode([version, list(raw_events)])


def test_a_field_that_a_newer_writer_appended_is_ignored() -> None:
    raw = msgspec.msgpack.decode(encode_event(HEARTBEAT))
    assert decode_batch(record_of([*raw, "new"], ["tick", 5])) == [HEARTBEAT, Tick()]


def test_an_appended_field_may_nest_but_not_without_end() -> None:
    deepest = b"\x91" * (MAX_DEPTH - 3) + b"\xc0"
    assert decode_batch(b"\x92\x01\x91\x92\xa4tick" + deepest) == [Tick()]
    raw = msgspec.msgpack.decode(encode_event(HEARTBEAT))
    assert decode_batch(record_of([*raw, {"new": [1]}], ["no such kind"]))[0] == HEARTBEAT


def test_fields_that_an_older_writer_did_not_have_are_absent() -> None:
    assert decode_batch(record_of(["heartbeat", "u", "t"])) == [Heartbeat(user="u", token="t")]
    assert decode_batch(record_of(["logout", "u", "t", "d"])) == [
        Logout(user="u", token="t", device_id="d")
    ]


def test_a_record_with_privacy_events_is_of_version_2_and_all_others_stay_of_version_1() -> None:
    batch: list[Event] = [OptOut(user="u", request="r"), OptIn(user="u", request="s"), HEARTBEAT]
    erase = Erase(user="u", request="t", before_ms=7)
    assert msgspec.msgpack.decode(encode_batch([*batch, erase, Tick()])) == [
        2,
        [
            ["opt_out", "u", "r"],
            ["opt_in", "u", "s"],
            msgspec.msgpack.decode(encode_event(HEARTBEAT)),
            ["erase", "u", "t", 7],
            ["tick"],
        ],
    ]
    assert msgspec.msgpack.decode(encode_batch([HEARTBEAT]))[0] == 1


def test_a_privacy_event_in_a_record_of_version_1_counts_in_no_release() -> None:
    """A release before this one rejects it: so the same log gives the same answer."""
    bad, beat = decode_batch(record_of(["opt_out", "u", "r"], ["heartbeat", "u", "t"]))
    assert isinstance(bad, BadEvent)
    assert beat == Heartbeat(user="u", token="t")


def test_a_bad_event_of_version_2_is_rejected_alone_and_new_fields_are_ignored() -> None:
    record = record_of(
        ["brand-new"], ["erase", "u", "r", None, "new"], ["opt_out", "u"], version=PRIVACY_VERSION
    )
    unknown, erase, nameless = decode_batch(record)
    assert isinstance(unknown, BadEvent)
    assert erase == Erase(user="u", request="r")
    assert isinstance(nameless, BadEvent)


@pytest.mark.parametrize(
    "value",
    [
        record_of(["tick"], version=PRIVACY_VERSION + 1),
        record_of({"another": "shape"}, version=PRIVACY_VERSION + 1),
        msgspec.msgpack.encode([PRIVACY_VERSION + 1, [["tick"]], "more"]),
        msgspec.msgpack.encode([PRIVACY_VERSION + 2, "another shape"]),
    ],
)
def test_what_a_newer_writer_wrote_and_we_cannot_read_is_not_to_be_skipped(value: bytes) -> None:
    with pytest.raises(NewerSchemaError, match="start a newer release of the processor"):
        decode_batch(value)


def test_every_record_that_a_release_wrote_is_still_read() -> None:
    """Golden records, a line each: what a release wrote, in base64, and what it means. A new
    version or an appended field adds lines; none is ever changed."""
    lines = GOLDEN.read_text("utf-8").splitlines()
    assert lines
    for line in lines:
        written = msgspec.json.decode(line, type=GoldenRecord)
        fields = [
            (type(event).__struct_config__.tag, _said(event))
            for event in decode_batch(b64decode(written.record))
            if not isinstance(event, BadEvent)
        ]
        assert fields == written.events


def _said(event: Event) -> dict[str, object]:
    return {field: value for field, value in structs.asdict(event).items() if value}


@pytest.mark.parametrize(
    "bad",
    [
        [],
        ["heartbeat"],
        ["heartbeat", "u"],
        ["heartbeat", None, "t"],
        ["heartbeat", 5, "t"],
        ["heartbeat", "u", "t", ["name"]],
        ["heartbeat", "", "t"],
        ["heartbeat", "u" * 257, "t"],
        ["heartbeat", "u", "t" * 257],
        ["heartbeat", "u", "t", None, "d" * 129],
        ["heartbeat", *"ut", *[None] * 6, "s" * 129],
        ["logout", "u", "t", "d" * 129],
        ["logout", "u", "t", None, None, "soon"],
        ["logout", "u", "t", None, None, 1.5],
        ["connect", "u", "t"],
        ["renew", "u", "t", None],
        ["disconnect", "u", "x", False, -1],
        ["disconnect", "u", "x", False, 86_400_001],
        ["unheard-of", "u", "t"],
        ["Heartbeat", "u", "t"],
        [None],
        {},
        None,
        5,
        "heartbeat",
    ],
)
def test_a_bad_event_is_rejected_alone_and_in_its_place(bad: object) -> None:
    first, found, last = decode_batch(record_of(["tick"], bad, ["heartbeat", "u", "t"]))
    assert first == Tick()
    assert last == Heartbeat(user="u", token="t")
    assert isinstance(found, BadEvent)
    assert msgspec.msgpack.decode(found.raw) == bad
    assert found.error


def test_text_that_is_no_utf8_is_rejected_alone() -> None:
    broken = encode_event(Heartbeat(user="u", token="t", screen="xy")).replace(b"xy", b"\xff\xfe")
    tick, found = decode_batch(join_batch([encode_event(Tick()), broken]))
    assert tick == Tick()
    assert isinstance(found, BadEvent)
    assert found.raw == broken


@given(heartbeats | connects | logouts | renewals, st.data())
def test_a_text_with_a_nul_makes_its_event_bad(event: Event, data: st.DataObject) -> None:
    texts = [name for name, value in structs.asdict(event).items() if isinstance(value, str)]
    name = data.draw(st.sampled_from(texts))
    text = getattr(event, name)[:8]
    bad = structs.replace(event, **{name: text[:1] + "\0" + text[1:]})
    for others in ([], [msgspec.msgpack.encode(["no such kind"])]):
        value = join_batch([encode_event(Tick()), encode_event(bad), *others])
        tick, found, *_ = decode_batch(value)
        assert tick == Tick()
        assert isinstance(found, BadEvent)
        assert (found.raw, "NUL" in found.error) == (encode_event(bad), True)


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"\xc0",
        b"not msgpack",
        msgspec.msgpack.encode([]),
        msgspec.msgpack.encode([1]),
        msgspec.msgpack.encode([1, None]),
        msgspec.msgpack.encode([1, ["tick"], 3]),
        msgspec.msgpack.encode(["1", []]),
        msgspec.msgpack.encode({"1": []}),
        record_of(["tick"], version=0),
        record_of(["tick"], version=128),
        record_of(["tick"], version=2**63),
        record_of(["tick"], version=-1),
        record_of(["tick"]) + b"\x00",
        record_of(["tick"])[:-1],
        b"\x92\x01" + b"\x91" * 100_000,
        # Nested deeper than any Python is asked to skip, as an event and in an appended field.
        b"\x92\x01\x92" + b"\x91" * 5_000 + b"\xc0" + encode_event(Tick()),
        b"\x92\x01\x91\x92\xa4tick" + b"\x91" * MAX_DEPTH + b"\xc0",
        b"\x92\x01\x91\x92\xa4tick" + b"\x81\xa1a" * 5_000 + b"\xc0",
    ],
)
def test_what_is_no_batch_is_rejected_whole(value: bytes | None) -> None:
    with pytest.raises(UndecodableRecordError):
        decode_batch(value)


@given(st.binary(max_size=60))
def test_any_bytes_decode_or_are_rejected(value: bytes) -> None:
    try:
        decoded = decode_batch(value)
    except (UndecodableRecordError, NewerSchemaError):
        return
    assert isinstance(decoded, list)


@pytest.mark.parametrize(
    ("user", "partition"),
    [("", 0), ("u1", 2), ("user-42", 7), ("auth0|5f", 5), ("Zoë", 2), ("用户", 1)],
)
def test_a_user_stays_in_their_partition_for_ever(user: str, partition: int) -> None:
    """Values written down: another hash would split every user's history."""
    assert partition_of(user, 12) == partition


@given(texts, st.integers(1, 64))
def test_a_partition_is_one_of_those_there_are(user: str, partitions: int) -> None:
    assert 0 <= partition_of(user, partitions) < partitions


def test_users_spread_evenly() -> None:
    counts = [0] * 12
    for number in range(12_000):
        counts[partition_of(f"user-{number}", 12)] += 1
    assert min(counts) > 900
    assert max(counts) < 1100


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("plain", "plain"),
        ("", ""),
        ("a\x00b\x1fc\x7fd\x9fe", "abcde"),
        ("\t\r\n", ""),
        ("a\ud800b\udfffc", "abc"),
        ("Zoë 用户 👩‍👩‍👧 \u00a0\u200f\u2028\ufeff\U0010ffff", None),
    ],
)
def test_only_what_cannot_be_stored_is_removed(text: str, cleaned: str | None) -> None:
    assert clean_text(text) == (text if cleaned is None else cleaned)


@given(st.text(st.characters(codec=None, categories=None)))
def test_clean_text_can_be_stored_and_cleaned_again(text: str) -> None:
    cleaned = clean_text(text)
    assert cleaned.encode().decode() == cleaned
    assert "\x00" not in cleaned
    assert clean_text(cleaned) == cleaned
