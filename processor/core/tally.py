"""How many users of a partition are online, by state and screen. PURE."""

from __future__ import annotations

from collections import Counter

from processor.core.live_screens import LiveScreens
from processor.core.model import User


class Tally:
    """``by_screen`` are users in the foreground by screen, ``None`` where none is known; ``live``
    is as much of it as is stored."""

    def __init__(self, max_screens: int) -> None:
        self.foreground = 0
        self.background = 0
        self.foreground_devices = 0
        self.by_screen: Counter[str | None] = Counter()
        self.live = LiveScreens(self.by_screen, max_screens)

    def moved(self, from_screen: str | None, to_screen: str | None) -> None:
        """Somebody in the foreground goes to another screen."""
        by_screen, live = self.by_screen, self.live
        by_screen[from_screen] -= 1
        if not by_screen[from_screen]:
            del by_screen[from_screen]
        live.moved(from_screen, -1)
        by_screen[to_screen] += 1
        live.moved(to_screen, 1)

    def count(self, user: User, by: int) -> None:
        """``user`` comes (1) or goes (-1)."""
        if user.canary:
            return
        if user.state == "foreground":
            self.foreground += by
            devices = user.devices
            in_foreground = (
                1 if len(devices) == 1 else sum(d.state == "foreground" for d in devices)
            )
            self.foreground_devices += by * in_foreground
            self.by_screen[user.screen] += by
            if not self.by_screen[user.screen]:
                del self.by_screen[user.screen]
            self.live.moved(user.screen, by)
        elif user.state == "background":
            self.background += by
