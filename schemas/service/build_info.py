"""Which version of a service runs, as a metric of it."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Gauge

from schemas.service.distribution import rollcall_version


def tell_version(registry: CollectorRegistry, prefix: str) -> None:
    """A gauge that is always 1. ``prefix`` is that of the service's metrics: several may share a
    registry, and each tells for itself that it is in the process."""
    Gauge(
        f"{prefix}_build_info",
        "1; the label is the version that runs.",
        ("version",),
        registry=registry,
        multiprocess_mode="livemax",
    ).labels(rollcall_version()).set(1)
