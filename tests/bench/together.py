"""``python -m tests.bench.together COMMAND``: run a command whose benches find one Kafka and one
PostgreSQL, and services that have imported all that they need.

For ``make smoke``, whose figures say nothing: starts are most of what its benches take.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.servers import own_servers
from tests.ending import end_by_sigterm
from tests.suite.forks import start_server


def run(command: list[str]) -> int:
    """Its exit status."""
    with TemporaryDirectory(prefix="rollcall-bench-") as temporary, ExitStack() as stack:
        directory = Path(temporary)
        # PostgreSQL may run as another user, who must get in.
        directory.chmod(0o755)
        forks = start_server(directory / "forks")
        stack.callback(forks.wait)
        stack.callback(forks.terminate)
        there = stack.enter_context(own_servers(directory, quick_start=True))
        return subprocess.call(command, env={**os.environ, **there.told()})


if __name__ == "__main__":
    end_by_sigterm()
    os.umask(0o022)
    raise SystemExit(run(sys.argv[1:]))
