"""What a running service tells Prometheus, held against docs/metrics.md's source."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from urllib.request import urlopen

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from deploy.pages.metrics import Family, families, services


class Scrape:
    """One answer of ``/metrics``."""

    def __init__(self, text: str) -> None:
        self._families = list(text_string_to_metric_families(text))

    @classmethod
    def of_port(cls, port: int) -> Scrape:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
            return cls(answer.read().decode())

    def value(self, name: str, **labels: str) -> float | None:
        """The sum of the samples of that name with these labels; ``None`` without any."""
        found = [
            value
            for other, own, value in self._samples()
            if other == name and labels.items() <= own.items()
        ]
        return sum(found) if found else None

    def label_values(self, name: str, label: str) -> set[str]:
        return {own[label] for other, own, _ in self._samples() if other == name}

    def assert_documented(self, *names: str, without: str = "(none)") -> None:
        """Of these services there is all that the page has, and nothing else of Rollcall, leaving
        out what begins with ``without``."""
        documented = {
            f.name: f for name in names for f in _documented(name) if not f.name.startswith(without)
        }
        ours = {
            _name(f): f
            for f in self._families
            # When a series began, which prometheus_client adds to each.
            if f.name.startswith("rollcall_") and not f.name.endswith("_created")
        }
        assert ours.keys() == documented.keys()
        for name, family in ours.items():
            for sample in family.samples:
                labels = {k: v for k, v in sample.labels.items() if k != "le"}
                assert labels.keys() == documented[name].labels.keys(), sample
                for label, value in labels.items():
                    closed_set = documented[name].labels[label]
                    assert isinstance(closed_set, str) or value in closed_set, sample

    def _samples(self) -> Iterable[tuple[str, dict[str, str], float]]:
        for family in self._families:
            for sample in family.samples:
                yield sample.name, sample.labels, sample.value


@cache
def _documented(service: str) -> list[Family]:
    return families(services()[service])


def _name(metric: Metric) -> str:
    return f"{metric.name}_total" if metric.type == "counter" else metric.name
