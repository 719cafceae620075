"""Random logs of one partition, and what the processor and the oracle make of them.

:class:`Processor` stands in for the pipeline and its store: it applies records in batches and
keeps rows as PostgreSQL would, so that a log can be cut into batches anywhere and memory be
dropped between them. Times are small integers: the unit means nothing to presence.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import cycle
from typing import Any

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from processor.core.analytics.concurrency import Sample, first_samples
from processor.core.analytics.screen_names import MINUTE_MS, Remembered, ScreenNames
from processor.core.analytics.windows import MinuteCounts
from processor.core.effects import Effects, LoggedChange, Record
from processor.core.live_screens import LiveRows
from processor.core.log.clock_steps import MAX_STEPS, ClockStep, as_of_now
from processor.core.model import Policy, User
from processor.core.outage import Grace, Silence
from processor.core.partition import Partition
from processor.core.privacy import Privacy, StoredFlag, flag_as_of_now
from processor.store.presence_row import (
    PresenceRow,
    presence_row,
    sign_of_life_row,
    user_of_row,
)
from schemas.log.events import (
    BadEvent,
    Connect,
    Disconnect,
    Erase,
    Event,
    Heartbeat,
    Logout,
    OptIn,
    OptOut,
    PrivacyEvent,
    Renew,
    Tick,
)
from tests.unit.processor.oracle import Oracle


def columns_written() -> tuple[str, ...]:
    """The columns of ``presence``, in the order of the COPY."""
    return PresenceRow._fields


@dataclass(frozen=True, slots=True)
class Written:
    """A record of the log: ``events`` is ``None`` where it cannot be decoded. ``lost`` is how many
    records before it are gone, which somebody has accepted."""

    timestamp: int
    events: tuple[Event | BadEvent, ...] | None
    refused: frozenset[int] = frozenset()
    lost: int = 0


@dataclass(slots=True)
class Processor:
    """What is stored of a partition, and the memory that goes with it while it lasts."""

    policy: Policy
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    next_offset: int = 0
    log_time_ms: int | None = None
    after_loss: bool = False
    steps: list[ClockStep] = field(default_factory=list)
    graces: bytes = b"[]"
    remembered: bytes = b"null"
    silence: bytes = b"null"
    changes: list[LoggedChange] = field(default_factory=list)
    #: By kind and beginning, the end.
    outages: dict[tuple[str, int], int | None] = field(default_factory=dict)
    rejected: list[tuple[int, int | None]] = field(default_factory=list)
    verdicts: list[str] = field(default_factory=list)
    counts: list[tuple[int, int]] = field(default_factory=list)
    memory: Partition | None = None
    #: By day, how many users of the other partitions showed which screens.
    elsewhere: dict[int, dict[str, int]] = field(default_factory=dict)
    #: By hash, which is the id here: what keeps users out.
    flags: dict[bytes, StoredFlag] = field(default_factory=dict)
    #: By user's hash, up to when what was stored of them was erased.
    erased: dict[bytes, int] = field(default_factory=dict)
    last_changes: list[LoggedChange] = field(default_factory=list)
    #: Users in the foreground by screen.
    live_screens: dict[str, int] = field(default_factory=dict)
    #: How often a batch had a user's sign of life and nothing else.
    only_heard: int = 0
    #: What was stored for analytics so far, windows summed up.
    effects: Effects = field(default_factory=Effects)
    #: Its samples by their instant, of which the first counts.
    sampled: dict[int, Sample] = field(default_factory=dict)

    def restart(self, policy: Policy | None = None) -> None:
        """Drop all memory; another policy holds from the next record."""
        self.memory = None
        self.policy = policy or self.policy

    def batch(self, records: Sequence[Written]) -> None:
        """Apply records and store what they did, as one transaction would; whoever comes to lost
        ones has ended, and the next processor goes on after them."""
        begin = 0
        for place, record in enumerate(records):
            if record.lost:
                self._batch(records[begin:place])
                begin = place
                self.next_offset += record.lost
                self.after_loss = True
                self.memory = None
        self._batch(records[begin:])

    def _batch(self, records: Sequence[Written]) -> None:
        memory = self.memory = self.memory or self._load()
        named = {
            event.user
            for record in records
            for event in record.events or ()
            if not isinstance(event, Tick | BadEvent)
        }
        for user_id in named - memory.users.keys():
            if user_id in self.rows:
                memory.remember(*self._read(user_id, "load_users"))
        effects = Effects()
        ended_day = memory.screen_names.ended_day(max((r.timestamp for r in records), default=0))
        if ended_day is not None:
            elsewhere = self.elsewhere.get(ended_day, {})
            memory.screen_names.showed_elsewhere(ended_day, elsewhere)
        for record in records:
            self._apply(memory, record, effects)
            self.counts.append((memory.tally.foreground, memory.tally.background))
        for erasure in effects.erasures:
            self._erase(erasure.user_id, erasure.before_ms)
        for user_hash, flag in effects.flags.items():
            fence_ms = flag.fence_until_ms
            self.flags[user_hash] = StoredFlag(user_hash, flag.opted_out, flag.offset, fence_ms)
            if flag.erased_ms is not None:
                self.erased[user_hash] = max(flag.erased_ms, self.erased.get(user_hash, 0))
        self.last_changes += effects.last_changes
        for user, log_offset in effects.written(memory.users):
            row = presence_row(user, memory.partition, log_offset)
            self.rows[user.user_id] = dict(zip(columns_written(), row, strict=True))
        for user, log_offset in effects.only_heard(memory.users):
            self.rows[user.user_id] |= sign_of_life_row(user, log_offset)._asdict()
            # What else is stored is what the whole row would say.
            whole = presence_row(user, memory.partition, log_offset)
            assert self.rows[user.user_id] == dict(zip(columns_written(), whole, strict=True))
            self.only_heard += 1
        self.next_offset = memory.next_offset
        self.log_time_ms = memory.log_time_ms
        self.after_loss = memory.after_loss
        self.steps = [*self.steps, *effects.steps][-MAX_STEPS:]
        self.graces = msgspec.json.encode(memory.graces)
        self.silence = msgspec.json.encode(memory.silence)
        self.changes += effects.changes
        self.outages |= {key: outage.ended_ms for key, outage in effects.outages.items()}
        self.rejected += [(reject.offset, reject.index) for reject in effects.rejects]
        self.verdicts += effects.verdicts.elements()
        self._add(effects)
        self._count_live(memory.tally.live.take())
        memory.forget_offline(named | effects.touched.keys())

    def _erase(self, user_id: str, before_ms: int | None) -> None:
        """What privacy.sql does."""
        if before_ms is None:
            self.rows.pop(user_id, None)
        gone = Effects(changes=self.changes)
        total = self.effects
        gone.spans, gone.sessions, gone.user_days = total.spans, total.sessions, total.user_days
        gone.forget(user_id, before_ms)
        self.changes = gone.changes
        total.spans, total.sessions, total.user_days = gone.spans, gone.sessions, gone.user_days

    def _add(self, effects: Effects) -> None:
        """Insert, or add to what is there, as analytics.sql does."""
        total, windows = self.effects, self.effects.windows
        total.spans += effects.spans
        total.sessions += effects.sessions
        for one in first_samples(effects.samples):
            if self.sampled.setdefault(one.at_ms, one) is one:
                total.samples.append(one)
        total.steps += effects.steps
        total.user_days += effects.user_days
        forgotten_ms = effects.windows.forgotten_from_ms
        if forgotten_ms is not None:
            windows.names = [named for named in windows.names if named[0] < forgotten_ms]
        windows.names += effects.windows.names
        if effects.windows.remembered is not None:
            self.remembered = msgspec.json.encode(effects.windows.remembered)
        windows.transitions.update(effects.windows.transitions)
        windows.late_quarters |= effects.windows.late_quarters
        for window, counts in effects.windows.minutes.items():
            sum_ = windows.minutes.setdefault(window, MinuteCounts())
            sum_.dwell_buckets.update(counts.dwell_buckets)
            for name in ("views", "visits", "dwell_ms", "silent_dwell_ms", "exits", "bounces"):
                setattr(sum_, name, getattr(sum_, name) + getattr(counts, name))

    def _count_live(self, live: LiveRows) -> None:
        """Delete and put, as analytics.sql does."""
        kept = {} if live.is_anew else self.live_screens
        self.live_screens = {n: u for n, u in {**kept, **dict(live.rows)}.items() if u}

    def stored(self) -> dict[str, dict[str, Any]]:
        """The rows as a processor that starts now reads them: with the graces in force."""
        loaded = self._load().users
        stored = {name: self._read(name, "load_users") for name in sorted(self.rows)}
        rows = {
            name: presence_row(
                loaded.get(name) or as_of_now(user, log_offset, self.steps), 0, log_offset
            )
            for name, (user, log_offset) in stored.items()
        }
        return {name: dict(zip(columns_written(), row, strict=True)) for name, row in rows.items()}

    def _apply(self, memory: Partition, record: Written, effects: Effects) -> None:
        offset = memory.next_offset
        if record.events is None:
            memory.skip(offset, "not a batch of events", b"", record.timestamp, effects)
        else:
            refused = dict.fromkeys(record.refused, "PostgreSQL refuses it")
            memory.apply(Record(offset, record.timestamp, record.events, refused), effects)

    def _load(self) -> Partition:
        minute = (self.log_time_ms or 0) // MINUTE_MS * MINUTE_MS
        memory = Partition(
            0,
            1,
            self.policy,
            next_offset=self.next_offset,
            log_time_ms=self.log_time_ms,
            after_loss=self.after_loss,
            steps=self.steps,
            graces=msgspec.json.decode(self.graces, type=list[Grace]),
            screen_names=ScreenNames(
                minute,
                [(name, mark) for at, name, mark in self.effects.windows.names if at == minute],
                msgspec.json.decode(self.remembered, type=Remembered | None),
            ),
            silence=msgspec.json.decode(self.silence, type=Silence | None),
            privacy=Privacy(
                flags=[flag_as_of_now(flag, self.steps) for flag in self.flags.values()]
            ),
        )
        online = (
            self._read(user_id, "load_online")
            for user_id, row in self.rows.items()
            if row["state"] != "offline"
        )
        memory.load_online(online)
        assert memory.tally.live.restore(self.live_screens)
        return memory

    def _read(self, user_id: str, query: str) -> tuple[User, int]:
        row = self.rows[user_id]
        values = [
            # jsonb keeps the value, not the text.
            json.dumps(json.loads(row[name]))
            if name in ("devices", "sign_outs", "sockets", "timer") and row[name] is not None
            else row[name]
            for name in columns_written()
        ]
        return user_of_row(tuple(values))


def oracle_of(records: Iterable[Written], policy: Policy, kind: type[Oracle] = Oracle) -> Oracle:
    """The oracle after these records."""
    oracle = kind(stated(policy))
    offset = 0
    for record in records:
        offset += record.lost
        refused = sorted(record.refused)
        oracle.record(offset, record.timestamp, record.events, refused, record.lost)
        offset += 1
    return oracle


def stated(policy: Policy) -> dict[str, Any]:
    """The policy as the oracles take it."""
    return {
        "offline_after": policy.offline_after_ms,
        "logout_fence": policy.logout_fence_ms,
        "reconnect_grace": policy.reconnect_grace_ms,
        "outage_gap": policy.outage_gap_ms,
        "outage_hold": policy.outage_hold_ms,
        "disconnect_grace": policy.disconnect_grace_ms,
        "client_interval": policy.client_interval_ms,
        "background_timer": policy.background_timer_ms,
        "max_screens": policy.max_screens,
        "time_zone": policy.reporting_time_zone,
    }


def agree(processor: Processor, oracle: Oracle) -> None:
    """Fails where the two differ in anything that is stored or published."""
    assert [_change(change) for change in processor.changes] == [
        (
            c["place"],
            c["at"],
            c["user"],
            c["device"],
            c["reason"],
            c["before"],
            c["after"],
            c["user_after"],
            c["app_version"],
            c["platform"],
            c["connections"],
        )
        for c in oracle.stored_changes()
    ]
    assert [
        (_change(c)[0], c.changed.at_ms, c.changed.user_id, c.changed.reason, *_left(c))
        for c in processor.last_changes
    ] == [
        (c["place"], c["at"], c["user"], c["reason"], c["before"], c["connections"])
        for c in oracle.last_changes
    ]
    assert processor.counts == oracle.counts
    assert processor.outages == {(o["kind"], o["from"]): o["to"] for o in oracle.outages}
    assert processor.rejected == oracle.rejected
    wanted = oracle.rows()
    stored = processor.stored()
    assert stored.keys() == wanted.keys()
    for user_id, row in stored.items():
        assert _row(row, processor.log_time_ms or 0) == wanted[user_id]
    people = [user for user in wanted if not oracle.is_canary(user)]
    agree_on_screens(processor, Counter(oracle.shown_by_user(user) for user in people))


def agree_on_screens(processor: Processor, shown: Counter[tuple[str, str | None]]) -> None:
    """Who has a name's row is everybody on it; the rest is ``(other)``."""
    ours = ("(none)", "(other)", "(start)", "(end)", "(suppressed)")
    users = {screen: count for (state, screen), count in shown.items() if state == "foreground"}
    live = dict(processor.live_screens)
    assert live.pop("(none)", 0) == users.pop(None, 0)
    others = live.pop("(other)", 0)
    assert others == sum(users.values()) - sum(live.values())
    assert not live.keys() & {*ours}
    assert len(live) <= processor.policy.max_screens
    assert live == {screen: users[screen] for screen in live}


