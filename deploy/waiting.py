"""Commands that run when everything starts at once: they wait for what they need, and say so."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated, Final, TypeVar

import typer

from deploy.terminal import note

WaitSeconds = Annotated[
    float,
    typer.Option(
        "--wait",
        envvar="ROLLCALL_WAIT_SECONDS",
        min=0.0,
        max=3600.0,
        help="How long to wait for a server that does not answer yet, in seconds.",
    ),
]
#: Between attempts: doubled after each, up to the second.
FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 5.0

T = TypeVar("T")


def wait_for(
    attempt: Callable[[], T],
    not_yet: tuple[type[Exception], ...],
    what: str,
    seconds: float,
) -> T:
    """What ``attempt`` gives, made again while it raises one of ``not_yet``, for so long at most;
    then that is raised. Each time is told in a line."""
    deadline = time.monotonic() + seconds
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            return attempt()
        except not_yet as error:
            left = deadline - time.monotonic()
            if left <= 0:
                raise
            note(f"waiting for {what}, {left:.0f} s more at most: {error}")
            time.sleep(min(pause, left))
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
