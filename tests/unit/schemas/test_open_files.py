"""How many files a process may open."""

from __future__ import annotations

import os

import pytest

from schemas.http.server import OTHER_OPEN_FILES
from tests.suite.forks import run_python

PROGRAM = """
import resource, sys
from schemas.http.server import allow_open_files
resource.setrlimit(resource.RLIMIT_NOFILE, (200, 1000))
allow_open_files(int(sys.argv[1]))
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


@pytest.mark.parametrize(
    ("connections", "open_files", "warned"),
    [(500, 500 + OTHER_OPEN_FILES, False), (10_000, 1000, True)],
)
def test_the_soft_limit_is_raised_as_far_as_the_system_allows(
    connections: int, open_files: int, warned: bool
) -> None:
    done = run_python(["-c", PROGRAM, str(connections)], env=os.environ)
    assert int(done.stdout) == open_files
    assert ("ulimit -Hn" in done.stderr) is warned


def test_it_is_never_lowered() -> None:
    program = PROGRAM.replace("(200, 1000)", "(900, 1000)")
    done = run_python(["-c", program, "10"], env=os.environ)
    assert int(done.stdout) == 900
