"""Processors of one test, and what their admin port says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

from schemas.log.settings import KafkaSettings
from tests.rigs.rig import ProcessorProcess, free_port, processor_environment


class Processor:
    """A running processor, in which ``script`` may have put a fault of ours that cannot be ordered
    from outside."""

    def __init__(
        self, kafka: KafkaSettings, url: str, log: Path, script: str | None, **settings: str
    ) -> None:
        self.port = free_port()
        own = {"PROCESSOR_ADMIN_PORT": str(self.port), **settings}
        self.process = ProcessorProcess(
            processor_environment(kafka, url, **own), log, script=script
        )

    @property
    def log(self) -> str:
        return self.process.log.read_text()

    def get(self, path: str) -> str:
        """The answer of the admin port; nothing while there is none."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", path)
            return connection.getresponse().read().decode()
        except OSError:
            return ""
        finally:
            connection.close()

    @property
    def readiness(self) -> str:
        """``ready``, why not, or nothing."""
        answer = self.get("/readyz")
        if not answer:
            return ""
        decoded = json.loads(answer)
        return str(decoded.get("reason", decoded["status"]))


@contextmanager
def running(
    kafka: KafkaSettings, url: str, log: Path, script: str | None = None, **settings: str
) -> Iterator[Processor]:
    """A processor that is gone afterwards."""
    processor = Processor(kafka, url, log, script, **settings)
    try:
        yield processor
    finally:
        if processor.process.exit_status is None:
            processor.process.kill()
