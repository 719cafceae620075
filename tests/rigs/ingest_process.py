"""Ingest as processes of its own, as it runs in production."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from pathlib import Path

import psutil

from deploy.local.ports import free_port
from schemas.log.settings import KafkaSettings
from tests.rigs.harness import SECRET, Answer, exchange, token, wait_until
from tests.suite.forks import start_python
from tests.waiting import pause

#: Several Pythons start one after the other, on a machine that does other things too.
START_SECONDS = 120.0


class Process:
    """`python -m ingest`, as it runs in production."""

    def __init__(self, kafka: KafkaSettings, log: Path, **variables: str) -> None:
        self.port, self.admin_port = free_port(), free_port()
        self._log = log
        environment = {name: v for name, v in os.environ.items() if "ROLLCALL_" not in name}
        environment |= {
            "ROLLCALL_KAFKA_BOOTSTRAP": kafka.kafka_bootstrap,
            "ROLLCALL_TOPIC_PREFIX": kafka.topic_prefix,
            "ROLLCALL_PARTITIONS": str(kafka.partitions),
            "ROLLCALL_JWT_SECRET": SECRET,
            "ROLLCALL_USER_HASH_KEY": os.environ["ROLLCALL_USER_HASH_KEY"],
            "ROLLCALL_INGEST_PORT": str(self.port),
            "ROLLCALL_INGEST_ADMIN_PORT": str(self.admin_port),
            # No gateway has to notice its end.
            "ROLLCALL_DRAIN_SECONDS": "0",
            # A Kafka that stands still with the machine is not away.
            "ROLLCALL_ACCEPT_TIMEOUT_SECONDS": "30",
            **variables,
        }
        with log.open("wb") as output:
            self.popen = start_python(
                ["-m", "ingest"], env=environment, stdout=output, stderr=output
            )

    @property
    def children(self) -> list[psutil.Process]:
        """The workers, in the order of their start."""
        return sorted(psutil.Process(self.popen.pid).children(), key=lambda c: c.create_time())

    @property
    def output(self) -> str:
        return self._log.read_text()

    async def get(self, path: str) -> Answer:
        return await exchange(self.admin_port, f"GET {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode())

    async def heartbeat(self, screen: str, user: str = "u1") -> Answer:
        body = f'{{"screen": "{screen}"}}'
        head = f"authorization: Bearer {token(user)}\r\ncontent-length: {len(body)}\r\n\r\n"
        path = "POST /api/update-online-status HTTP/1.1\r\nhost: x\r\n"
        return await exchange(self.port, f"{path}{head}{body}".encode())

    async def logout(self, bearer: str, body: bytes = b"") -> Answer:
        head = f"authorization: Bearer {bearer}\r\ncontent-length: {len(body)}\r\n\r\n"
        path = "POST /api/logout-status HTTP/1.1\r\nhost: x\r\n"
        return await exchange(self.port, f"{path}{head}".encode() + body)

    async def until_status(self, path: str, status: int) -> Answer:
        started, last = time.monotonic(), "nothing"
        while time.monotonic() < started + START_SECONDS:
            assert self.popen.poll() is None, self.output
            try:
                async with asyncio.timeout(START_SECONDS):
                    answer = await self.get(path)
                if answer.status == status:
                    return answer
                last = f"{answer.status} {answer.body.decode()}"
            except OSError as error:  # a time-out is one
                last = repr(error)
            await asyncio.sleep(pause(started))
        raise AssertionError(f"not {status} within {START_SECONDS:.0f} s: {last}\n{self.output}")

    async def exit_code(self) -> int:
        await wait_until(lambda: self.popen.poll() is not None, START_SECONDS)
        return self.popen.returncode

    async def metric(self, name: str) -> float:
        """The sum of a metric's samples on the admin port."""
        lines = (await self.get("/metrics")).body.decode().splitlines()
        return sum(
            float(line.rpartition(" ")[2])
            for line in lines
            if line.startswith((f"{name} ", f"{name}{{"))
        )

    def end(self) -> None:
        """By force, workers included."""
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in self.children:
                child.kill()
        self.popen.kill()
        self.popen.wait()


def refuses(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
