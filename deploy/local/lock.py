"""File locks that the kernel drops when their holders end."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

POLL_SECONDS = 0.1


@contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on `path` (made if missing); waits for as long as it takes."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class DataDirBusyError(RuntimeError):
    """Another `rollcall up` runs on this data directory."""


class DataDirLock:
    """One `rollcall up` per data directory.

    The guards of all children inherit the descriptor, so that the lock outlives a killed
    supervisor until its last child is gone: the next start never meets a Kafka or a PostgreSQL
    that is still stopping on the same files.
    """

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / "lock"
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)

    @property
    def fd(self) -> int:
        """The descriptor that children's guards inherit."""
        return self._fd

    def acquire(self, wait_seconds: float) -> bool:
        """Take the lock. False if it had to wait for a killed supervisor's children.

        Raises `DataDirBusyError` if the holder's supervisor is alive, or after `wait_seconds`.
        """
        deadline = time.monotonic() + wait_seconds
        waited = False
        while not self._try():
            holder = self._holder()
            if holder is not None and _is_alive(holder):
                raise DataDirBusyError(
                    f"{self._path.parent} is in use by another rollcall up (process {holder}): "
                    "stop that one, or choose another --data-dir and --port"
                )
            if time.monotonic() > deadline:
                raise DataDirBusyError(
                    f"processes of an earlier rollcall up still use {self._path.parent} after "
                    f"{wait_seconds:.0f} s: end them, or choose another --data-dir"
                )
            waited = True
            time.sleep(POLL_SECONDS)
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)
        return not waited

    def close(self) -> None:
        """Let go of the lock (once no child holds it either)."""
        os.close(self._fd)

    def _try(self) -> bool:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _holder(self) -> int | None:
        text = os.pread(self._fd, 32, 0).decode(errors="replace").strip()
        return int(text) if text.isdecimal() else None


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