def _change(change: LoggedChange) -> tuple[object, ...]:
    c = change.changed
    return (
        (change.offset, change.index, change.ordinal),
        c.at_ms,
        c.user_id,
        c.device,
        c.reason,
        (c.previous_state, c.previous_screen),
        (c.state, c.screen),
        (c.user_state, c.user_screen),
        c.app_version,
        c.platform,
        list(c.connections),
    )


def _left(change: LoggedChange) -> tuple[str, list[str]]:
    """Of a last change: from which state, and the connections; the rest is always the same."""
    c = change.changed
    assert (c.device, c.state, c.user_state) == ("", "offline", "offline")
    assert (c.previous_screen, c.screen, c.user_screen) == (None, None, None)
    assert (c.app_version, c.platform) == (None, None)
    return c.previous_state, list(c.connections)


_OF_USER = ("name", "state", "screen", "reason", "changed_ms", "online_since_ms")
_OF_SHOWN = (
    "device",
    "app_version",
    "device_info",
    "platform",
    "token",
    "signed_out",
    "ended_in_foreground",
)


def _row(row: dict[str, Any], now: int) -> dict[str, Any]:
    """A row of ``presence`` in the oracle's form."""
    user = {
        name: row[name]
        for name in (*_OF_USER, "last_active_ms", "device_count", "device", "canary")
    }
    if row["devices"] is None:
        times = ("state", "screen", "reason", "changed_ms", "online_since_ms", "last_active_ms")
        devices = [{name: row[name] for name in (*_OF_SHOWN, *times, "expires_ms", "sockets")}]
        devices[0]["sockets"] = row["sockets"] and json.loads(row["sockets"])
        timer = row["timer"] and json.loads(row["timer"])
        devices[0] |= {"twin_of": None, "replaced": [], "timer": timer}
    else:
        devices = json.loads(row["devices"])
        shown = [device for device in devices if device["device"] == row["device"]]
        assert len(shown) == bool(devices)
        # What the flat columns say is said of the device that the user is shown by.
        for device in shown:
            assert {name: device[name] for name in (*_OF_SHOWN, "expires_ms")} == {
                name: row[name] for name in (*_OF_SHOWN, "expires_ms")
            }
            assert device["sockets"] == (row["sockets"] and json.loads(row["sockets"]))
    return {**user, "devices": [_device(device, now) for device in devices]}


