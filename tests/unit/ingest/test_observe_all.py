"""Many observations of a histogram at once are those observations."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Histogram

from ingest.metrics import observe_all


def test_it_is_as_one_by_one() -> None:
    values = [0.0, 0.1, 0.10001, 0.5, 3.0, 99.0, 0.1]
    together, singly = CollectorRegistry(), CollectorRegistry()
    buckets = (0.1, 0.5, 3.0)
    observe_all(Histogram("h", "h", buckets=buckets, registry=together), values)
    one_by_one = Histogram("h", "h", buckets=buckets, registry=singly)
    for value in values:
        one_by_one.observe(value)
    for labels in ({"le": "0.1"}, {"le": "0.5"}, {"le": "3.0"}, {"le": "+Inf"}):
        assert together.get_sample_value("h_bucket", labels) == singly.get_sample_value(
            "h_bucket", labels
        )
    for name in ("h_sum", "h_count"):
        assert together.get_sample_value(name) == singly.get_sample_value(name)
