"""Presence a second time, as slow and plain as can be, to hold the processor's against.

It shares no code with ``processor`` and no idea either: it keeps no state of anybody, only the
list of what has happened (facts: plain dicts, in the order of the log). Whatever is asked of a
device or a user is found by going through that list again:

* a device is online if a heartbeat or renewal of it comes after the last time that it went;
* its screen is the last real one that a foreground heartbeat of that session named;
* of devices of one name it is the one whose mark an event bears (the last token where a text names
  them, the last text where an id does), unless the marks before tell otherwise;
* it changed last at the last of its facts after which it showed something else than before it;
* its deadline is that of its last heartbeat or renewal that counts, or of the grace after a lost
  socket that nothing has ended since, moved by every outage since;
* where the broker's clock was put right, what was to come comes as much earlier, and what was is no
  later than that, in the order in which it was;
* a connect that names another device takes its connection there, and ends what it leaves behind;
* its connections are those that were heard of in this session, less those that went;
* who must go offline is found by looking at every device of every user;
* whether silence is an outage is found by going back through the records.

Written from the design, sections 1 to 4, with the decisions that the docstrings of
``processor/core/presence.py``, ``devices.py``, ``sockets.py`` and ``outage.py`` take where the
design is silent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from schemas.log.events import Connect, Disconnect, Erase, Heartbeat, Logout, OptIn, OptOut, Renew

Fact = dict[str, Any]
Shown = tuple[str, str | None]  # state and screen

NOTHING: Shown = ("offline", None)
RANK = ["offline", "background", "foreground"]
#: After these a device is not remembered.
FORGOTTEN_BY = ("evicted", "erased")


class Oracle:
    """Feed it records with :meth:`record`; ask :meth:`rows`, ``changes``, ``counts``, ``outages``
    and ``rejected``. ``policy`` may be replaced between records."""

    def __init__(self, policy: Mapping[str, Any]) -> None:
        self.policy = policy
        self.facts: list[Fact] = []
        self.changes: list[Fact] = []
        self.outages: list[Fact] = []
        self.records: list[Fact] = []
        self.rejected: list[tuple[int, int | None]] = []
        self.counts: list[tuple[int, int]] = []  # foreground and background after each record
        self.now = 0
        self.highest = 0  # log time before it stepped back
        self.began = False
        self.place: tuple[int, int, int] = (0, 0, 0)
        self.opted_out: set[str] = set()
        self.erasure_fences: dict[str, int] = {}
        self.last_changes: list[Fact] = []

    # -- what comes in

    def record(
        self,
        offset: int,
        timestamp: int,
        events: Sequence[object] | None,
        refused: Sequence[int] = (),
        lost: int = 0,
    ) -> None:
        """``events`` is ``None`` for a record that could not be decoded. ``lost`` is how many
        records before it somebody has accepted as lost."""
        heard = any(
            isinstance(e, Heartbeat | Logout | Renew) and not e.canary for e in events or ()
        )
        if self.began and self.now - timestamp > self.policy["outage_gap"]:
            self._step_back(offset, timestamp)
        jump = self.began and (lost > 0 or timestamp - self.now > self.policy["outage_gap"])
        self._pass_time(offset, timestamp, heard, jump, "lost_range" if lost else "jump")
        for change in self.changes:
            if "canary" not in change:
                change["canary"] = self.is_canary(change["user"])
        if events is None:
            self.rejected.append((offset, None))
        for index, event in enumerate(events or ()):
            self.place = (offset, index, 0)
            if isinstance(event, Heartbeat | Logout | Renew | Disconnect):
                if index in refused:
                    self.rejected.append((offset, index))
                elif not self._keeps_out(event.user):
                    self._event(event)
            elif isinstance(event, OptOut | OptIn | Erase):
                if index in refused:
                    self.rejected.append((offset, index))
                else:
                    canary = self.is_canary(event.user)
                    self._privacy(event)
                    for change in self.changes:
                        change.setdefault("canary", canary)
            elif type(event).__name__ != "Tick":
                self.rejected.append((offset, index))
        shown = [self.shown_by_user(user) for user in self.users() if not self.is_canary(user)]
        states = [state for state, _ in shown]
        self.counts.append((states.count("foreground"), states.count("background")))
        self.records.append(
            {
                "offset": offset,
                "policy": dict(self.policy),
                "at": self.now,
                "highest": self.highest,
                "heard": heard,
                "jump": jump,
                "foreground": sum(
                    self.shown(user, device)[0] == "foreground"
                    for user in self.users()
                    if not self.is_canary(user)
                    for device in self.devices(user)
                ),
            }
        )

    def _event(self, event: Heartbeat | Renew | Disconnect | Logout) -> None:
        was_offline = self.shown_by_user(event.user) == NOTHING
        number = len(self.facts)
        if isinstance(event, Heartbeat):
            self._heartbeat(event)
        elif isinstance(event, Renew):
            self._renew(event)
        elif isinstance(event, Disconnect):
            self._disconnect(event)
        else:
            self._logout(event)
        counted = self.facts[number:]
        if counted and was_offline and not isinstance(event, Disconnect):
            counted[-1]["canary"] = event.canary
        for change in self.changes:
            if "canary" not in change:
                change["canary"] = self.is_canary(event.user)

    def is_canary(self, user: str) -> bool:
        """Whether the last event that found the user offline said so."""
        said = [f["canary"] for f in self.facts if f["user"] == user and "canary" in f]
        return bool(said) and bool(said[-1])

    def _keeps_out(self, user: str) -> bool:
        fenced = self.now < self.erasure_fences.get(user, self.now)
        return user not in self.users() and (user in self.opted_out or fenced)

    def _privacy(self, event: OptOut | OptIn | Erase) -> None:
        """Whoever leaves has never been; what changed is that they are gone."""
        user = event.user
        if isinstance(event, OptIn):
            self.opted_out.discard(user)
            return
        older = event.before_ms if isinstance(event, Erase) else None
        if isinstance(event, OptOut):
            self.opted_out.add(user)
        elif older is None:
            self.erasure_fences[user] = self.now + self.policy["logout_fence"]
        devices = self.devices(user)
        if older is not None and any(self.last_active(user, d) >= older for d in devices):
            for change in self.changes:
                if change["user"] == user and change["at"] < older:
                    change["erased"] = True
            self._take([d for d in devices if self.last_active(user, d) < older], user)
            return
        if user in self.users() and not self.is_canary(user):
            online = [d for d in devices if self.shown(user, d) != NOTHING]
            self.last_changes.append(
                {
                    "place": (*self.place[:2], 0),
                    "at": self.now,
                    "user": user,
                    "reason": "opted_out" if isinstance(event, OptOut) else "erased",
                    "before": self.shown_by_user(user)[0],
                    "connections": [n for d in online for n, _ in self.connections(user, d)],
                }
            )
        self._forget(user, "opted_out" if isinstance(event, OptOut) else "erased")

    def _forget(self, user: str, _reason: str) -> None:
        nothing = {"what": "nothing", "user": None, "device": None}
        self.facts = [nothing if fact["user"] == user else fact for fact in self.facts]
        self.changes = [change for change in self.changes if change["user"] != user]

    def _take(self, gone: Sequence[str], user: str) -> None:
        """Those devices have never been, and nobody hears of it."""
        told = len(self.changes)
        for device in gone:
            self._gone(user, device, "erased", self.now)
        for change in self.changes[told:]:
            change["erased"] = True
        for logout in self._logouts(user):
            had = bool(logout["devices"])
            for field in ("devices", "spared"):
                logout[field] = [device for device in logout[field] if device not in gone]
            if had and not logout["devices"]:
                logout["forgotten"] = True

    def stored_changes(self) -> list[Fact]:
        """Those that no erasure took, of people."""
        return [c for c in self.changes if not c.get("erased") and not c["canary"]]

    def _step_back(self, offset: int, timestamp: int) -> None:
        back, latest = self.now - timestamp, timestamp - 1
        for outage in self.muted():
            outage |= {"to": self.now, "until_record": offset}
            again = {"from": timestamp, "to": None, "hold": outage["hold"] - back}
            self.outages.append({**outage, **again, "of_record": offset, "until_record": None})
        times: dict[str, dict[tuple[str, str], int]] = {"changed": {}, "active": {}}
        for user in self.users():
            for what, when in (
                ("changed", lambda user, device: self.last_change(user, device)[0]),
                ("active", self.last_active),
            ):
                at = {device: when(user, device) for device in self.devices(user)}
                earlier = latest
                for time in sorted(set(at.values()), reverse=True):
                    earlier = min(time, earlier)
                    same = [device for device in at if at[device] == time]
                    times[what] |= {(user, device): earlier for device in same}
                    earlier -= 1
        for fact in self.facts:
            if fact["what"] == "logout":
                fact["fence_until"] -= back
        for user in self.erasure_fences:
            self.erasure_fences[user] -= back
        self.highest = max(self.highest, self.now)
        self.now = timestamp
        step = {"what": "step", "back": back, "latest": latest, **times}
        self.facts.append({**step, "user": None, "device": None, "place": (offset, -1, -1)})

    def seen(self, at: int, number: int) -> int:
        """A time that the fact of that number told, as it is told now."""
        steps = [f["latest"] for f in self.facts[number + 1 :] if f["what"] == "step"]
        return min([at, *map(int, steps)])

    def _ordered(
        self, what: str, user: str, device: str, fact: Fact, at: int, end: Fact | None = None
    ) -> int:
        """The time of ``fact``, which is the last (before ``end``) that says ``what`` of the
        device."""
        if all(one["what"] != "step" for one in self.facts):
            return at
        numbers = {id(one): number for number, one in enumerate(self.facts)}
        later = self.facts[numbers[id(fact)] + 1 : numbers.get(id(end))]
        steps = [f[what] for f in later if f["what"] == "step"]
        return int(steps[-1].get((user, device), at)) if steps else at

    def _pass_time(self, offset: int, timestamp: int, heard: bool, jump: bool, kind: str) -> None:
        before = self.now if self.began else timestamp
        self.now, self.began = max(before, timestamp), True
        if jump:
            hold = before + self.policy["outage_hold"]
            jumped = {"kind": kind, "from": before, "to": self.now, "hold": hold}
            self.outages.append({**jumped, "of_record": offset, "until_record": offset})
        if not heard and not jump and not self.muted() and self.is_muted_now():
            hold = self.now + self.policy["outage_hold"]
            quiet = {"kind": "ticks_only", "from": self.now, "to": None, "hold": hold}
            self.outages.append({**quiet, "of_record": offset, "until_record": None})
        holds = [outage["hold"] for outage in self.muted()]
        holds += [self.outages[-1]["hold"]] if jump else []
        over = jump or (heard and bool(self.muted()))
        for outage in self.muted() if heard else ():
            outage |= {"to": self.now, "until_record": offset}
        due = []
        for user in self.users():
            for device in self.devices(user):
                if self.shown(user, device) == NOTHING:
                    continue
                # In an outage silence counts only after the hold.
                deadline = max(self.deadline(user, device), *holds, 0)
                if deadline <= self.now:
                    due.append((deadline, user, device))
        self.place = (offset, -1, 0)
        for deadline, user, device in sorted(due):
            lost = self.lost(user, device) is not None
            self._gone(user, device, "disconnected" if lost else "timed_out", deadline)
        if over:
            self.facts.append(
                {
                    "what": "outage",
                    "user": None,
                    "device": None,
                    "until": self.now + self.policy["reconnect_grace"],
                }
            )

    def muted(self) -> list[Fact]:
        """The outage of ticks only that lasts, if there is one."""
        return [outage for outage in self.outages if outage["to"] is None]

    def is_muted_now(self) -> bool:
        """Should clients have been heard of in the time without them, up to now?"""
        if not any(record["heard"] for record in self.records):
            return False
        last = next(r for r in reversed(self.records) if r["heard"] or r["jump"])
        back = [
            fact["back"]
            for fact in self.facts
            if fact["what"] == "step" and fact["place"][0] > last["offset"]
        ]
        quiet = self.now - (last["at"] - sum(back))
        if quiet < self.policy["outage_gap"]:
            return False
        # Nobody who is silent for longer is online to beat.
        beating = min(quiet, self.policy["offline_after"])
        due: float = last["foreground"] * beating / self.policy["client_interval"]
        return due >= 30

    def _heartbeat(self, event: Heartbeat) -> None:
        user = event.user
        named = event.device_id or event.claimed_device or event.device_info
        device = self._device_of(event)
        if self._is_a_timer_left_on(event, device):
            return
        if self._fenced(event, device):
            return
        if self._wants_evidence(event, named, device) and not _is_evidence(event):
            return
        parted, alike = None, []
        if named and device not in self.devices(user):
            alike = self._alike(user, named)
            gave_way = [g for d in alike for g in self.gave_way(user, d)]
            parted = next((g for g in gave_way if g["mark"] == _mark(event)), None)
        left = self._left_by(event, named)
        brings = self.shown(user, left)[1] if left else None
        if device not in self.devices(user) and len(self.devices(user)) == 16:
            self._evict(user)
        self._happened(
            {
                "what": "beat",
                "parted": parted,
                "parted_from": alike,
                "brings": brings,
                "at": self.now,
                "user": user,
                "device": device,
                "event": event,
                "deadline": self.now + self.policy["offline_after"],
                "connection": event.connection,
                "forgotten": self.now + self.policy["offline_after"],
                "timer": self.policy["background_timer"],
            },
            None,
        )
        if left in self.devices(user):
            self._end_if_left(user, left)

    def _left_by(self, event: Heartbeat, named: str | None) -> str | None:
        """The device that a connect of another name takes its connection from."""
        if not isinstance(event, Connect) or not named:
            return None
        user = event.user
        holders = [
            d for d in self.devices(user) if event.connection in dict(self.connections(user, d))
        ]
        return next((d for d in holders[:1] if d not in self._alike(user, named)), None)

    def _end_if_left(self, user: str, device: str) -> None:
        """It was the phone all along, if nothing else keeps it."""
        kept = self.connections(user, device) or self.http_deadline(user, device) is not None
        if kept or self.shown(user, device) == NOTHING:
            return
        beat = len(self.facts) - 1
        self._gone(user, device, "disconnected", self.now)
        # What the connect told is told of the other device.
        self.changes[-1] |= {"fact": beat, "moved": True}

    def _renew(self, event: Renew) -> None:
        user, device = event.user, self._device_of(event)
        if self._fenced(event, device) or device not in self.devices(user):
            return
        state, _ = self.shown(user, device)
        if state == "offline":
            life = self.life(user, device)
            cut_off = life[-1]["reason"] in ("timed_out", "disconnected")
            if not cut_off or _shown_after(life[:-1])[0] != "foreground":
                return
        later = self.now + self.policy["offline_after"]
        self._happened(
            {
                "what": "renewal",
                "at": self.now,
                "user": user,
                "device": device,
                "event": event,
                "deadline": None if state == "background" else later,
                "connection": event.connection,
                "forgotten": later,
            },
            None,
        )

    def _disconnect(self, event: Disconnect) -> None:
        user = event.user
        for device in self.devices(user):
            others = dict(self.connections(user, device))
            if others.pop(event.connection, None) is None:
                continue
            grace = None
            if not others and not event.by_server:
                after_http = self.http_deadline(user, device) or 0
                kept = 0
                for fact in self.facts:
                    if fact["what"] == "outage":
                        kept = max(kept, fact["until"])
                    elif fact["what"] == "step":
                        kept -= fact["back"]
                grace = max(self.now + self.policy["disconnect_grace"], after_http, kept)
                if self.deadline(user, device) <= grace:
                    grace = None
            self.facts.append(
                {
                    "what": "hangup",
                    "at": self.now,
                    "user": user,
                    "device": device,
                    "connection": event.connection,
                    "silent": event.silent_ms,
                    "grace": grace,
                }
            )
            return

    def _fenced(self, event: Heartbeat | Renew, device: str) -> bool:
        return any(
            self.now < logout["fence_until"]
            and event.token in logout["tokens"]
            and device not in logout["spared"]
            for logout in self._logouts(event.user)
        )

    def _device_of(self, event: Heartbeat | Renew) -> str:
        named = event.device_id or event.claimed_device or event.device_info
        for device in self.devices(event.user):
            if event.connection in dict(self.connections(event.user, device)):
                gave_way = [g["mark"] for g in self.gave_way(event.user, device)]
                of_name = named and device in self._alike(event.user, named)
                another = of_name and isinstance(event, Heartbeat) and _mark(event) in gave_way
                moves = named and isinstance(event, Connect) and not of_name
                if not another and not moves:
                    return device
        if named:
            return self._device_of_name(event, named)
        return self._device_of_nameless(event)

    def _device_of_name(self, event: Heartbeat | Renew, named: str) -> str:
        user, mark = event.user, _mark(event)
        has, alike = self.devices(user), self._alike(user, named)
        alike.sort()
        alike.sort(key=lambda device: self.last_active(user, device), reverse=True)
        online = [d for d in alike if self.shown(user, d) != NOTHING]
        returned = any(g["mark"] == mark for d in alike for g in self.gave_way(user, d))
        names = [named, *(f"{named} ({number})" for number in range(2, 99))]
        free = [name for name in names if name not in has]
        if mark is None:
            ours = [d for d in alike if self.token(user, d) == event.token]
            return [*ours, *alike, named][0]
        choices = [
            [d for d in alike if self.mark(user, d, event) == mark],
            free if returned else [],
            [d for d in alike if self.signed_out(user, d)],
            online if len(online) == 1 else [],
            alike if not online else [],
            free,
        ]
        return next(choice[0] for choice in choices if choice)

    def _alike(self, user: str, named: str) -> list[str]:
        """The devices whose phones call themselves so."""
        mine = self.devices(user)
        return [d for d in mine if named in (d, self._twin_of(user, d))]

    def _device_of_nameless(self, event: Heartbeat | Renew) -> str:
        user = event.user
        has = self.devices(user)
        fits = [d for d in has if self.token(user, d) == event.token]
        if not fits:
            mine = [entry for entry in self._logouts(user) if entry["token"] == event.token]
            gone = {device for entry in mine for device in entry["devices"]}
            fits = [d for d in has if d in gone and self.signed_out(user, d)]
        fits.sort()  # of those seen in the same record the smaller name
        fits.sort(key=lambda device: self.last_active(user, device), reverse=True)
        return fits[0] if fits else "default"

    def _wants_evidence(self, event: Heartbeat, named: str | None, device: str) -> bool:
        """Has its token been logged out, and the device with it, or a device unknown to us?"""
        user = event.user
        if all(entry["token"] != event.token for entry in self._logouts(user)):
            return False
        if _named_by_text(event):
            own = device in self.devices(user) and self.token(user, device) == event.token
            return not own or self.signed_out(user, device)
        unknown = named is None and device not in self.devices(user)
        return unknown or self.signed_out(user, device)

    def _evict(self, user: str) -> None:
        def value(device: str) -> tuple[bool, int]:
            online = self.shown(user, device) != NOTHING
            return online, self.last_active(user, device)

        self._gone(user, min(sorted(self.devices(user)), key=value), "evicted", self.now)

    def _logout(self, event: Logout) -> None:
        user = event.user
        has = self.devices(user)
        ends = event.token_expires_ms
        expired = ends is not None and not self.now < ends
        connected = [d for d in has if event.connection in dict(self.connections(user, d))]
        bearing = [d for d in has if self.token(user, d) == event.token]
        given_up = [d for d in has if event.token in [g["mark"] for g in self.gave_way(user, d)]]
        claimed = self._alike(user, event.claimed_device) if event.claimed_device else []
        told = self._alike(user, event.device_id) if event.device_id else []

        def among(alike: list[str]) -> list[str]:
            narrowed = [[d for d in alike if d in few] for few in (connected, bearing)]
            return next((few for few in narrowed if few and len(alike) > 1), alike)

        out = (
            among([d for d in told if not expired or d in (*claimed, *bearing, *given_up)])
            or connected
            or among(claimed)
            or bearing
            or given_up
            or ([] if expired else has)
        )
        fences = [
            entry
            for entry in self._logouts(user)
            if self.now < entry["fence_until"] and event.token in entry["tokens"]
        ]
        out = sorted(d for d in out if all(d in entry["spared"] for entry in fences))
        if fences and not out:
            return
        tokens = {event.token} | {self.token(user, device) for device in out}
        for device in out:
            self._gone(user, device, "logged_out", self.now)
        current = self._logouts(user)
        for entry in self.facts:
            if entry["what"] == "logout" and entry["user"] == user and entry not in current:
                entry["forgotten"] = True  # over now: no step back brings it back
        for entry in current:
            if entry["token"] == event.token and self.now >= entry["fence_until"]:
                entry["forgotten"] = True  # the new one stands for it
        self.facts.append(
            {
                "what": "logout",
                "at": self.now,
                "user": user,
                "device": None,
                "token": event.token,
                "tokens": tokens,
                "fence_until": self.now + self.policy["logout_fence"],
                "expires": event.token_expires_ms,
                "devices": out,
                "spared": [d for d in has if self.shown(user, d) != NOTHING],
                "forgotten": False,
            }
        )
        for logout in self._logouts(user)[:-16]:
            logout["forgotten"] = True

    def _logouts(self, user: str) -> list[Fact]:
        return [
            fact
            for fact in self.facts
            if fact["what"] == "logout"
            and fact["user"] == user
            and not fact["forgotten"]
            and (self.now < fact["fence_until"] or _before(self.now, fact["expires"]))
        ]

    def _gone(self, user: str, device: str, reason: str, at: int) -> None:
        self._happened(
            {"what": "gone", "at": at, "user": user, "device": device, "reason": reason}, reason
        )

    def _happened(self, fact: Fact, reason: str | None) -> None:
        user, device = fact["user"], fact["device"]
        before, user_before = self.shown(user, device), self.shown_by_user(user)
        known = device in self.devices(user)
        about = {
            field: self.told(user, device, field) if known else None
            for field in ("app_version", "platform")
        }
        found = None
        if known and before != NOTHING:
            found = {"shown": before, "changed": self.last_change(user, device)[0]}
        open_ones = [name for name, _ in self.connections(user, device)] if known else []
        self.facts.append({**fact, "found": found, "place": self.place})
        after = self.shown(user, device)
        if before == after:
            return
        if device in self.devices(user):
            about = {field: self.told(user, device, field) for field in about}
        state, screen = self.shown_by_user(user)
        self.changes.append(
            {
                "place": self.place,
                "fact": len(self.facts) - 1,
                "at": fact["at"],
                "user": user,
                "device": device,
                "reason": reason or _reason(before, after),
                "before": before,
                "after": after,
                "user_before": user_before,
                "user_after": (state, screen),
                "connections": open_ones if reason == "logged_out" else [],
                **about,
            }
        )
        offset, index, ordinal = self.place
        self.place = (offset, index, ordinal + 1)

    # -- what is asked of a device

    def life(self, user: str, device: str) -> list[Fact]:
        """What has happened to the device since it was last forgotten."""
        facts = [f for f in self.facts if f["user"] == user and f["device"] == device]
        for number in range(len(facts), 0, -1):
            if facts[number - 1].get("reason") in FORGOTTEN_BY:
                return facts[number:]
        return facts

    def shown(self, user: str, device: str) -> Shown:
        return _shown_after(self.life(user, device))

    def last_change(self, user: str, device: str) -> tuple[int, str]:
        """When the device last changed its state or screen, and the reason."""
        life = self.life(user, device)
        for number in range(len(life), 0, -1):
            before, after = _shown_after(life[: number - 1]), _shown_after(life[:number])
            if before != after:
                fact = life[number - 1]
                reason = fact.get("reason") or _reason(before, after)
                at = fact["at"]
                if fact.get("parted") and fact["parted"]["shown"] == after:
                    at = fact["parted"]["changed"]
                return self._ordered("changed", user, device, fact, at), reason
        raise LookupError(device)

    def token(self, user: str, device: str) -> str:
        """The last one seen with the device."""
        return str([f["event"].token for f in self.life(user, device) if "event" in f][-1])

    def mark(self, user: str, device: str, event: Heartbeat | Renew) -> str | None:
        """What tells the device from others of the name that ``event`` gives its own."""
        by_text = _named_by_text(event)
        return self.token(user, device) if by_text else self.told(user, device, "device_info")

    def gave_way(self, user: str, device: str) -> list[Fact]:
        """The marks that another one followed on the device in this session, and that were not
        heard of since, with what was shown then; the last four."""
        gave_way: list[Fact] = []
        token: str | None = None
        info: str | None = None
        online = False
        for fact in self.facts:
            mine = (fact["user"], fact["device"]) == (user, device)
            if mine and fact["what"] == "gone":
                gave_way, online = [], False
                if fact["reason"] in FORGOTTEN_BY:
                    token = info = None
            elif mine and "event" in fact:
                event = fact["event"]
                said = event.device_info if fact["what"] == "beat" else None
                gave_way = [g for g in gave_way if g["mark"] not in (event.token, said)]
                new, old = (event.token, token) if _named_by_text(event) else (said, info)
                if event.device_id is event.claimed_device is event.device_info is None:
                    new = None
                if online and new is not None and old is not None and new != old:
                    gave_way = [*gave_way, {"mark": old, **fact["found"]}][-4:]
                token, info, online = event.token, said or info, True
            elif fact["what"] == "step":
                gave_way = [{**g, "changed": min(g["changed"], fact["latest"])} for g in gave_way]
            elif fact["user"] == user and fact.get("parted") and device in fact["parted_from"]:
                gave_way = [g for g in gave_way if g["mark"] != fact["parted"]["mark"]]
        return gave_way

    def last_active(self, user: str, device: str) -> int:
        last = [f for f in self.life(user, device) if "event" in f][-1]
        return self._ordered("active", user, device, last, last["at"])

    def signed_out(self, user: str, device: str) -> bool:
        life = self.life(user, device)
        return bool(life) and life[-1].get("reason") == "logged_out"

    def told(self, user: str, device: str, field: str) -> str | None:
        """The last that the device said of itself."""
        said = [getattr(f["event"], field) for f in self.life(user, device) if f["what"] == "beat"]
        return next((str(text) for text in reversed(said) if text is not None), None)

    def life_and_outages(self, user: str, device: str) -> list[Fact]:
        return [
            fact
            for fact in self.facts
            if fact["what"] in ("outage", "step")
            or (fact["user"], fact["device"]) == (user, device)
        ]

    def deadline(self, user: str, device: str) -> int:
        lost = self.lost(user, device)
        return int(lost["deadline"]) if lost else self.silence_deadline(user, device)

    def silence_deadline(self, user: str, device: str) -> int:
        deadline = 0
        for fact in self.life_and_outages(user, device):
            if fact["what"] == "outage":
                deadline = max(deadline, fact["until"])
            elif fact["what"] == "step":
                deadline -= fact["back"]
            elif "event" in fact and fact["deadline"] is not None:
                deadline = fact["deadline"]
        return deadline

    def lost(self, user: str, device: str) -> Fact | None:
        """The loss of the last socket, if the grace after it runs, and the end of that."""
        lost: Fact | None = None
        for fact in self.life_and_outages(user, device):
            if fact["what"] == "outage":
                if lost:
                    lost["deadline"] = max(lost["deadline"], fact["until"])
            elif fact["what"] == "step":
                if lost:
                    lost["deadline"] -= fact["back"]
                    lost["at"] = min(lost["at"], fact["latest"])
            elif fact["what"] == "hangup" and fact["grace"] is not None:
                lost = {"at": fact["at"], "silent": fact["silent"], "deadline": fact["grace"]}
            else:
                lost = None
        return lost

    def http_deadline(self, user: str, device: str) -> int | None:
        """What the last HTTP heartbeat of the session gives, until it has passed and a socket was
        heard of after that."""
        deadline: int | None = None
        for fact in self.life_and_outages(user, device):
            if fact["what"] == "gone":
                deadline = None
            elif fact["what"] == "outage":
                deadline = deadline and max(deadline, fact["until"])
            elif fact["what"] == "step":
                deadline = deadline and deadline - fact["back"]
            elif "event" in fact and fact["connection"] is None:
                deadline = fact["deadline"]
            elif "event" in fact and deadline is not None and deadline <= fact["at"]:
                deadline = None
        return deadline if deadline is not None and self.now < deadline else None

    def connections(self, user: str, device: str) -> list[tuple[str, int]]:
        """Those open, in the order in which they were last seen, and when each is forgotten."""
        seen: list[tuple[str, int]] = []
        for fact in self.facts:
            if fact["what"] == "step":
                seen = [(n, until - fact["back"]) for n, until in seen]
            name = fact.get("connection")
            if fact["user"] != user:
                continue
            if fact["device"] != device:
                if fact["what"] == "beat":  # another device has taken it over
                    seen = [(n, until) for n, until in seen if n != name]
            elif fact["what"] == "gone":
                seen = []
            elif name is not None:
                seen = [(n, until) for n, until in seen if n != name and fact["at"] < until]
                if "event" in fact:
                    seen = [*seen, (name, fact["forgotten"])][-8:]
        return [(name, until) for name, until in seen if self.now < until]

    # -- what is asked of a user

    def users(self) -> list[str]:
        return sorted({f["user"] for f in self.facts if f["user"] is not None})

    def devices(self, user: str) -> list[str]:
        """Those remembered, in the order in which they were first seen."""
        seen: list[str] = []
        for fact in self.facts:
            if fact["user"] != user:
                continue
            if fact["what"] == "beat" and fact["device"] not in seen:
                seen.append(fact["device"])
            if fact.get("reason") in FORGOTTEN_BY:
                seen.remove(fact["device"])
        return seen

    def visible(self, user: str) -> str | None:
        devices = sorted(self.devices(user))
        if not devices:
            return None
        best = max(RANK.index(self.shown(user, d)[0]) for d in devices)
        best_ones = [d for d in devices if RANK.index(self.shown(user, d)[0]) == best]
        latest = max(self.last_change(user, d)[0] for d in best_ones)
        return next(d for d in best_ones if self.last_change(user, d)[0] == latest)

    def shown_by_user(self, user: str) -> Shown:
        device = self.visible(user)
        return self.shown(user, device) if device is not None else NOTHING

    def rows(self) -> dict[str, Fact]:
        """Everything that is stored of each user; times and deadlines in milliseconds."""
        return {user: self._row(user) for user in self.users()}

    def _row(self, user: str) -> Fact:
        state, screen = self.shown_by_user(user)
        devices = self.devices(user)
        mine = [c for c in self.changes if c["user"] == user]
        turns = [c for c in mine if c["user_before"] != c["user_after"]]
        arrivals = [self.seen(c["at"], c["fact"]) for c in turns if c["user_before"] == NOTHING]
        facts = [f for f in self.facts if f["user"] == user]
        names = [f["event"].name for f in facts if f["what"] == "beat"]
        return {
            "name": next((name for name in reversed(names) if name is not None), None),
            "state": state,
            "screen": screen,
            # A logout may be all that was ever heard of a user.
            "reason": turns[-1]["reason"] if turns else "logged_out",
            "changed_ms": self.seen(turns[-1]["at"], turns[-1]["fact"])
            if turns
            else self.seen(facts[0]["at"], self.facts.index(facts[0])),
            "online_since_ms": arrivals[-1] if state != "offline" else None,
            "last_active_ms": max((self.last_active(user, d) for d in devices), default=None),
            "device_count": sum(self.shown(user, d) != NOTHING for d in devices),
            "device": self.visible(user),
            "devices": [self._device_row(user, device) for device in devices],
            "canary": self.is_canary(user),
        }

    def _device_row(self, user: str, device: str) -> Fact:
        state, screen = self.shown(user, device)
        changed, reason = self.last_change(user, device)
        arrivals = [
            self.seen(c["at"], c["fact"])
            for c in self.changes
            if (c["user"], c["device"]) == (user, device) and c["before"] == NOTHING
        ]
        online = state != "offline"
        return {
            "device": device,
            "state": state,
            "screen": screen,
            "reason": reason,
            "changed_ms": changed,
            "last_active_ms": self.last_active(user, device),
            "online_since_ms": arrivals[-1] if online else None,
            "expires_ms": self.deadline(user, device) if online else None,
            "app_version": self.told(user, device, "app_version"),
            "device_info": self.told(user, device, "device_info"),
            "platform": self.told(user, device, "platform"),
            "token": self.token(user, device),
            "twin_of": self._twin_of(user, device),
            "timer": self._timer_row(user, device),
            "replaced": [
                [g["mark"], *g["shown"], g["changed"]] for g in self.gave_way(user, device)
            ],
            "signed_out": self.signed_out(user, device),
            "ended_in_foreground": not online and self._ended_in_foreground(user, device),
            "connections": self.connections(user, device),
            "http_deadline": self.http_deadline(user, device),
            "lost": self.lost(user, device),
            "silence_deadline": self.silence_deadline(user, device) if online else None,
        }

    def _twin_of(self, user: str, device: str) -> str | None:
        first = self.life(user, device)[0]["event"]
        named = first.device_id or first.claimed_device or first.device_info
        return named if named and named != device else None

    def _is_a_timer_left_on(self, event: Heartbeat, device: str) -> bool:
        user, period = event.user, self.policy["background_timer"]
        if not period or device not in self.devices(user) or not _says_nothing(event):
            return False
        paused, _, beat = self._grid(user, device)
        same = self.token(user, device) == event.token
        later = self.now - beat >= period - 2_000
        return paused and same and later and _off_grid(self.now, beat, period) <= 2_000

    def _grid(self, user: str, device: str) -> tuple[bool, bool, int]:
        """Was it paused by an app that leaves its timer on, is that one's grid another than the
        session's, and when did it beat?"""
        paused, moved, start, beat, state = False, False, 0, 0, "offline"
        for fact in self.facts:
            at = fact.get("at", 0)
            if fact["what"] == "step":
                start, beat = min(start, fact["latest"]), min(beat, fact["latest"])
            if (fact["user"], fact["device"]) != (user, device):
                continue
            if fact["what"] == "gone":
                paused = paused and state == "background" and fact["reason"] == "timed_out"
                state = "offline"
            elif "event" in fact and state == "offline":
                start = beat = at
            if fact["what"] == "renewal":
                if state == "offline":
                    paused, state = False, "foreground"
            elif fact["what"] == "beat":
                event, period = fact["event"], fact["timer"]
                of_the_kind = not event.app_state and not event.connection
                if not period:
                    beat = start
                elif state == "foreground" and _says_nothing(event):
                    beat = at if _off_grid(at, beat, period) > 2_000 else beat
                state = "background" if _in_background(event) else "foreground"
                paused = state == "background" and of_the_kind and bool(period)
                if state == "background" and not paused:
                    beat = start
                moved = beat != start
        return paused, moved, beat

    def _timer_row(self, user: str, device: str) -> Fact | None:
        paused, moved, beat = self._grid(user, device)
        online = self.shown(user, device) != NOTHING
        timer = self._timer(user, device) if online else None
        if paused or (online and moved):
            timer = {**(timer or {}), "beat_ms": beat}
        return timer

    def _timer(self, user: str, device: str) -> Fact | None:
        """Beats as if by a timer since the device was last in the background."""
        heard = [f for f in self.life(user, device) if "event" in f or f["what"] == "gone"]
        pauses = [
            number
            for number, fact in enumerate(heard)
            if fact["what"] == "beat" and _in_background(fact["event"])
        ]
        if not pauses or any(fact["what"] == "gone" for fact in heard[pauses[-1] :]):
            return None
        since = heard[pauses[-1] :]
        if any(f["event"].app_state or f["connection"] for f in since if f["what"] == "beat"):
            return None
        beats = [number for number, fact in enumerate(since) if fact["what"] == "beat"][1:]
        gaps = [
            since[n]["at"]
            - self._ordered("active", user, device, since[n - 1], since[n - 1]["at"], since[n])
            for n in beats
        ]
        same = all(since[n]["event"].token == since[n - 1]["event"].token for n in beats)
        if not same or any(_names_screen(since[number]["event"]) for number in beats):
            return None
        if gaps[:1] > [200_000] or (
            gaps[1:] and not max(60_000, gaps[0] - 10_000) <= gaps[1] <= 200_000
        ):
            return None
        if any(min(abs(g - gaps[1]), abs(g - 2 * gaps[1])) > 10_000 for g in gaps[2:]):
            return None
        timer = {
            "beats": min(3, len(gaps)),
            "period_ms": gaps[min(1, len(gaps) - 1)] if gaps else 0,
        }
        timer |= {"runs_on": len(gaps) > 2}
        return {name: value for name, value in timer.items() if value}

    def _ended_in_foreground(self, user: str, device: str) -> bool:
        life = self.life(user, device)
        while _shown_after(life) == NOTHING:
            life = life[:-1]
        return _shown_after(life)[0] == "foreground"


