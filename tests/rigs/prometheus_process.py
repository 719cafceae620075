"""Debian's Prometheus as a process of a test, and what a person would ask it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import urlopen

import yaml

from deploy.local.ports import free_port
from tests.prometheus_rules import RULE_FILES, tool

#: Nobody waits for minutes in a test: windows and ``for`` of the real rules, shortened. What an
#: alert compares stays as it is.
SHORTER: Final = (
    (r"\[10m\] offset 2m", "[15s] offset 10s"),
    (r"\[(1m|2m|5m)\]", "[10s]"),
    (r"\[(10m|15m|30m)\]", "[20s]"),
    (r"for: \w+", "for: 1s"),
    (r"interval: \w+", "interval: 1s"),
)


class Prometheus:
    """Scrapes ``targets`` (port by job) every second, with the rules of the repository."""

    def __init__(self, folder: Path, targets: Mapping[str, int]) -> None:
        rules = folder / "rules"
        rules.mkdir()
        for path in RULE_FILES:
            text = path.read_text("utf-8")
            for pattern, shorter in SHORTER:
                text = re.sub(pattern, shorter, text)
            (rules / path.name).write_text(text, "utf-8")
        configuration = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": ["rules/*.yml"],
            "scrape_configs": [
                {"job_name": job, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
                for job, port in targets.items()
            ],
        }
        config = folder / "prometheus.yml"
        config.write_text(yaml.safe_dump(configuration), "utf-8")
        self._port = free_port()
        self._log = folder / "prometheus.log"
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                [
                    tool("prometheus"),
                    f"--config.file={config}",
                    f"--storage.tsdb.path={folder / 'data'}",
                    f"--web.listen-address=127.0.0.1:{self._port}",
                ],
                stdout=output,
                stderr=output,
            )

    def ready(self) -> bool:
        assert self._process.poll() is None, self._log.read_text()
        try:
            with urlopen(f"http://127.0.0.1:{self._port}/-/ready", timeout=5):
                return True
        except (URLError, OSError):
            return False

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The vector of an instant query; fails if Prometheus does not understand it."""
        result: list[dict[str, Any]] = self._get("query", query=expression)["result"]
        return result

    def series(self, selector: str) -> list[dict[str, str]]:
        """Every series that a selector finds, of all that was ever scraped."""
        found: list[dict[str, str]] = self._get("series", **{"match[]": selector})
        return found

    def rules(self) -> list[dict[str, Any]]:
        return [rule for group in self._get("rules")["groups"] for rule in group["rules"]]

    def firing(self) -> set[str]:
        """Names of the alerts that fire now."""
        found = self._get("alerts")["alerts"]
        return {a["labels"]["alertname"] for a in found if a["state"] == "firing"}

    def end(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def _get(self, call: str, **parameters: str) -> Any:
        query = f"?{urlencode(parameters)}" if parameters else ""
        try:
            url = f"http://127.0.0.1:{self._port}/api/v1/{call}{query}"
            with urlopen(url, timeout=60) as answer:
                return json.load(answer)["data"]
        except HTTPError as error:
            raise AssertionError(f"{call} {parameters}: {error.read().decode()}") from error
