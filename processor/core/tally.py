"""How many users of a partition are online, by state and screen. PURE."""

from __future__ import annotations

from collections import Counter

from processor.core.model import User


class Tally:
    """``by_screen`` are users in the foreground by screen, ``None`` where none is known."""

    def __init__(self) -> None:
        self.foreground = 0
        self.background = 0
        self.foreground_devices = 0
        self.by_screen: Counter[str | None] = Counter()

    def count(self, user: User, by: int) -> None:
        """``user`` comes (1) or goes (-1)."""
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
        elif user.state == "background":
            self.background += by