FOREGROUND = ["foreground", "resumed", "inactive"]
BACKGROUND = ["background", "hidden", "paused", "detached"]


def _in_background(event: Heartbeat) -> bool:
    return (event.app_state or "").lower() in BACKGROUND or (
        (event.screen or "").strip().lower() == "background"
    )


def _named_by_text(event: Heartbeat | Renew) -> bool:
    return not (event.device_id or event.claimed_device) and bool(event.device_info)


def _mark(event: Heartbeat | Renew) -> str | None:
    return event.token if _named_by_text(event) else event.device_info


def _names_screen(event: Heartbeat) -> bool:
    nothing = (event.screen or "").strip().lower() in ("", "unknown")
    return not nothing and not _in_background(event)


def _says_nothing(event: Heartbeat) -> bool:
    """As the guide's timer and its resume do."""
    quiet = event.app_state is None and event.connection is None
    return quiet and not _names_screen(event) and not _in_background(event)


def _off_grid(at: int, beat: int, period: int) -> int:
    return min((at - beat) % period, (beat - at) % period)


def _is_evidence(event: Heartbeat) -> bool:
    """Does this tell that somebody uses the app, not that its timer was left running?"""
    if isinstance(event, Connect):
        return True
    return _names_screen(event) or (
        (event.app_state or "").lower() in FOREGROUND and not _in_background(event)
    )


def _shown_after(life: Sequence[Fact]) -> Shown:
    """State and screen of a device to which this has happened."""
    session: list[Heartbeat | Renew] = []
    known_before: str | None = None
    for fact in life:
        if fact["what"] == "gone":
            session, known_before = [], None
        elif "event" in fact:
            session.append(fact["event"])
            if fact.get("parted"):
                _, known_before = fact["parted"]["shown"]
            if len(session) == 1 and known_before is None:
                known_before = fact.get("brings")
    if not session:
        return NOTHING
    beats = [event for event in session if isinstance(event, Heartbeat)]
    screens = [event.screen for event in beats if _names_screen(event)]
    # A session that a renewal has begun is one in the foreground.
    state = "background" if beats and _in_background(beats[-1]) else "foreground"
    return state, screens[-1] if screens else known_before


def _reason(before: Shown, after: Shown) -> str:
    if before == NOTHING:
        return "started"
    if before[0] != after[0]:
        return "resumed" if after[0] == "foreground" else "backgrounded"
    return "navigated"


def _before(now: int, end: int | None) -> bool:
    return end is None or now < end
