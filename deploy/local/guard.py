"""A small process that stands between the supervisor and one child.

    python guard.py [--stop-signal NAME] [--stop-seconds N] [--uid N --gid N] -- command…

Its standard input is a pipe whose only write end is in the supervisor. However the supervisor
ends, SIGKILL included, the kernel closes that end; the guard reads end-of-file and stops the
child. This is the portable half: no process is left behind on any Unix. On Linux the kernel also
kills the child if the guard itself is killed.

The child runs in a session of its own, so that Ctrl-C in a terminal reaches the supervisor alone,
which then stops things in order. The guard exits with the child's status (128 + signal number
after a signal).

Standard library only, and run by path: it must start in milliseconds.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from typing import NoReturn

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> int:
    """Run the command after `--` until it ends or standard input does; return its exit status."""
    options = _parse(arguments)
    stop_signal = getattr(signal, f"SIG{options.stop_signal}")

    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    stopping = False

    def note_stop(_number: int, _frame: object) -> None:
        nonlocal stopping
        stopping = True

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, note_stop)
    # A handler, or the end of the child would not wake the select below.
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)

    try:
        child = subprocess.Popen(  # noqa: S603 - the supervisor's own command line
            options.command,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            user=options.uid,
            group=options.gid,
            extra_groups=None if options.gid is None else [options.gid],
            preexec_fn=_die_with(os.getpid()),
        )
    except OSError as error:
        sys.stderr.write(f"cannot run {options.command[0]}: {error}\n")
        return 127

    kill_at: float | None = None
    watched = [sys.stdin.fileno(), wake_read]
    while child.poll() is None:
        if stopping and kill_at is None:
            _signal_group(child.pid, stop_signal)
            kill_at = time.monotonic() + options.stop_seconds
        timeout = None if kill_at is None else max(0.0, kill_at - time.monotonic())
        readable, _, _ = select.select(watched, [], [], timeout)
        if wake_read in readable:
            os.read(wake_read, 512)
        if watched[0] in readable and watched[0] != wake_read and not os.read(watched[0], 512):
            stopping = True
            watched = [wake_read]
        if kill_at is not None and time.monotonic() >= kill_at:
            _signal_group(child.pid, signal.SIGKILL)
    # What the child started and did not wait for goes with it.
    _signal_group(child.pid, signal.SIGKILL)
    return child.returncode if child.returncode >= 0 else 128 - child.returncode


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="guard")
    parser.add_argument("--stop-signal", default="TERM")
    parser.add_argument("--stop-seconds", type=float, default=10.0)
    parser.add_argument("--uid", type=int)
    parser.add_argument("--gid", type=int)
    parser.add_argument("command", nargs="+")
    return parser.parse_args(arguments)


class _die_with:  # noqa: N801 - reads as a function where it is used
    """Called in the child between fork and exec (Linux): die when the guard dies."""

    def __init__(self, guard_pid: int) -> None:
        self._guard_pid = guard_pid
        # Loaded here: nothing may be imported or allocated at length between fork and exec.
        self._prctl = ctypes.CDLL(None, use_errno=True).prctl if sys.platform == "linux" else None

    def __call__(self) -> None:
        if self._prctl is None:
            return
        self._prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != self._guard_pid:  # the guard died before the call above
            os._exit(1)


def _signal_group(pid: int, number: signal.Signals) -> None:
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        # Gone, or (macOS) only zombies are left in the group.
        return


def _run() -> NoReturn:
    sys.exit(main(sys.argv[1:]))


if __name__ == "__main__":
    _run()
