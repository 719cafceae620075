"""What the simulated phones are doing, what became of what they sent, and the line that says so."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from deploy.simulate.behaviour import State

#: Troubles that one line names: the most frequent ones.
NAMED_TROUBLES: Final = 5
_REFUSED: Final = ("401 ", "frame not_authenticated")


@dataclass(slots=True)
class Tally:
    """``phones`` and ``sockets`` are of now, ``troubles`` and the other numbers since the last
    line."""

    phones: Counter[State] = field(default_factory=Counter)
    sockets: int = 0
    accepted: int = 0
    logouts: int = 0
    #: By the network that is simulated.
    lost: int = 0
    troubles: Counter[str] = field(default_factory=Counter)
    #: Since the beginning: by user, heartbeats and logouts that are said to be in the log.
    heartbeats_of: Counter[str] = field(default_factory=Counter)
    logouts_of: Counter[str] = field(default_factory=Counter)
    _ever_accepted: bool = False

    def accept(self) -> None:
        self.accepted += 1
        self._ever_accepted = True

    @property
    def only_refusals(self) -> bool:
        """Nothing was ever accepted, and tokens are why."""
        refused = sum(n for what, n in self.troubles.items() if what.startswith(_REFUSED))
        return not self._ever_accepted and refused > 0

    def trouble(self, what: str) -> None:
        """``what`` comes from a closed set: statuses, codes, ways to lose a connection."""
        self.troubles[what] += 1

    def line(self, seconds: float) -> str:
        """What is now and what was in the last ``seconds``; begins to count again."""
        text = (
            f"{self.phones[State.FOREGROUND]} phones in the foreground, "
            f"{self.phones[State.BACKGROUND]} in the background, {self.sockets} sockets; "
            f"in {seconds:.0f} s {self.accepted} messages accepted, {self.logouts} logouts"
        )
        if self.lost:
            text += f", {self.lost} lost by the simulated network"
        if self.troubles:
            named = self.troubles.most_common(NAMED_TROUBLES)
            others = self.troubles.total() - sum(n for _, n in named)
            told = [f"{n} × {what}" for what, n in named] + [f"{others} others"] * (others > 0)
            text += f"; not accepted: {', '.join(told)}"
        self.accepted = self.logouts = self.lost = 0
        self.troubles.clear()
        return text
