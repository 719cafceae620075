"""``python -m tests.engine [--smoke] [pytest's arguments]``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.engine.engine import docker, missing

FOLDER: Final = str(Path(__file__).parent)


def main(arguments: list[str]) -> int:
    """The exit code. With ``--smoke`` no engine is no fault, and nothing is built or started:
    the files are read, by Compose too where it is here."""
    lacking = missing()
    if "--smoke" in arguments:
        if lacking:
            sys.stdout.write(f"make test-engine: not run, {lacking}\n")
        else:
            docker("compose", "config", "--quiet")
        return int(pytest.main(["--collect-only", "-qq", FOLDER]))
    if lacking:
        sys.stderr.write(f"make test-engine: {lacking}\n")
        return 1
    os.environ["ROLLCALL_TEST_SERVERS"] = "containers"
    return int(pytest.main(["--verbose", *arguments, FOLDER]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
