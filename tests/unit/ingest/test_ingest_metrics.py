"""What ingest tells about itself, from several workers as from one."""

from __future__ import annotations

import os
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.multiprocess import MultiProcessCollector

from ingest.metrics import IngestMetrics
from tests.suite.forks import run_python

LIFE_OF_A_WORKER = """
import sys
from pathlib import Path
from prometheus_client import CollectorRegistry
from ingest.worker import share_metrics
share_metrics(Path(sys.argv[1]), int(sys.argv[2]))
from ingest.metrics import IngestMetrics
metrics = IngestMetrics(CollectorRegistry())
metrics.requests["heartbeat", "accepted"].inc(10)
metrics.accept_seconds["heartbeat"].observe(0.003)
metrics.buffer_bytes.set(7)
"""


def test_every_gauge_says_how_the_workers_that_live_add_up() -> None:
    registry = CollectorRegistry()
    IngestMetrics(registry)
    gauges = [c for c in registry._collector_to_names if isinstance(c, Gauge)]
    assert gauges
    for gauge in gauges:
        # Any other mode would add a label for each worker, or count dead ones.
        assert gauge._multiprocess_mode in ("livesum", "livemin", "livemax"), gauge._name


def test_the_successor_of_a_worker_counts_on_in_its_files(tmp_path: Path) -> None:
    for number in (0, 1, 0, 0):
        done = run_python(
            ["-c", LIFE_OF_A_WORKER, str(tmp_path), str(number)], env=os.environ, timeout=60
        )
        assert done.returncode == 0, done.stderr
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(tmp_path))  # type: ignore[no-untyped-call]
    labels = {"call": "heartbeat", "outcome": "accepted"}
    assert registry.get_sample_value("rollcall_ingest_requests_total", labels) == 40
    labels = {"call": "heartbeat"}
    assert registry.get_sample_value("rollcall_ingest_accept_seconds_count", labels) == 4
    assert registry.get_sample_value("rollcall_ingest_buffer_bytes") == 14
    assert {path.stem.rpartition("_")[2] for path in tmp_path.iterdir()} == {"0", "1"}
