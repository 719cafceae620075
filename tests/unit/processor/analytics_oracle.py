"""Analytics a second time, as slow and plain as can be, to hold the processor's against.

It shares no code with ``processor`` and no idea either: nothing is carried along while the log is
read. Whatever is asked for is found by going through what
:class:`tests.unit.processor.oracle.Oracle` has noted (facts and changes, in the order of the log)
once more from the beginning:

* a span goes from a change of a device to the next one of it, cut at every sign of life that finds
  it 24 hours old; what it told before is found by asking after each of its facts;
* a visit is a view if none was before it in its session, or the last one was on another screen;
* a session goes from the change that brought the device online to the one that took it offline;
* a screen counts as itself if five users showed it on an earlier day (for three quarters of the
  ``max_screens`` places), or if it was among the first others of its minute, of one user a tenth or
  five of them;
* the users online at an instant are those of the facts up to that instant;
* a user's days are those of their signs of life and ends of visits in the foreground;
* where the broker's clock stepped back, times that were told before are those that the oracle sees
  now, an instant that comes again keeps its first sample, and a minute names its screens anew.

Written from the design, sections 2, 3 and 7, with the decisions that the docstrings of
``spans_and_sessions.py``, ``windows.py`` and ``concurrency.py`` of ``processor/core/analytics``
take where the design is silent. Times are milliseconds; a *piece* is a span that is over.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from tests.unit.processor.oracle import NOTHING, Fact, Oracle

SAMPLE, MINUTE, QUARTER, DAY = 10_000, 60_000, 900_000, 86_400_000
OURS = ("(none)", "(other)", "(start)", "(end)")
#: Between a user and the number of the life that an opt-out or an erasure has ended.
LIFE = "#"


class OracleOfSums(Oracle):
    """The oracle of what is counted, in which whoever opts out or is erased stays (promise 8).

    To presence they have never been. Here their devices go offline at that moment, and what there
    was of them becomes that of somebody else, who is never heard of again; the user is new."""

    def _forget(self, user: str, reason: str) -> None:
        for device in self.devices(user):
            if self.shown(user, device) != NOTHING:
                self._gone(user, device, reason, self.now)
        lives = {known for known in self.users() if _person(known) == user}
        ended = f"{user}{LIFE}{len(lives)}"
        for each in (*self.facts, *self.changes):
            if each["user"] == user:
                each["user"] = ended
            for times in ("changed", "active"):
                if isinstance(each.get(times), dict):
                    each[times] = {
                        (ended if of == user else of, device): at
                        for (of, device), at in each[times].items()
                    }


def _person(user: str) -> str:
    """Who was somebody else before is the same one still where users are told apart by id."""
    return user.partition(LIFE)[0]


class Recount:
    """What one partition's log adds up to. ``oracles`` have read it, each for users of its own;
    ``records`` and ``outages`` are those of the whole partition; ``elsewhere`` tells of each day
    how many users of other partitions showed which screens."""

    def __init__(
        self,
        oracles: Sequence[Oracle],
        records: Iterable[Fact],
        outages: Sequence[Fact],
        elsewhere: Mapping[int, Mapping[str, int]] | None = None,
    ) -> None:
        self.oracles = oracles
        self.elsewhere = elsewhere or {}
        self.records = {record["offset"]: record for record in records}
        self.outages = outages
        _number_expiries(oracles)
        self.pieces = _in_order(piece for oracle in oracles for piece in _pieces(oracle))
        self.sessions = _in_order(one for oracle in oracles for one in self._sessions(oracle))
        self.late_quarters: set[tuple[int, int]] = set()
        self.user_days = sorted(day for oracle in oracles for day in self._user_days(oracle))
        self.minutes: dict[tuple[int, str], Fact] = {}
        self.transitions: Counter[tuple[int, str, str]] = Counter()
        self.names: list[tuple[int, str]] = []
        self._steps = [f for oracle in oracles[:1] for f in oracle.facts if f["what"] == "step"]
        #: By minute and name who brought it; by day who showed which name, in order.
        self._brought_by: dict[tuple[int, str], str] = {}
        self._shown: list[tuple[int, str, str]] = []
        self._known_on: dict[int, list[str]] = {}
        self._count_windows()
        self.samples: dict[int, tuple[int, int]] = {}
        self.screen_samples: dict[tuple[int, str], int] = {}
        self._seen: dict[tuple[int, int, int], list[tuple[str, str | None]]] = {}
        self._take_samples()

    # -- sessions

    def _sessions(self, oracle: Oracle) -> Iterator[Fact]:
        for end in oracle.changes:
            if end["after"] != NOTHING:
                continue
            start = _session_start(oracle, end)
            pieces = [
                piece
                for piece in self.pieces
                if _same_device(piece, end) and start["place"] < piece["place"] <= end["place"]
            ]
            visits = [piece for piece in pieces if piece["state"] == "foreground"]
            views = [visit for visit in visits if visit["is_view"]]
            yield {
                "place": end["place"],
                "user": end["user"],
                "device": end["device"],
                "started": _seen(oracle, start, end["fact"]),
                "shown_until": pieces[-1]["shown_until"],
                "ended": pieces[-1]["ended"],
                "ended_by": end["reason"],
                "views": len(views),
                "visits": len(visits),
                "foreground": sum(visit["ended"] - visit["started"] for visit in visits),
                "entry_screen": views[0]["screen"] if views else None,
                "exit_screen": views[-1]["screen"] if views else None,
                **_told(oracle, end, end["fact"]),
            }

    # -- windows

    def _count_windows(self) -> None:
        """In the order of the log; of one change first what it ended, then what it began."""
        counted = [(visit["place"], 0, visit) for visit in self.pieces]
        counted += [(session["place"], 1, session) for session in self.sessions]
        counted += [(view["place"], 2, view) for oracle in self.oracles for view in _views(oracle)]
        for place, step, counting in sorted(counted, key=lambda each: each[:2]):
            if step == 0 and counting["state"] == "foreground":
                self._count_visit(place[0], counting)
            elif step == 1:
                self._count_session(place[0], counting)
            elif step == 2:
                self._count_view(place[0], counting)
        self._forget_names(math.inf)

    def _count_visit(self, offset: int, visit: Fact) -> None:
        dwell = visit["ended"] - visit["started"]
        minute = self._minute(
            offset, visit["ended"], self._name(offset, visit["screen"], visit["user"])
        )
        minute["visits"] += 1
        minute["dwell"] += dwell
        minute["histogram"][bucket(dwell)] += 1
        if visit["ended_by"] in ("timed_out", "disconnected"):
            minute["silent_dwell"] += dwell

    def _count_session(self, offset: int, session: Fact) -> None:
        self._note_late(offset, session["ended"])
        if session["views"]:
            screen = self._name(offset, session["exit_screen"], session["user"])
            minute = self._minute(offset, session["ended"], screen)
            minute["exits"] += 1
            minute["bounces"] += session["views"] == 1
            self.transitions[_floor(session["ended"], QUARTER), screen, "(end)"] += 1

    def _count_view(self, offset: int, view: Fact) -> None:
        screen = self._name(offset, view["screen"], view["user"])
        self._minute(offset, view["at"], screen)["views"] += 1
        come_from = "(start)"
        if not view["first"]:
            come_from = self._name(offset, view["from"], view["user"])
        self.transitions[_floor(view["at"], QUARTER), come_from, screen] += 1

    def _minute(self, offset: int, at: int, screen: str) -> Fact:
        self._note_late(offset, at)
        nothing = dict.fromkeys(("views", "visits", "dwell", "silent_dwell", "exits", "bounces"), 0)
        return self.minutes.setdefault(
            (_floor(at, MINUTE), screen), {**nothing, "histogram": [0] * 77}
        )

    def _note_late(self, offset: int, at: int) -> None:
        quarter, record = _floor(at, QUARTER), self.records[offset]
        if max(record["at"], record["highest"]) >= quarter + 2 * QUARTER:
            self.late_quarters.add((quarter, offset))

    def _note_again(self, offset: int, at: int) -> None:
        """Log time has been later already: rollups may have passed this."""
        if self.records[offset]["at"] < self.records[offset]["highest"]:
            self._note_late(offset, at)

    def _forget_names(self, through: float) -> None:
        """Those of minutes that log time passes again, by the steps up to that record."""
        for step in [step for step in self._steps if step["place"][0] <= through]:
            self._steps.remove(step)
            again = _floor(step["latest"] + 1, MINUTE)
            self.names = [named for named in self.names if named[0] < again]

    def _name(self, offset: int, screen: str | None, life: str) -> str:
        if screen is None:
            return "(none)"
        if screen in OURS:
            return "(other)"
        self._forget_names(offset)
        user, record = _person(life), self.records[offset]
        minute, day, most = (
            _floor(record["at"], MINUTE),
            _day(record),
            record["policy"]["max_screens"],
        )
        if day not in self._known_on:  # all days before are over: names are counted in log order
            self._known_on[day] = self._known(day)
        known = self._known_on[day]
        named = [name for then, name in self.names if then == minute]
        if screen not in known and screen not in named:
            of_the_user = [name for name in named if self._brought_by[minute, name] == user]
            if len(named) + len(known) >= most or len(of_the_user) >= max(5, most // 10):
                return "(other)"
            self._brought_by[minute, screen] = user
            self.names.append((minute, screen))
        today: dict[str, set[str]] = {}
        for then, name, by in self._shown:
            if then == day:
                today.setdefault(name, set()).add(by)
        if screen not in {*today, *known} and len(today) >= 4 * most:
            single = [name for name, by in today.items() if len(by) == 1 and name not in known]
            if not single:
                return screen
            self._shown = [each for each in self._shown if each[:2] != (day, single[0])]
        self._shown.append((day, screen, user))
        return screen

    def _known(self, day: int) -> list[str]:
        """The names that keep their places on ``day``, from all days before."""
        known: list[str] = []
        days = sorted({_day(record) for record in self.records.values()})
        for before, then in pairwise(days):
            if then > day:
                break
            shown = [(name, user) for when, name, user in self._shown if when == before]
            others = self.elsewhere.get(before // DAY, {})
            names = list(dict.fromkeys([*(name for name, _ in shown), *others]))
            five = [
                n
                for n in names
                if len({user for name, user in shown if name == n}) + others.get(n, 0) >= 5
            ]
            again = [name for name in known if name in five]
            gone = [name for name in known if name not in five]
            first = min(r["offset"] for r in self.records.values() if _day(r) == then)
            most = self.records[first]["policy"]["max_screens"]
            new = [name for name in five if name not in known]
            known = [*again, *new, *gone][: most - most // 4]
        return known

    # -- samples

    def _take_samples(self) -> None:
        for before, record in pairwise(self.records.values()):
            # Log time goes on to that of the record; nothing is known within an outage.
            around = [o for o in self.outages if _lasts_at(o, record["offset"])]
            for at in range(-(-before["at"] // SAMPLE) * SAMPLE, record["at"], SAMPLE):
                if any(outage["from"] < at for outage in around):
                    continue
                self._note_again(record["offset"], at)
                if at in self.samples:
                    continue
                states, screens = self._shown_at(at, record["offset"])
                self.samples[at] = (states["foreground"], states["background"])
                if at % MINUTE == 0:
                    most = record["policy"]["max_screens"]
                    for screen, users in _capped(screens, most).items():
                        self.screen_samples[at, screen] = users

    def _shown_at(self, at: int, offset: int) -> tuple[Counter[str], Counter[str | None]]:
        """Users by state, and those in the foreground by screen, before that record."""
        states: Counter[str] = Counter()
        screens: Counter[str | None] = Counter()
        for oracle in self.oracles:
            for state, screen in self._shown_by_users(oracle, at, offset):
                states[state] += 1
                if state == "foreground":
                    screens[screen] += 1
        return states, screens

    def _shown_by_users(self, oracle: Oracle, at: int, offset: int) -> list[tuple[str, str | None]]:
        past = Oracle(oracle.policy)
        past.facts = [
            fact
            for fact in oracle.facts
            if "place" in fact
            and (
                fact["place"][0] < offset
                or (fact["place"][:2] == (offset, -1) and fact.get("at", at) <= at)
            )
        ]
        # Between two facts all instants are alike.
        key = (id(oracle), offset, len(past.facts))
        if key not in self._seen:
            self._seen[key] = [past.shown_by_user(user) for user in past.users()]
        return self._seen[key]

    # -- days

    def _user_days(self, oracle: Oracle) -> Iterator[tuple[Any, ...]]:
        """Day, user, whether it is their first, and what they used then."""
        instants: list[tuple[Any, ...]] = []
        users = oracle.users()
        for number, fact in enumerate(oracle.facts):
            if "event" in fact and _state_after(oracle, fact, number) == "foreground":
                told = _told(oracle, fact, number + 1)
                instants.append((fact["place"][:2], 0, number, fact["at"], fact["user"], told))
        for number, piece in enumerate(self.pieces):
            if piece["state"] == "foreground" and piece["user"] in users:
                told = {name: piece[name] for name in TOLD}
                at, user = piece["ended"], piece["user"]
                instants.append((piece["place"][:2], 1, number, at, user, told))
        latest: dict[str, date] = {}
        for place, _, _, at, user, told in sorted(instants, key=lambda each: each[:3]):
            zone = ZoneInfo(self.records[place[0]]["policy"]["time_zone"])
            day = datetime.fromtimestamp(at / 1000, UTC).astimezone(zone).date()
            if user not in latest or day > latest[user]:
                self._note_again(place[0], self.records[place[0]]["at"])
                yield (day, user, user not in latest, *told.values())
                latest[user] = day


TOLD = ("app_version", "device_info", "platform")


def _number_expiries(oracles: Sequence[Oracle]) -> None:
    """What happened because time passed is in order of deadline, user and device in its record."""
    expiries = [c for oracle in oracles for c in oracle.changes if c["place"][1] == -1]
    for offset in {change["place"][0] for change in expiries}:
        mine = [change for change in expiries if change["place"][0] == offset]
        mine.sort(key=lambda change: (change["at"], change["user"], change["device"]))
        for ordinal, change in enumerate(mine):
            change["place"] = (offset, -1, ordinal)


def _pieces(oracle: Oracle) -> Iterator[Fact]:
    """The spans that are over."""
    for begin in oracle.changes:
        if begin["after"] == NOTHING:
            continue
        later = [c for c in oracle.changes if _same_device(c, begin) and c["fact"] > begin["fact"]]
        end_of_it = later[0]["fact"] if later else len(oracle.facts)
        start, after = begin["at"], begin["fact"] + 1
        for number in range(begin["fact"] + 1, end_of_it):
            fact = oracle.facts[number]
            if not (_same_device(fact, begin) and "event" in fact):
                continue
            if fact["at"] - min([start, *_latest(oracle, after, number)]) >= DAY:
                cut = {"at": fact["at"], "reason": "continued", "place": fact["place"]}
                yield _piece(oracle, begin, (start, after), {**cut, "fact": number})
                start, after = fact["at"], number + 1
        if later:
            yield _piece(oracle, begin, (start, after), later[0])


def _piece(oracle: Oracle, begin: Fact, since: tuple[int, int], end: Fact) -> Fact:
    """``since``: when it began, and the number of the first fact after that."""
    start, after = since
    before = oracle.facts[: end["fact"]]
    mine = [fact for fact in before if _same_device(fact, begin)]
    signs = [
        _ordered(oracle, "active", begin, number, end["fact"])
        for number, fact in enumerate(before)
        if _same_device(fact, begin) and "event" in fact
    ][-1:]
    start = min([start, *_latest(oracle, after, end["fact"])])
    ended = end["at"]
    if end["reason"] == "timed_out":
        ended = max(signs)
    elif end["reason"] == "disconnected" and not end.get("moved"):
        lost = [f for f in mine if f["what"] == "hangup" and f["grace"] is not None][-1]
        number = next(n for n, fact in enumerate(before) if fact is lost)
        lost_at = min([lost["at"], *_latest(oracle, number + 1, end["fact"])])
        ended = max(*signs, lost_at - lost["silent"])
    is_view = any(
        _view(oracle, change) is not None
        for change in oracle.changes
        if change["fact"] == begin["fact"]
    )
    arrivals = [
        _seen(oracle, change, end["fact"])
        for change in oracle.changes
        if change["user"] == begin["user"]
        and change["fact"] <= begin["fact"]
        and change["user_before"] == NOTHING
        and change["user_after"] != NOTHING
    ]
    return {
        "place": end["place"],
        "user": begin["user"],
        "device": begin["device"],
        "state": begin["after"][0],
        "screen": begin["after"][1],
        "started": start,
        "changed": _ordered(oracle, "changed", begin, begin["fact"], end["fact"]),
        "shown_until": end["at"],
        "ended": max(start, ended),
        "ended_by": end["reason"],
        "is_view": is_view and after == begin["fact"] + 1,
        "session_start": _seen(oracle, _session_start(oracle, begin), end["fact"]),
        "online_since": arrivals[-1],
        "name": _named(oracle, begin["user"], end["fact"]),
        **_told(oracle, begin, end["fact"]),
        "told_before": _told_before(oracle, begin, range(after, end["fact"])),
    }


def _told_before(oracle: Oracle, begin: Fact, numbers: range) -> list[list[Any]]:
    """What the device and its user told until a fact of those numbers told something else."""
    found: list[list[Any]] = []
    for number in numbers:
        fact = oracle.facts[number]
        if fact["user"] == begin["user"]:
            told, then = _all_told(oracle, begin, number), _all_told(oracle, begin, number + 1)
            if told != then and not (found and found[-1][0] == fact["at"]):
                found.append([fact["at"], *told])
        elif fact["what"] == "step":
            found = [[min(until, fact["latest"]), *told] for until, *told in found]
    return found[-16:]


def _latest(oracle: Oracle, begin: int, end: int) -> list[int]:
    """What the steps back among the facts of those numbers leave of times before them."""
    return [fact["latest"] for fact in oracle.facts[begin:end] if fact["what"] == "step"]


def _seen(oracle: Oracle, change: Fact, end: int) -> int:
    """The time of ``change`` as it is told before the fact of that number."""
    return min([int(change["at"]), *_latest(oracle, change["fact"] + 1, end)])


def _ordered(oracle: Oracle, what: str, of: Fact, number: int, end: int) -> int:
    """The time of the fact of that number, in the order of those of the user's other devices, as
    it is told before the fact ``end``."""
    steps = [fact[what] for fact in oracle.facts[number + 1 : end] if fact["what"] == "step"]
    fact = oracle.facts[number]
    at, parted = fact["at"], fact.get("parted")
    if what == "changed" and parted and parted["shown"] == of["after"]:
        at = parted["changed"]  # as it was shown when its token gave way
    return int(steps[-1].get((of["user"], of["device"]), at)) if steps else int(at)


def _lasts_at(outage: Fact, offset: int) -> bool:
    """Is the time up to that record within the outage?"""
    until = outage["until_record"]
    return bool(outage["of_record"] <= offset and (until is None or offset <= until))


def _all_told(oracle: Oracle, begin: Fact, number: int) -> list[str | None]:
    return [_named(oracle, begin["user"], number), *_told(oracle, begin, number).values()]


def _named(oracle: Oracle, user: str, number: int) -> str | None:
    """The name of the user before the fact of that number."""
    facts = oracle.facts[:number]
    names = [fact["event"].name for fact in facts if (fact["what"], fact["user"]) == ("beat", user)]
    return next((name for name in reversed(names) if name is not None), None)


def _views(oracle: Oracle) -> list[Fact]:
    """The visits that are views, those that are not over too."""
    return [view for begin in oracle.changes if (view := _view(oracle, begin)) is not None]


def _view(oracle: Oracle, begin: Fact) -> Fact | None:
    """The view that begins with that change; None if there is none."""
    state, screen = begin["after"]
    if state != "foreground":
        return None
    start = _session_start(oracle, begin)
    visits_before = [
        change["after"][1]
        for change in oracle.changes
        if _same_device(change, begin)
        and start["fact"] <= change["fact"] < begin["fact"]
        and change["after"][0] == "foreground"
    ]
    first = not visits_before
    if not first and visits_before[-1] == screen:
        return None
    come_from = None if first else visits_before[-1]
    return {**begin, "screen": screen, "first": first, "from": come_from}


def _session_start(oracle: Oracle, change: Fact) -> Fact:
    """The change that brought the device online for the session that ``change`` is in."""
    return [
        one
        for one in oracle.changes
        if _same_device(one, change) and one["fact"] <= change["fact"] and one["before"] == NOTHING
    ][-1]


def _told(oracle: Oracle, of: Fact, number: int) -> Fact:
    """What the device has said of itself before the fact of that number."""
    mine = [fact for fact in oracle.facts[:number] if _same_device(fact, of)]
    for place in range(len(mine), 0, -1):
        if mine[place - 1].get("reason") == "evicted":
            mine = mine[place:]
            break
    said = [fact["event"] for fact in mine if fact["what"] == "beat"]
    texts = {name: [getattr(event, name) for event in said] for name in TOLD}
    return {
        name: next((text for text in reversed(told) if text is not None), None)
        for name, told in texts.items()
    }


def _state_after(oracle: Oracle, of: Fact, number: int) -> str:
    """The state of the device after the fact of that number."""
    changes = [c for c in oracle.changes if _same_device(c, of) and c["fact"] <= number]
    return str(changes[-1]["after"][0])


def _day(record: Fact) -> int:
    """The day that has begun by then: none begins again where log time steps back."""
    return _floor(max(record["at"], record["highest"]), DAY)


def _same_device(one: Fact, other: Fact) -> bool:
    return (one["user"], one["device"]) == (other["user"], other["device"])


def _in_order(things: Iterable[Fact]) -> list[Fact]:
    return sorted(things, key=lambda thing: thing["place"])


def _capped(screens: Counter[str | None], most: int) -> Counter[str]:
    """The ``most`` screens with most users as themselves; of those alike the smaller names."""
    names = [screen for screen in screens if screen is not None and screen not in OURS]
    names.sort()
    names.sort(key=lambda name: screens[name], reverse=True)
    totals: Counter[str] = Counter()
    for screen, users in screens.items():
        if screen is None:
            totals["(none)"] += users
        else:
            totals[screen if screen in names[:most] else "(other)"] += users
    return totals


def bucket(dwell: int) -> int:
    """Bucket n begins at 250 ms · 2^((n-1)/4): both sides to the power of four are whole."""
    return sum(dwell**4 >= 250**4 * 2 ** (n - 1) for n in range(1, 77))


def _floor(at: int, length: int) -> int:
    return at // length * length