def ahead(deadline: int | None, now: int) -> int | None:
    """One that has passed means nothing: it may lack the last grace, as that is forgotten."""
    return deadline if deadline is not None and now < deadline else None


def _device(device: dict[str, Any], now: int) -> dict[str, Any]:
    online = device["state"] != "offline"
    # A device without sockets has been heard of over HTTP alone.
    sockets = device["sockets"] or {"http_expires_ms": device["expires_ms"] if online else None}
    lost = sockets.get("lost")
    expires = device["expires_ms"] if online else None
    return {
        **{name: value for name, value in device.items() if name not in ("sockets", "stay")},
        "expires_ms": expires,  # the deadline counts only while it is online
        "connections": [
            (name, until) for name, until in sockets.get("connections", ()) if now < until
        ],
        "http_deadline": ahead(sockets["http_expires_ms"], now),
        "lost": lost
        and {"at": lost["at_ms"], "silent": lost["silent_ms"], "deadline": device["expires_ms"]},
        "silence_deadline": lost["silence_expires_ms"] if lost else expires,
    }


# -- strategies

#: The same logs on every run, so that a red build is red for its change;
#: ``ROLLCALL_TEST_EXAMPLES`` draws that many others to hunt with.
_HUNTED = int(os.environ.get("ROLLCALL_TEST_EXAMPLES", "0"))
EXAMPLES = settings(
    max_examples=_HUNTED or 8,
    derandomize=not _HUNTED,
    deadline=None,
    print_blob=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)

