"""What an event came to. PURE."""

from __future__ import annotations

import msgspec

from processor.core.model import Changed, User

#: What an event came to, for metrics: a closed set.
APPLIED, FENCED, SIGNED_OUT, IGNORED = "applied", "fenced", "signed_out", "ignored"
#: The user has opted out (``processor/core/privacy.py``).
OPTED_OUT = "opted_out"
#: A timer that runs on in the background (``processor/core/timers.py``).
TIMER = "timer"
VERDICTS = (APPLIED, FENCED, SIGNED_OUT, IGNORED, OPTED_OUT, TIMER)
#: What told two phones of one name apart (``processor/core/twins.py``).
MARKS = (TOKEN, DEVICE_INFO) = "token", "device_info"


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """``user`` is the one given where ``verdict`` is not ``applied``. ``forgotten`` devices made
    room; ``told_apart_by`` is the mark that showed another phone of the device's name."""

    user: User
    changes: tuple[Changed, ...] = ()
    verdict: str = APPLIED
    forgotten: int = 0
    told_apart_by: str | None = None
