"""The wall clocks of processes, each off by as much as it is told while they run (``clock.c``)."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

SOURCE: Final = Path(__file__).with_name("clock.c")


class Clocks:
    """Where a C compiler is; else ``available`` is false and every clock is right."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._library = directory / "clock.so"
        compiler = shutil.which("cc") if sys.platform == "linux" else None
        if compiler is not None:
            command = [compiler, "-O1", "-shared", "-fPIC", "-o", str(self._library), str(SOURCE)]
            subprocess.run(command, check=True)
        self.available = compiler is not None

    def environment(self, name: str) -> dict[str, str]:
        """What a process is started with whose clock has this name."""
        if not self.available:
            return {}
        self.set(name, 0)
        return {
            "LD_PRELOAD": str(self._library),
            "ROLLCALL_TEST_CLOCK": str(self._directory / f"{name}.clock"),
        }

    def set(self, name: str, seconds: float) -> None:
        """So far ahead of the machine's clock, from now on."""
        path = self._directory / f"{name}.clock"
        content = int(seconds * 1e9).to_bytes(8, sys.byteorder, signed=True)
        # In place: the processes have it mapped.
        with path.open("r+b" if path.exists() else "wb") as file:
            file.write(content)