#: Most of it happens to one user, so that events meet each other's consequences.
_USERS = ("ann",) * 5 + ("bob", "bob", "cem")
_TOKENS = (1, 1, 1, 2, 2, 3)
_CONNECTIONS = ("c1", "c1", "c1", "c2", "c2", "c3")
#: Durations in all orders: outages are long, short or none, as are the fence, the hold and the
#: grace beside them. Where the client interval is 1, a device's silence soon is an outage.
_POLICIES = (
    Policy(
        30,
        10,
        20,
        outage_gap_ms=15,
        outage_hold_ms=60,
        disconnect_grace_ms=10,
        client_interval_ms=1,
    ),
    Policy(60, 10, 20, outage_gap_ms=10_000, outage_hold_ms=60, disconnect_grace_ms=15),
    Policy(
        20, 40, 5, outage_gap_ms=8, outage_hold_ms=12, disconnect_grace_ms=30, client_interval_ms=1
    ),
    Policy(50, 0, 7, outage_gap_ms=10, outage_hold_ms=0, disconnect_grace_ms=0),
    Policy(10, 5, 40, outage_gap_ms=15, outage_hold_ms=30, disconnect_grace_ms=5),
    # Hardly more than the grid is exact to: most quiet beats in the background are the timer's.
    Policy(40, 5, 30, outage_gap_ms=15, outage_hold_ms=30, background_timer_ms=2_010),
    Policy(
        200,
        8,
        100,
        outage_gap_ms=20,
        outage_hold_ms=900,
        disconnect_grace_ms=25,
        client_interval_ms=1,
    ),
)
#: ``screen`` and ``app_state``.
_SAID = (
    *((None, None), ("Unknown", None)) * 2,
    *((screen, None) for screen in ("home", "cart", "home", "cart", "film")),
    *(("background", None),) * 2,
    *((None, app_state) for app_state in ("resumed", "paused")),
    ("BACKGROUND", None),
    ("  ", None),
    ("", "foreground"),
    ("home", "hidden"),
    ("cart", "inactive"),
    ("background", "resumed"),
    ("Unknown", "Detached"),
    (" unknown", None),
)
#: ``device_id``, ``claimed_device`` and ``device_info``.
_NAMING = (
    *((None, None, None), ("a", None, None), ("b", None, None)) * 3,
    (None, "a", None),
    (None, "c", None),
    (None, None, "Pixel"),
    ("b", "c", "Pixel"),
    ("a", None, "Nexus"),
    ("default", None, "Nexus"),
    ("x03", None, None),
)
_LOGOUT_NAMING = (
    *((None, None), ("a", None)) * 3,
    ("b", None),
    (None, "a"),
    (None, "c"),
    ("z", "a"),
    ("x03", None),
)
#: ``name``, ``app_version`` and ``platform``.
_DETAILS = ((None, None, None), ("Ann", "1.0", "ios"), ("Anna", "1.1", None), (None, "1.1", "web"))
_DELTAS = (*(0, 1, 2, 5, 10) * 3, 0, -1, -3, 8, 11, 15, 16, 20, 30, 45, 70, 110)


