"""HAProxy with our configuration in front of real services, which it finds by DNS as elsewhere.

Each process listens on a loopback address of its own (Linux has 16 million), on the same port as
its like: what containers are to a gateway.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import shutil
import socket
import ssl
import struct
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from deploy.local.ports import free_port
from tests.rigs.harness import SECRET, token
from tests.suite.forks import start_python
from tests.waiting import pause

CONFIGURATION: Final = Path(__file__).parents[2] / "deploy/gateway/haproxy.cfg"
START_SECONDS: Final = 120.0
MISSING: Final = "haproxy is not installed here: `make packages`, or Debian's package haproxy"


def haproxy() -> str | None:
    """The path of the program, if it is here."""
    return shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")


class Names:
    """A DNS server for A records, in a thread."""

    def __init__(self, addresses: dict[str, list[str]]) -> None:
        self.addresses = addresses
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._socket.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                query, caller = self._socket.recvfrom(1024)
                self._socket.sendto(self._answer(query), caller)

    def _answer(self, query: bytes) -> bytes:
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1 : at + 1 + query[at]].decode())
            at += 1 + query[at]
        question, (kind,) = query[12 : at + 5], struct.unpack("!H", query[at + 1 : at + 3])
        found = self.addresses.get(".".join(labels), []) if kind == 1 else []
        head = query[:2] + struct.pack("!HHHHH", 0x8580, 1, len(found), 0, 0)
        records = (
            b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 1, 4) + socket.inet_aton(address)
            for address in found
        )
        return head + question + b"".join(records)


class Service:
    """`python -m ingest` or `python -m api` at an address of its own."""

    def __init__(self, module: str, host: str, ports: tuple[int, int], **variables: str) -> None:
        self.host, self.port, self.admin_port = host, *ports
        name = f"ROLLCALL_{module.upper()}"
        self._arguments = ["-m", module]
        self._environment = {n: v for n, v in os.environ.items() if "ROLLCALL_" not in n} | {
            f"{name}_HOST": host,
            f"{name}_PORT": str(ports[0]),
            f"{name}_ADMIN_HOST": host,
            f"{name}_ADMIN_PORT": str(ports[1]),
            "ROLLCALL_JWT_SECRET": SECRET,
            "ROLLCALL_USER_HASH_KEY": os.environ["ROLLCALL_USER_HASH_KEY"],
            # What stands still with the machine is not away.
            "ROLLCALL_ACCEPT_TIMEOUT_SECONDS": "30",
            "ROLLCALL_API_POOL_WAIT_SECONDS": "30",
            **variables,
        }
        self.start()

    def start(self) -> None:
        self.popen = start_python(self._arguments, env=self._environment, stderr=subprocess.DEVNULL)

    def until_ready(self) -> None:
        until_answers(f"http://{self.host}:{self.admin_port}/readyz")

    def metric(self, name: str) -> float:
        """The sum of a metric's samples."""
        page = read(f"http://{self.host}:{self.admin_port}/metrics").decode()
        lines = (line for line in page.splitlines() if line.startswith((f"{name} ", f"{name}{{")))
        return sum(float(line.rpartition(" ")[2]) for line in lines)

    def end(self) -> None:
        self.popen.kill()
        self.popen.wait()


@dataclass
class Services:
    """Two of ingest, one API, and their names."""

    names: Names
    ingests: list[Service]
    api: Service
    ports: dict[str, str]

    def end(self) -> None:
        for service in (*self.ingests, self.api):
            service.end()
        self.names.close()


