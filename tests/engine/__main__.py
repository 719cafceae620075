"""``python -m tests.engine [--smoke] [pytest's arguments]``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.engine.engine import docker, missing


def main(arguments: list[str]) -> int:
    """The exit code. With ``--smoke`` no engine is no fault, and nothing is built or started."""
    lacking = missing()
    if "--smoke" in arguments:
        if lacking:
            sys.stdout.write(f"make test-engine: not run, {lacking}\n")
            return 0
        sys.stdout.write(docker("compose", "config", "--images").stdout)
        return int(pytest.main(["--collect-only", "--quiet", str(Path(__file__).parent)]))
    if lacking:
        sys.stderr.write(f"make test-engine: {lacking}\n")
        return 1
    os.environ["ROLLCALL_TEST_SERVERS"] = "containers"
    return int(pytest.main(["--verbose", "-p", "no:xdist", *arguments, str(Path(__file__).parent)]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