def _heartbeats_saying(
    said: Sequence[tuple[str | None, str | None]], naming: Sequence[tuple[str | None, ...]]
) -> st.SearchStrategy[Heartbeat]:
    return st.builds(
        lambda kind, user, token, naming, said, details, connection: kind(
            user=user,
            token=f"{user}-{token}",
            device_id=naming[0],
            claimed_device=naming[1],
            device_info=naming[2],
            screen=said[0],
            app_state=said[1],
            name=details[0],
            app_version=details[1],
            platform=details[2],
            connection=connection[kind is Heartbeat],
        ),
        st.sampled_from((*(Heartbeat,) * 3, Connect)),
        st.sampled_from(_USERS),
        st.sampled_from(_TOKENS),
        st.sampled_from(naming),
        st.sampled_from(said),
        st.sampled_from(_DETAILS),
        # Of a connect, and of a heartbeat: two in three come over HTTP.
        st.sampled_from([(c, h) for c in _CONNECTIONS for h in (c, None, None)]),
    )


_heartbeats = _heartbeats_saying(_SAID, _NAMING)
_renews = st.builds(
    lambda user, token, connection, naming: Renew(
        user=user,
        token=f"{user}-{token}",
        connection=connection,
        device_id=naming[0],
        claimed_device=naming[1],
        device_info=naming[2],
    ),
    st.sampled_from(_USERS),
    st.sampled_from(_TOKENS),
    st.sampled_from(_CONNECTIONS),
    st.sampled_from(_NAMING),
)
_disconnects = st.builds(
    lambda user, connection, by_server, silent: Disconnect(
        user=user, connection=connection, by_server=by_server, silent_ms=silent
    ),
    st.sampled_from(_USERS),
    st.sampled_from(_CONNECTIONS),
    st.sampled_from((False, False, False, True)),
    st.sampled_from((0, 0, 3, 20)),
)
#: ``token_expires_ms`` is relative here: :func:`_dated` makes it a time.
_logouts = st.builds(
    lambda user, token, naming, expires, connection: Logout(
        user=user,
        token=f"{user}-{token}",
        device_id=naming[0],
        claimed_device=naming[1],
        token_expires_ms=expires,
        connection=connection,
    ),
    st.sampled_from(_USERS),
    st.sampled_from(_TOKENS),
    st.sampled_from(_LOGOUT_NAMING),
    st.sampled_from((None, None, None, -5, 5, 20, 60)),
    st.sampled_from((None, None, *_CONNECTIONS[2:])),
)
_others = st.sampled_from((Tick(), BadEvent("unknown kind", b"\x90")))
#: About as many devices as one user may have, as many logouts as are remembered, or as many
#: connections of one device, at once.
_crowds = st.builds(
    lambda user, count, said, kind: tuple(
        Logout(user=user, token=f"{user}-{n + 1}", device_id="a")
        if kind == "logouts"
        else Connect(user=user, token=f"{user}-1", device_id="a", connection=f"c{(n + 1) % 10}")
        if kind == "connects"
        else Heartbeat(user=user, token=f"{user}-1", device_id=f"x{n:02}", screen=said[0])
        for n in range(count)
    ),
    st.sampled_from(_USERS),
    st.integers(13, 18),
    st.sampled_from(_SAID),
    st.sampled_from(("devices", "devices", "logouts", "connects")),
)
_REST = (*(_renews,) * 4, *(_disconnects,) * 5, *(_logouts,) * 5, _others)


def _records_of(
    deltas: Sequence[int],
    kinds: Sequence[st.SearchStrategy[Any]],
    crowds: st.SearchStrategy[Any] = _crowds,
) -> st.SearchStrategy[tuple[int, Any, int | None]]:
    events = st.integers(0, len(kinds) - 1).flatmap(lambda roll: kinds[roll])
    several = st.lists(events, max_size=4).map(tuple)
    batches = st.integers(0, 29).flatmap(
        lambda roll: st.none() if roll == 29 else crowds if roll == 28 else several
    )
    refused = st.sampled_from((*(None,) * 9, 0, 1))
    return st.tuples(st.sampled_from(deltas), batches, refused)


_records = _records_of(_DELTAS, (*(_heartbeats,) * 15, *_REST))


def _stretches_of(
    records: st.SearchStrategy[tuple[int, Any, int | None]], quiet_deltas: Sequence[int]
) -> st.SearchStrategy[list[tuple[int, Any, int | None]]]:
    """A few records; in one of seven, clients are not heard of for a while, though time goes on."""
    quiet: st.SearchStrategy[list[tuple[int, Any, int | None]]] = st.lists(
        st.tuples(
            st.sampled_from(quiet_deltas),
            st.one_of(*(st.just(()),) * 3, st.tuples(_others), st.tuples(_disconnects)),
            st.none(),
        ),
        min_size=3,
        max_size=9,
    )
    return st.integers(0, 6).flatmap(
        lambda roll: quiet if roll == 6 else st.lists(records, min_size=1, max_size=3)
    )


_stretches = _stretches_of(_records, (5, 7, 8))

