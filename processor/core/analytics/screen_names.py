"""Which screen names count as themselves in a minute, so that nobody fills the tables. PURE.

A minute of log time has places for ``max_screens`` names in each partition; a further name counts
as ``(other)``.

1. *Known names* keep their places, whoever shows what else: those that five different users of the
   fleet have shown on an earlier day (of UTC, by log time), while they counted as themselves. How
   many users of the other partitions showed what on a day that ends is an argument
   (:meth:`ScreenNames.showed_elsewhere`): no log of a partition tells it. They take three
   quarters of the places at most, so that screens of a new release have some: first those of
   yesterday that were known before, then those that five users showed yesterday for the first time,
   then the others that were known; within each in the order in which they got there.
2. *New names* get the other places, the first ones in the order of the log; of one user a tenth of
   ``max_screens`` a minute, five at least. So it takes many accounts to fill a minute, and ids in
   names (``/product/8731``) do not push out the screens that people are on.

Of one change the order is: the visit that it ended, the session's exit, then the view that it
began and the screen before. A screen without a name is ``(none)``, so that rows sum to totals; one
that an app has given a name of ours is ``(other)``. Neither takes a place.

At most ``4 × max_screens`` names a day gather the users that make them known. Beyond that a name
takes the place of the one that has gathered a single user for the longest: ids in names gather no
second one, screens do. Known names always gather. A user is remembered there by a checksum, and
until the day is over.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

import msgspec

MINUTE_MS: Final = 60_000
DAY_MS: Final = 86_400_000
NO_SCREEN: Final = "(none)"
OTHER_SCREENS: Final = "(other)"
SESSION_START: Final = "(start)"
SESSION_END: Final = "(end)"
#: What groups of too few users are called together (api/analytics/small_groups.py).
_SUPPRESSED: Final = "(suppressed)"
OUR_NAMES: Final = frozenset({NO_SCREEN, OTHER_SCREENS, SESSION_START, SESSION_END, _SUPPRESSED})

USERS_OF_A_KNOWN_NAME: Final = 5
LEAST_NEW_NAMES_OF_A_USER: Final = 5
NAMES_THAT_GATHER_USERS: Final = 4

#: Minute of log time, a name that counts as itself in it, and the user's checksum.
NewName: TypeAlias = tuple[int, str, int]


class Remembered(msgspec.Struct):
    """What is kept of names from day to day: ``known`` in the order of their rank, and the users
    who showed a name on ``day`` (days since 1970-01-01), five at most, by their checksums. For the
    other partitions, which may end that day later: how many users showed a name on ``day_before``,
    the last day before."""

    day: int | None = None
    known: list[str] = msgspec.field(default_factory=list)
    shown_by: dict[str, list[int]] = msgspec.field(default_factory=dict)
    day_before: int | None = None
    shown_before: dict[str, int] = msgspec.field(default_factory=dict)


def user_mark(user_id: str) -> int:
    """The checksum by which a user is remembered."""
    return zlib.crc32(user_id.encode())


class ScreenNames:
    """The names of the present minute of log time, of which ``names`` were new ones, each with the
    mark of the user who brought it."""

    def __init__(
        self,
        minute_ms: int = 0,
        names: Iterable[tuple[str, int]] = (),
        remembered: Remembered | None = None,
    ) -> None:
        self._minute_ms = minute_ms
        self._names = dict(names)
        self._brought = Counter(self._names.values())
        self._remembered = remembered or Remembered()
        self._known = frozenset(self._remembered.known)
        self._by_one_user = self._of_one_user()
        #: Those that count as themselves in this minute, and gather no more users.
        self._settled: set[str] = set()
        self._elsewhere: tuple[int, Mapping[str, int]] | None = None
        self._changed = False

    def ended_day(self, log_time_ms: int) -> int | None:
        """The day that ends when log time comes to this, if one does."""
        day = self._remembered.day
        return day if day is not None and log_time_ms // DAY_MS > day else None

    def showed_elsewhere(self, day: int, users: Mapping[str, int]) -> None:
        """So many users of other partitions showed these names on ``day``, which is about to end
        here."""
        self._elsewhere = (day, users)

    def begin(self, log_time_ms: int, max_screens: int) -> None:
        """Each minute of log time has names of its own, and each day known ones."""
        day = log_time_ms // DAY_MS
        if self._remembered.day is None or day > self._remembered.day:
            self._begin_day(day, max_screens)
        minute_ms = log_time_ms - log_time_ms % MINUTE_MS
        if minute_ms != self._minute_ms:
            self._begin_minute(minute_ms)

    def step_back(self, log_time_ms: int) -> int:
        """Log time is earlier from here on: the minutes that it passes again have names of their
        own. Gives the first of these minutes."""
        self._begin_minute(log_time_ms - log_time_ms % MINUTE_MS)
        return self._minute_ms

    def changed(self) -> Remembered | None:
        """What is to be stored, if that is not what it was when this was asked last."""
        changed, self._changed = self._changed, False
        return self._remembered if changed else None

    def counted_as(
        self, screen: str | None, user_id: str, max_screens: int, new: list[NewName]
    ) -> str:
        """The name under which a user's ``screen`` counts; a new one is noted in ``new``."""
        if screen is None:
            return NO_SCREEN
        if screen in self._settled:
            return screen
        if screen in OUR_NAMES:
            return OTHER_SCREENS
        mark = user_mark(user_id)
        if screen not in self._known and screen not in self._names:
            of_a_user = max(LEAST_NEW_NAMES_OF_A_USER, max_screens // 10)
            places = max_screens - len(self._known)
            if len(self._names) >= places or self._brought[mark] >= of_a_user:
                return OTHER_SCREENS
            self._names[screen] = mark
            self._brought[mark] += 1
            new.append((self._minute_ms, screen, mark))
        self._note(screen, mark, max_screens)
        return screen

    def _note(self, screen: str, mark: int, max_screens: int) -> None:
        shown_by = self._remembered.shown_by
        users = shown_by.get(screen)
        if users is None:
            if screen not in self._known:
                if len(shown_by) >= NAMES_THAT_GATHER_USERS * max_screens:
                    if not self._by_one_user:
                        return
                    given_up = next(iter(self._by_one_user))
                    del self._by_one_user[given_up], shown_by[given_up]
                self._by_one_user[screen] = None
            users = shown_by[screen] = []
        elif mark not in users:
            self._by_one_user.pop(screen, None)
        if len(users) < USERS_OF_A_KNOWN_NAME and mark not in users:
            users.append(mark)
            self._changed = True
        if len(users) == USERS_OF_A_KNOWN_NAME:
            self._settled.add(screen)

    def _of_one_user(self) -> dict[str, None]:
        """The names that may give up their place among those that gather users, in that order."""
        shown_by = self._remembered.shown_by
        return {
            name: None
            for name, users in shown_by.items()
            if len(users) == 1 and name not in self._known
        }

    def _begin_minute(self, minute_ms: int) -> None:
        self._minute_ms = minute_ms
        self._names = {}
        self._brought = Counter()
        self._settled = set()

    def _begin_day(self, day: int, max_screens: int) -> None:
        before = self._remembered
        shown_before = {name: len(users) for name, users in before.shown_by.items()}
        users = Counter(shown_before)
        if self._elsewhere is not None and self._elsewhere[0] == before.day:
            users.update(self._elsewhere[1])
        self._elsewhere = None
        shown = [name for name, count in users.items() if count >= USERS_OF_A_KNOWN_NAME]
        ranked = [
            *(name for name in before.known if name in shown),
            *(name for name in shown if name not in self._known),
            *(name for name in before.known if name not in shown),
        ]
        known = ranked[: max_screens - max_screens // 4]
        self._remembered = Remembered(day, known, {}, before.day, shown_before)
        self._known = frozenset(self._remembered.known)
        self._by_one_user = {}
        self._settled = set()
        self._changed = True