def start_services(ingest_variables: dict[str, str], api_variables: dict[str, str]) -> Services:
    """Started, not yet ready."""
    network = f"127.{random.randint(32, 250)}.{random.randint(0, 250)}"
    hosts = [f"{network}.{n}" for n in (2, 3, 4)]
    ingest_ports, api_ports = (free_port(), free_port()), (free_port(), free_port())
    return Services(
        Names({"ingest.test": hosts[:2], "api.test": hosts[2:]}),
        [Service("ingest", host, ingest_ports, **ingest_variables) for host in hosts[:2]],
        Service("api", hosts[2], api_ports, **api_variables),
        {
            "GATEWAY_INGEST_PORT": str(ingest_ports[0]),
            "GATEWAY_INGEST_ADMIN_PORT": str(ingest_ports[1]),
            "GATEWAY_API_PORT": str(api_ports[0]),
            "GATEWAY_API_ADMIN_PORT": str(api_ports[1]),
        },
    )


@dataclass
class Answer:
    """An HTTP answer; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Gateway:
    """A running HAProxy."""

    port: int
    admin_port: int
    https_port: int
    log: Path
    tls: ssl.SSLContext | None = field(default=None)

    async def call(
        self,
        method: str,
        path: str,
        body: bytes | None = b"",
        *,
        https: bool = False,
        source: str = "127.0.0.1",
        **headers: str,
    ) -> Answer:
        """On a new connection from the address `source`; the path goes as it is written. A body of
        `None` is not sent."""
        port, tls = (self.https_port, self.tls) if https else (self.port, None)
        lines = [f"{method} {path} HTTP/1.1", "connection: close"]
        headers.setdefault("host", f"127.0.0.1:{port}")
        if body is not None:
            headers["content-length"] = str(len(body))
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        async with asyncio.timeout(60):
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", port, ssl=tls, local_addr=(source, 0)
            )
            try:
                writer.write("\r\n".join([*lines, "", ""]).encode() + (body or b""))
                head = (await reader.readuntil(b"\r\n\r\n")).decode().removesuffix("\r\n\r\n")
                status, *fields = head.split("\r\n")
                named = (line.split(": ", 1) for line in fields)
                answered = {name.lower(): value for name, value in named}
                length = answered.get("content-length")
                exactly = length is not None and method != "HEAD"
                rest = await (reader.readexactly(int(length or 0)) if exactly else reader.read())
            finally:
                writer.close()
        return Answer(int(status.split()[1]), answered, rest)

    async def heartbeat(self, screen: str, user: str = "u1", **options: Any) -> Answer:
        options.setdefault("authorization", f"Bearer {token(user)}")
        body = json.dumps({"screen": screen}).encode()
        return await self.call("POST", "/api/update-online-status", body, **options)


@contextlib.contextmanager
def running_gateway(
    services: Services, folder: Path, once: str = "/readyz", **variables: str
) -> Iterator[Gateway]:
    """HAProxy with our configuration, once its admin port answers this path with 200."""
    program = haproxy()
    assert program is not None
    folder.mkdir(exist_ok=True)
    ports = free_port(), free_port(), free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "GATEWAY_INGEST": "ingest.test",
        "GATEWAY_API": "api.test",
        "GATEWAY_DNS": services.names.address,
        "GATEWAY_HTTP_PORT": str(ports[0]),
        "GATEWAY_ADMIN_PORT": str(ports[1]),
        "GATEWAY_HTTPS_PORT": str(ports[2]),
        "GATEWAY_MAX_CONNECTIONS": "1000",
        **services.ports,
        **variables,
    }
    log = folder / "haproxy.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [program, "-f", str(CONFIGURATION)], env=environment, stdout=output, stderr=output
        )
    try:
        admin = f"http://127.0.0.1:{ports[1]}"
        until_answers(admin + once, lambda: process.poll() is None, log)
        yield Gateway(*ports, log)
    finally:
        process.kill()
        process.wait()


def read(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - http://
        return bytes(answer.read())


def until_answers(url: str, alive: Any = lambda: True, log: Path | None = None) -> None:
    """Wait for a 200."""
    started = time.monotonic()
    while True:
        with contextlib.suppress(urllib.error.URLError, OSError):
            read(url)
            return
        said = log.read_text() if log else ""
        assert alive(), said
        assert time.monotonic() < started + START_SECONDS, f"{url} does not answer 200: {said}"
        time.sleep(pause(started))
