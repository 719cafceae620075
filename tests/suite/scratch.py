"""Where servers of the tests keep their files: in memory, where there is enough of it.

Nothing that a test writes must outlive it, and on a disk half of what PostgreSQL and Kafka cost is
the disk: a cloned database took 115 ms there and takes 20 ms in memory, a set of topics half. What
pytest keeps for people (``tmp_path``) stays on the disk.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

import psutil

MEMORY: Final = Path("/dev/shm")
#: Of the file system, and as much again of the machine's: a run takes up to 2 GiB.
LEAST_FREE_BYTES: Final = 4 << 30
PREFIX: Final = "rollcall-tests-"


def make_scratch() -> Path | None:
    """A new folder in memory for temporary files of this process and its children; None where there
    is too little. Removes those of runs that were killed."""
    try:
        for left in MEMORY.glob(f"{PREFIX}*"):
            if not psutil.pid_exists(int(left.name.split("-")[2])):
                shutil.rmtree(left, ignore_errors=True)
        free = min(shutil.disk_usage(MEMORY).free, psutil.virtual_memory().available)
        if free < LEAST_FREE_BYTES:
            return None
        folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=MEMORY))
    except OSError:
        return None
    folder.chmod(0o711)  # PostgreSQL's user reaches its own folder in it
    return folder


def use(folder: Path) -> None:
    """Have this process and its children make temporary files there, but not pytest's."""
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)


def leave(folder: Path) -> None:
    """Remove it; pytest may run once more in this process."""
    os.environ["TMPDIR"] = tempfile.tempdir = os.environ["PYTEST_DEBUG_TEMPROOT"]
    shutil.rmtree(folder, ignore_errors=True)


def in_memory() -> bool:
    """Whether this run's temporary files are: children of the process that chose it know, too."""
    return Path(tempfile.gettempdir()).is_relative_to(MEMORY)
