"""What `rollcall up` shows: steps, a progress bar, and what to do next.

Lines that are there to be copied (link, curl, addresses) are written as they are: no wrapping,
no colour, no markup. All of it reads well in a pipe or a log file too.
"""

from __future__ import annotations

import shlex
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from deploy.local import jars
from deploy.local.stack import Stack
from deploy.terminal import own_command
from deploy.tokens import STAFF_SCOPES

LINK_EXPIRES_SECONDS = 12 * 3600
PHONE_EXPIRES_SECONDS = 12 * 3600
LOOPBACK = ("127.0.0.1", "localhost", "::1")
ANY_HOST = ("0.0.0.0", "::")  # noqa: S104 - compared, not bound


class Screen:
    """Writes to standard output."""

    def __init__(self, console: Console | None = None) -> None:
        for stream in (sys.stdout, sys.stderr):
            reconfigure = getattr(stream, "reconfigure", None)
            if reconfigure:  # a terminal without UTF-8 gets a question mark, not a traceback
                reconfigure(errors="replace")
        self._console = console or Console(highlight=False)

    @contextmanager
    def working(self, what: str) -> Iterator[None]:
        """A spinner while something goes on; nothing where there is no terminal."""
        with self._console.status(what):
            yield

    def done(self, what: str, elapsed_seconds: float) -> None:
        """A finished step."""
        self._line(f"✓ {what} ({elapsed_seconds:.1f} s)")

    def trouble(self, what: str) -> None:
        """Something that went wrong and is being dealt with."""
        self._line(f"! {what}")

    @contextmanager
    def download(self) -> Iterator[jars.Progress]:
        """A progress bar for the jars; a line at the start and the end without a terminal."""
        if not self._console.is_terminal:
            self._line(f"downloading Apache Kafka {jars.KAFKA_VERSION} (44 MB, once)")
            yield lambda _done, _total, _received: None
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(
            *columns, TextColumn("{task.fields[megabytes]:.0f} MB"), console=self._console
        ) as bars:
            task = bars.add_task("Apache Kafka", total=None, megabytes=0.0)

            def update(done: int, total: int, received: int) -> None:
                bars.update(task, completed=done, total=total, megabytes=received / 1e6)

            yield update

    def next_steps(self, stack: Stack, elapsed_seconds: float) -> None:
        """What to open, what to paste, what to put into the app."""
        options, url = stack.options, stack.public_url
        self._line("")
        self._line(f"Ready after {elapsed_seconds:.1f} s")
        self._line("")
        viewer = stack.token("admin", scope=STAFF_SCOPES, expires_seconds=LINK_EXPIRES_SECONDS)
        if viewer is None:
            link, note = f"{url}/", " (log in with a token of your own issuer)"
        else:
            link, note = f"{url}/login#token={viewer}", ""
        bearer = stack.token("ada", expires_seconds=PHONE_EXPIRES_SECONDS) or "$TOKEN"
        self._line(f"Dashboard{note}:")
        self._line(f"  {link}")
        self._line("A phone's heartbeat, to paste into a shell:")
        self._line(f"  {heartbeat_curl(url, bearer)}")
        self._line("baseUrl for the Flutter sample:")
        for line in base_urls(options.host, options.port):
            self._line(f"  {line}")
        if options.simulated_users:
            self._line(f"{options.simulated_users} users are simulated; the dashboard says so.")
        self._line("SQL over the analytics (hours and days are complete 30 min after their end):")
        self._line(f"  {own_command('psql', options.data_dir)}")
        self._line(f"  {own_command('psql --print-dsn', options.data_dir)}   for a BI tool")
        self._line("Metrics, health:")
        self._line(f"  {stack.admin_url('front')}/metrics   ingest and API")
        self._line(f"  {stack.admin_url('processor')}/metrics   processor")
        if options.webhooks:
            self._line(f"  {stack.admin_url('notify')}/metrics   notify")
        if options.canaries:
            self._line(f"  {stack.admin_url('canary')}/metrics   {options.canaries} canaries")
        self._line(f"Logs: {stack.log_dir}")
        self._line("")
        self._line("Ctrl-C stops everything")

    def farewell(self) -> None:
        """The last line after an orderly stop."""
        self._line("Everything has stopped")

    def _line(self, text: str) -> None:
        self._console.print(text, soft_wrap=True, markup=False, emoji=False)


def heartbeat_curl(url: str, bearer: str) -> str:
    """The command line of one heartbeat."""
    authorization = f"Authorization: Bearer {bearer}"
    quoted = f'"{authorization}"' if bearer.startswith("$") else shlex.quote(authorization)
    return (
        f"curl -X POST {url}/api/update-online-status -H {quoted} "
        "-H 'Content-Type: application/json' "
        """-d '{"screen": "Home", "app_version": "1.0.0"}'"""
    )


def base_urls(host: str, port: int) -> list[str]:
    """The sample's `baseUrl` for each place that it may run in."""
    development = "the signing key here is for development only: not in networks you don't trust"
    if host not in (*ANY_HOST, *LOOPBACK):
        url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        return [f"{url}/api   emulator, simulator, phone in the same network ({development})"]
    here = [
        f"http://10.0.2.2:{port}/api   Android emulator",
        f"http://localhost:{port}/api   iOS simulator, web",
    ]
    if host in LOOPBACK:
        return [*here, f"a phone in your network needs --host 0.0.0.0 ({development})"]
    address = lan_address() or "<this machine's address>"
    return [*here, f"http://{address}:{port}/api   phone in the same network ({development})"]


def lan_address() -> str | None:
    """This machine's address in its own network, as far as the routing table tells."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Connecting a datagram socket sends nothing; the address is one kept for documents.
            probe.connect(("192.0.2.1", 9))
            address: str = probe.getsockname()[0]
        except OSError:
            return None
    return None if address.startswith(("127.", "0.")) else address