#: Phones that are known by one text alone and take turns, as those with the guide's app do: what it
#: says, a few sockets, logouts that name nothing, and now and then a phone with a name.
_GUIDE_SAID = (*(("Unknown", None),) * 5, ("home", None), ("cart", None), ("background", None))
_GUIDE_NAMING = (*((None, None, "App"),) * 12, (None, None, None), ("App (2)", None, "App"))
_guide_heartbeats = st.builds(
    lambda kind, token, naming, said, connection: kind(
        user="ann",
        token=f"ann-{token}",
        device_id=naming[0],
        claimed_device=naming[1],
        device_info=naming[2],
        screen=said[0],
        app_state=said[1],
        connection=connection[kind is Heartbeat],
    ),
    st.sampled_from((*(Heartbeat,) * 9, Connect)),
    st.sampled_from((1, 1, 1, 2, 2, 2, 3, 4, 5, 6)),
    st.sampled_from(_GUIDE_NAMING),
    st.sampled_from(_GUIDE_SAID),
    st.sampled_from([("c1", "c1"), ("c2", "c2"), *(("c3", None),) * 8]),
)
_guide_renews = st.builds(
    lambda token, connection: Renew(
        user="ann", token=f"ann-{token}", connection=connection, device_info="App"
    ),
    st.sampled_from(_TOKENS),
    st.sampled_from(_CONNECTIONS),
)
_guide_logouts = st.builds(
    lambda token, expires: Logout(user="ann", token=f"ann-{token}", token_expires_ms=expires),
    st.integers(1, 5),
    st.sampled_from((None, None, 20)),
)
#: Many phones of one text at once.
_guide_crowds = st.builds(
    lambda count, turns: tuple(
        Heartbeat(user="ann", token=f"ann-{n}", device_info="App", screen="Unknown")
        for n in range(1, count + 1)
        for _ in range(turns)
    ),
    st.integers(4, 18),
    st.integers(1, 2),
)
_guide_records = _records_of(
    _DELTAS,
    (*(_guide_heartbeats,) * 12, _guide_renews, _disconnects, *(_guide_logouts,) * 2),
    _guide_crowds,
)
_guide_stretches = _stretches_of(_guide_records, (5, 7, 8))

#: Phones that share an installation id, as one of a restored backup does: what each says of itself
#: differs, mostly; tokens do not follow. Now and then a phone of the text, and one of the second.
_CLONE_NAMING = (
    *(("a", None, "Pixel"),) * 4,
    *(("a", None, "Nexus"),) * 4,
    ("a", None, "Moto"),
    ("a", None, None),
    (None, "a", "Pixel"),
    (None, None, "Pixel"),
    ("a (2)", None, "Nexus"),
    (None, None, None),
)
_clone_heartbeats = _heartbeats_saying(_SAID, _CLONE_NAMING)
_clone_renews = st.builds(
    lambda user, token, connection, naming: Renew(
        user=user,
        token=f"{user}-{token}",
        connection=connection,
        device_id=naming[0],
        claimed_device=naming[1],
        device_info=naming[2],
    ),
    st.sampled_from(_USERS),
    st.sampled_from(_TOKENS),
    st.sampled_from(_CONNECTIONS),
    st.sampled_from(_CLONE_NAMING),
)
_clone_stretches = _stretches_of(
    _records_of(
        _DELTAS, (*(_clone_heartbeats,) * 12, _clone_renews, _disconnects, *(_logouts,) * 2)
    ),
    (5, 7, 8),
)

#: A phone with the guide's app, in the background mostly: its timer runs on, or somebody is there.
_TIMER_DELTAS = (
    *(*(120_000,) * 12, 240_000, 360_000, 119_000, 121_999, 122_001, 128_000, 131_000),
    *(59_000, 60_000, 9_000, 40),
)
_timer_heartbeats = st.builds(
    lambda screen, app_state, token, device: Heartbeat(
        user="ann", token=token, device_info=device, screen=screen, app_state=app_state
    ),
    st.sampled_from((*("Unknown",) * 24, *("background",) * 3, "Home", None)),
    st.sampled_from((*(None,) * 29, "resumed", "paused")),
    st.sampled_from((*("A",) * 24, "B")),
    st.sampled_from((*("App",) * 24, "Pixel")),
)

LONGEST = 25
#: Ticks are left out: the silence between beats is no outage.
timer_policies = st.sampled_from(
    [
        Policy(300_000, 30_000, 200_000, outage_gap_ms=1_000_000, background_timer_ms=period_ms)
        for period_ms in (120_000, 0)
    ]
)
timer_logs = st.lists(
    st.tuples(
        st.sampled_from(_TIMER_DELTAS),
        st.integers(0, 40)
        .flatmap(
            lambda roll: (
                _guide_renews if roll == 40 else _guide_logouts if roll == 39 else _timer_heartbeats
            )
        )
        .map(lambda event: (event,)),
        st.none(),
    ),
    min_size=4,
    max_size=LONGEST,
).map(lambda records: _dated(1_700_000_000_000, records))

