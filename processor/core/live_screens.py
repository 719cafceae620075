"""Users in the foreground by screen, stored with every batch. PURE.

So the question where people are now is answered without reading who is online.

In each partition at most ``max_screens`` names have a row, with all who are on that screen;
everybody else who is on a named screen is ``(other)``. A name that comes takes a place while there
is one, and leaves it with its last user. So ids in names (``/product/8731``) can keep a screen
waiting, but not for long: each whole minute of log time gives the places to the names with most
users, as in the samples of that minute. All this is a function of the log and of the rows that are
stored, however batches are cut (promise 4).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from processor.core.analytics.screen_names import NO_SCREEN, OTHER_SCREENS, OUR_NAMES


@dataclass(frozen=True, slots=True)
class LiveRows:
    """Rows to write, 0 for one that goes; ``is_anew``: all rows of the partition go first."""

    rows: tuple[tuple[str, int], ...] = ()
    is_anew: bool = False


class LiveScreens:
    """``by_screen`` are users in the foreground by screen, kept by ``Tally``."""

    def __init__(self, by_screen: Counter[str | None], max_screens: int) -> None:
        self._by_screen: Final = by_screen
        self._max_screens = max_screens
        self._named: set[str] = set()
        self._others = 0
        #: Rows that are not stored as they are.
        self._unstored: set[str] = set()
        #: What is stored is not believed: it is written anew.
        self._is_anew = False

    def moved(self, screen: str | None, by: int) -> None:
        """``by`` more users are on ``screen`` than before; they are in ``by_screen`` already."""
        named = self._named
        if screen in named:
            self._unstored.add(screen)
            if screen not in self._by_screen:
                named.discard(screen)
        elif screen is None:
            self._unstored.add(NO_SCREEN)
        elif by > 0 and len(named) < self._max_screens and screen not in OUR_NAMES:
            named.add(screen)
            self._unstored.add(screen)
            before = self._by_screen[screen] - by
            if before:
                self._others -= before
                self._unstored.add(OTHER_SCREENS)
        else:
            self._others += by
            self._unstored.add(OTHER_SCREENS)

    def choose(self, names: Iterable[str]) -> None:
        """These have places from now on, as far as somebody is on them."""
        chosen = {name for name in names if name in self._by_screen and name not in OUR_NAMES}
        if chosen == self._named:
            return
        self._unstored |= chosen ^ self._named
        self._unstored.add(OTHER_SCREENS)
        self._named = chosen
        self._others = sum(
            users
            for screen, users in self._by_screen.items()
            if screen is not None and screen not in chosen
        )

    def restore(self, stored: Mapping[str, int] | None) -> bool:
        """Everybody online is counted: go on from the rows that are ``stored``, ``None`` where a
        release that knows nothing of them went on. Gives whether they are right; if not, the next
        batch writes them anew."""
        most = sorted(self._by_screen.items(), key=lambda item: (-item[1], item[0] or ""))
        names = [screen for screen, _ in most if screen is not None and screen not in OUR_NAMES]
        if stored is not None:
            names = [name for name in names if name in stored]
        # Of a policy that has fewer places now, those with most users keep theirs.
        self.choose(names[: self._max_screens])
        is_right = stored is None or self.rows() == dict(stored) or len(names) > self._max_screens
        self._is_anew = stored is None or self.rows() != dict(stored)
        self._unstored.clear()
        return is_right

    def rows(self) -> dict[str, int]:
        """All of them."""
        users = {name: self._users(name) for name in (*self._named, NO_SCREEN, OTHER_SCREENS)}
        return {name: count for name, count in users.items() if count}

    def take(self) -> LiveRows:
        """What the batch that ends now is to write."""
        unstored, self._unstored = self._unstored, set()
        if self._is_anew:
            self._is_anew = False
            return LiveRows(tuple(sorted(self.rows().items())), is_anew=True)
        return LiveRows(tuple((name, self._users(name)) for name in sorted(unstored)))

    def _users(self, name: str) -> int:
        if name == NO_SCREEN:
            return self._by_screen[None]
        if name == OTHER_SCREENS:
            return self._others
        return self._by_screen[name] if name in self._named else 0
