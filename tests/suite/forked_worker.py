"""The interpreter of a process that runs tests: a fork of one that has imported what they need.

execnet, which pytest-xdist starts its processes with, runs this as if it were Python, and talks to
it over its standard input and output. Imports were a quarter of what such a process cost before its
first test.
"""

from __future__ import annotations

import math
import os
import shlex
import sys
from pathlib import Path

from tests.suite.forks import VARIABLE, Forked


def command() -> str:
    """What stands for ``python`` in a command line."""
    return shlex.join([sys.executable, "-m", __name__])


def main() -> None:
    # Unbuffered, as -u asks: execnet writes to the descriptors themselves.
    arguments = [each for each in sys.argv[1:] if each != "-u"]
    worker = Forked(
        Path(os.environ[VARIABLE]), arguments, os.environ, Path.cwd(), (None, None), stdin=0
    )
    sys.exit(worker.wait(math.inf))


if __name__ == "__main__":
    main()