#: A device with a socket or two around an outage, heard of and lost before its end, in the record
#: that ends it, within the grace, and later.
_AROUND_OUTAGES = (
    *(Disconnect(user="ann", connection="c1"),) * 4,
    Disconnect(user="ann", connection="c1", silent_ms=3),
    Disconnect(user="ann", connection="c2"),
    Disconnect(user="ann", connection="c1", by_server=True),
    *(Renew(user="ann", token="ann-1", connection="c1", device_id="a"),) * 4,
    *(Connect(user="ann", token="ann-1", connection="c1", device_id="a"),) * 2,
    Connect(user="ann", token="ann-1", connection="c2", device_id="a"),
    Heartbeat(user="ann", token="ann-1", connection="c1", device_id="a", screen="home"),
    *(
        Heartbeat(user="ann", token="ann-1", connection=c, device_id="a", screen="background")
        for c in ("c1", "c1", None)
    ),
    Heartbeat(user="ann", token="ann-1", device_id="a"),
    Heartbeat(user="bob", token="bob-1", device_id="b"),
    *(Tick(),) * 3,
)
#: In the last one the grace is longer than silence may be.
lost_sockets_policies = st.sampled_from(
    (
        *_POLICIES,
        Policy(30, 10, 40, outage_gap_ms=15, outage_hold_ms=60, disconnect_grace_ms=10),
        Policy(30, 10, 40, outage_gap_ms=15, outage_hold_ms=60, disconnect_grace_ms=3),
    )
)
_opened = Connect(user="ann", token="ann-1", connection="c1", device_id="a")
lost_sockets_logs = st.lists(
    st.tuples(
        st.sampled_from((0, 1, 1, 2, 2, 3, 5, 5, 8, 8, 12, 16, 21, 40)),
        st.lists(st.sampled_from(_AROUND_OUTAGES), min_size=1, max_size=2).map(tuple),
        st.none(),
    ),
    min_size=4,
    max_size=LONGEST,
).map(lambda records: _dated(9_900, [(0, (_opened,), None), *records]))
policies = st.sampled_from(_POLICIES)
# Long ones on average, yet short enough to read once they are shrunk.
logs = st.one_of(
    st.lists(_stretches, min_size=1, max_size=4),
    *(st.lists(_stretches, min_size=8, max_size=LONGEST) for _ in range(2)),
    st.lists(_guide_stretches, min_size=2, max_size=LONGEST),
    st.lists(_clone_stretches, min_size=2, max_size=LONGEST),
).map(
    # Most logs pass 10 000, an instant for which concurrency is sampled.
    lambda stretches: _dated(9_900, [r for stretch in stretches for r in stretch][:LONGEST])
)


def with_steps_back(log: list[Written], steps: Mapping[int, int]) -> list[Written]:
    """The log with a clock that was ahead by so much until the records at these places."""
    ahead = sum(steps.values())
    written = []
    for n, record in enumerate(log):
        ahead -= steps.get(n, 0)
        written.append(replace(record, timestamp=record.timestamp + ahead))
    return written


#: At which record the clock is put right, and by how much.
steps_back = st.dictionaries(
    st.integers(1, LONGEST - 1),
    st.sampled_from((9, 16, 21, 40, 100, 1_000)),
    min_size=1,
    max_size=4,
)
day_steps_back = st.dictionaries(
    st.integers(1, LONGEST - 1),
    st.sampled_from((16_000, 65_000, 20 * 60_000, 3_600_000, 26 * 3_600_000)),
    min_size=1,
    max_size=3,
)


def with_canaries(log: list[Written], marks: Sequence[bool]) -> list[Written]:
    """The log in which tokens say of every user now this, now that: one mark an event, in turn."""
    said = cycle(marks)
    return [
        replace(
            record,
            events=record.events
            and tuple(
                msgspec.structs.replace(event, canary=next(said))
                if isinstance(event, Heartbeat | Renew | Logout)
                else event
                for event in record.events
            ),
        )
        for record in log
    ]


canary_marks = st.lists(st.booleans(), min_size=1, max_size=7)


def with_canary(log: list[Written], user: str) -> list[Written]:
    """The log in which that user's tokens are a canary's."""
    return [
        replace(
            record,
            events=record.events
            and tuple(
                msgspec.structs.replace(event, canary=True)
                if isinstance(event, Heartbeat | Renew | Logout) and event.user == user
                else event
                for event in record.events
            ),
        )
        for record in log
    ]


def without(log: list[Written], user: str) -> list[Written]:
    """The log in which a tick stands for each event of that user: places stay what they are."""
    return [
        replace(
            record,
            events=record.events
            and tuple(
                Tick() if getattr(event, "user", None) == user else event for event in record.events
            ),
        )
        for record in log
    ]


def with_losses(log: list[Written], losses: Mapping[int, int]) -> list[Written]:
    """The log with so many records gone before those at these places."""
    return [replace(record, lost=losses.get(n, 0)) for n, record in enumerate(log)]


def with_privacy(log: list[Written], events: Mapping[int, PrivacyEvent]) -> list[Written]:
    """The log with these at the end of the records at these places; ``before_ms`` is relative to
    the record's time."""
    written = []
    for number, record in enumerate(log):
        event = events.get(number)
        if event is not None and record.events is not None:
            if isinstance(event, Erase) and event.before_ms is not None:
                before_ms = max(0, record.timestamp - event.before_ms)
                event = msgspec.structs.replace(event, before_ms=before_ms)
            place = number % (len(record.events) + 1)
            events_ = (*record.events[:place], event, *record.events[place:])
            record = replace(record, events=events_)
        written.append(record)
    return written


