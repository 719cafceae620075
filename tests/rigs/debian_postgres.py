"""Debian's PostgreSQL, with the extensions that the one of the tests lacks. It logs every plan."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest

from deploy.local.ports import free_port
from tests.rigs.rig import wait_for

PROGRAMS = Path("/usr/lib/postgresql")


@dataclass(frozen=True)
class DebianPostgres:
    port: int
    log: Path

    def url(self, role: str = "postgres", database: str = "postgres") -> str:
        return f"postgresql://{role}@127.0.0.1:{self.port}/{database}"


def _programs() -> Path:
    found = sorted(PROGRAMS.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not found or not list(Path("/usr/share/postgresql").glob("*/extension/unaccent.control")):
        pytest.skip("needs Debian's PostgreSQL: apt-get install postgresql postgresql-contrib")
    return found[-1].parent


@contextmanager
def running_debian_postgres() -> Iterator[DebianPostgres]:
    programs, port = _programs(), free_port()
    # It refuses to run as root.
    as_nobody: list[str] = []
    with TemporaryDirectory(prefix="rollcall-debian-") as directory:
        if os.geteuid() == 0:
            as_nobody = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
            shutil.chown(directory, "nobody", "nogroup")
        data, log = Path(directory) / "data", Path(directory) / "log"
        log.touch()
        common = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8"]
        subprocess.run(
            [*as_nobody, str(programs / "initdb"), "--no-sync", *common, str(data)],
            check=True,
            capture_output=True,
            cwd=directory,
        )
        settings = {
            "port": port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "off",
            "session_preload_libraries": "auto_explain",
            "auto_explain.log_min_duration": 0,
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with log.open("ab") as stderr:
            process = subprocess.Popen(
                [*as_nobody, str(programs / "postgres"), "-D", str(data), *options],
                stdout=stderr,
                stderr=stderr,
                cwd=directory,
            )
        server = DebianPostgres(port, log)

        def answers() -> bool:
            assert process.poll() is None, log.read_text()
            try:
                psycopg.connect(server.url(), connect_timeout=10).close()
            except psycopg.OperationalError:
                return False
            return True

        try:
            wait_for("Debian's PostgreSQL answers", answers)
            yield server
        finally:
            process.send_signal(signal.SIGINT)  # whoever is connected is not waited for
            process.wait()
