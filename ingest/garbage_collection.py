"""Python's garbage collector, told what the objects of ingest are like.

Nearly all of them die with their request or live as long as a socket, and next to none are in
cycles. The collector's defaults expect neither: while sockets are opened it walks through all that
there are again and again, and everybody waits. At 4,000 sockets that was 0.15 s each time, and a
sixth of the CPU of connecting them; at 50,000 it would be seconds.
"""

from __future__ import annotations

import gc
from typing import Final

#: New objects before the young are looked at, then how often before the middle-aged and the old.
THRESHOLDS: Final = (10_000, 20, 50)


def spare_the_living() -> None:
    """Call once all modules are loaded and the process is about to serve."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
