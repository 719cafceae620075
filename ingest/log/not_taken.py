"""How the log says no: nothing of the event was queued, and the door says it in its own words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

#: Kafka is away, or this process ends; as much waits as may; this user signs out too often; it is
#: not known yet who has opted out.
Cause: TypeAlias = Literal["away", "full", "too_often", "opt_outs_unknown"]


@dataclass(slots=True, eq=False)  # exceptions are hashed by what logs them
class NotTakenError(Exception):
    """``wait_seconds`` is of those who come too often."""

    cause: Cause
    wait_seconds: float = 0.0