#: Into which record which event goes.
privacy_events = st.dictionaries(
    st.integers(0, LONGEST - 1),
    st.builds(
        lambda user, kind, older: (
            Erase(user=user, request="r", before_ms=older)
            if kind == "erase"
            else OptOut(user=user, request="r")
            if kind == "out"
            else OptIn(user=user, request="r")
        ),
        st.sampled_from(_USERS),
        st.sampled_from(("erase", "erase", "out", "out", "in")),
        st.sampled_from((None, None, 0, 5, 30)),
    ),
    min_size=1,
    max_size=8,
)
#: Before which record so many are gone.
losses = st.dictionaries(st.integers(0, LONGEST - 1), st.integers(1, 9), min_size=1, max_size=3)


def _dated(
    start: int, records: Sequence[tuple[int, Any, int | None]], unit: int = 1
) -> list[Written]:
    """``unit`` is that of the times within events."""
    now, log = start, []
    for delta, events, refused in records:
        # Broker clocks that go back are absorbed: only what is above counts.
        timestamp, now = now + delta, max(now, now + delta)
        dated = events and tuple(_dated_event(event, now, unit) for event in events)
        log.append(
            Written(timestamp, dated, frozenset() if refused is None else frozenset({refused}))
        )
    return log


def _dated_event(event: Event | BadEvent, now: int, unit: int) -> Event | BadEvent:
    if isinstance(event, Logout) and event.token_expires_ms is not None:
        return msgspec.structs.replace(event, token_expires_ms=now + unit * event.token_expires_ms)
    if isinstance(event, Disconnect):
        return msgspec.structs.replace(event, silent_ms=unit * event.silent_ms)
    return event


# -- on the scale of days: minutes and quarter-hours apart, over midnights, with spans of 24 hours

_MINUTE, _HOUR = 60_000, 3_600_000
_DAY = 24 * _HOUR
#: Sessions outlast days, time and again in an outage; or end by silence that is noticed late.
_DAY_POLICIES = (
    Policy(300_000, 30_000, 200_000, max_screens=2, reporting_time_zone="Europe/Berlin"),
    Policy(
        3 * _DAY,
        30_000,
        200_000,
        outage_gap_ms=2 * _HOUR,
        max_screens=1,
        reporting_time_zone="America/St_Johns",
    ),
    Policy(
        2 * _DAY,
        10_000,
        100_000,
        outage_gap_ms=_MINUTE,
        outage_hold_ms=0,
        disconnect_grace_ms=_HOUR,
        max_screens=3,
        reporting_time_zone="Australia/Lord_Howe",
    ),
    Policy(
        300_000,
        0,
        200_000,
        outage_gap_ms=4 * _HOUR,
        disconnect_grace_ms=10 * _MINUTE,
        reporting_time_zone="Asia/Kolkata",
    ),
    Policy(
        2 * _HOUR,
        30_000,
        200_000,
        outage_gap_ms=10 * _MINUTE,
        client_interval_ms=1_000,
        max_screens=2,
        reporting_time_zone="America/Los_Angeles",
    ),
)
#: Just before clocks go forward or back in one of their zones (Berlin twice, Newfoundland, Lord
#: Howe, Los Angeles), and before a midnight of UTC.
_STARTS = (
    1_774_746_000_000,
    1_792_890_000_000,
    1_772_947_800_000,
    1_775_314_800_000,
    1_793_523_600_000,
    1_780_271_700_000,
)
_DAY_DELTAS = (
    *(0, 1, 249, 250, 900, 4_000, 9_999, 10_000, 12_345) * 2,
    *(30_000, _MINUTE, 61_001, 5 * _MINUTE, 15 * _MINUTE - 1, 15 * _MINUTE) * 2,
    *(-5_000, 45 * _MINUTE, 3 * _HOUR, 11 * _HOUR, _DAY - 1, _DAY, _DAY, _DAY + _HOUR),
)
#: Often nothing new, so that spans grow old; else many screens, some named as ours are.
_DAY_SAID = (
    *((None, None), ("Unknown", None)) * 5,
    *((f"screen {n}", None) for n in range(5)),
    *((screen, None) for screen in ("home", "(other)", "(none)", "(start)", "(end)")),
    *(("background", None), ("home", "paused")) * 2,
)
_day_heartbeats = _heartbeats_saying(_DAY_SAID, (("a", None, None), ("a", None, None), *_NAMING))
_day_records = _records_of(_DAY_DELTAS, (*(_day_heartbeats,) * 25, *_REST))
_day_stretches = _stretches_of(_day_records, (7_000, 4 * _MINUTE, 9 * _MINUTE))
day_policies = st.sampled_from(_DAY_POLICIES)
day_logs = st.builds(
    lambda start, before, stretches: _dated(
        start - before, [r for stretch in stretches for r in stretch][:LONGEST], unit=1_000
    ),
    st.sampled_from(_STARTS),
    st.sampled_from((0, 5_000, 20 * _MINUTE, _DAY)),
    st.one_of(
        st.lists(_day_stretches, min_size=1, max_size=4),
        st.lists(_day_stretches, min_size=6, max_size=LONGEST),
    ),
)
