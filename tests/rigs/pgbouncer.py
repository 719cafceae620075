"""Debian's PgBouncer before a database of the tests: one pool of transactions, one of sessions.

Clients reach it over TLS and check its certificate, as their URL says. (The PostgreSQL of the
tests is built without TLS; to a client the two are the same.)
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from deploy.local.ports import free_port
from tests.certificates import Authority
from tests.rigs.rig import wait_for

#: Sessions of PostgreSQL that all transactions share.
SHARED_SESSIONS = 2


@dataclass(frozen=True)
class PgBouncer:
    """URLs of the same database."""

    transactions: str
    sessions: str


def pgbouncer() -> str:
    """The program; installs Debian's where that can be done."""
    path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin"))
    found = shutil.which("pgbouncer", path=path)
    if found is None and shutil.which("apt-get") and os.geteuid() == 0:
        for command in (["update"], ["install", "-y", "pgbouncer"]):
            subprocess.run(["apt-get", *command], capture_output=True, check=False)
        found = shutil.which("pgbouncer", path=path)
    if found is None:
        pytest.skip("needs pgbouncer: apt-get install pgbouncer")
    return found


@contextmanager
def running_pgbouncer(database_url: str) -> Iterator[PgBouncer]:
    program, port = pgbouncer(), free_port()
    server = conninfo_to_dict(database_url)
    address = " ".join(f"{key}={server[key]}" for key in ("host", "port", "dbname"))
    login = f"user={server['user']} password={server.get('password', '')}"
    # It refuses to run as root, and its user must be able to read the file.
    with TemporaryDirectory(prefix="rollcall-pgbouncer-") as directory:
        Path(directory).chmod(0o755)
        authority = Authority(Path(directory))
        signed = authority.sign("localhost")
        signed.key.chmod(0o644)
        file = Path(directory) / "pgbouncer.ini"
        file.write_text(
            f"""\
[databases]
transactions = {address} {login} pool_mode=transaction pool_size={SHARED_SESSIONS}
sessions = {address} {login} pool_mode=session pool_size=10
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
client_tls_sslmode = require
client_tls_cert_file = {signed.certificate}
client_tls_key_file = {signed.key}
"""
        )
        file.chmod(0o644)
        command = [program, "-q", str(file)]
        if os.geteuid() == 0:
            command[:0] = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        tls = f"sslmode=verify-full&sslrootcert={authority.file}"
        urls = (
            f"postgresql://any@localhost:{port}/{n}?{tls}" for n in ("transactions", "sessions")
        )
        bouncer = PgBouncer(*urls)

        def answers() -> bool:
            assert process.poll() is None, "pgbouncer ended"
            try:
                psycopg.connect(bouncer.sessions, connect_timeout=10).close()
            except psycopg.OperationalError:
                return False
            return True

        try:
            wait_for("PgBouncer answers", answers)
            yield bouncer
        finally:
            process.kill()
            process.wait()
