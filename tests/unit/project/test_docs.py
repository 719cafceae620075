"""What is written about the system is what the system is."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter

from deploy.pages.calls import calls_page
from deploy.pages.metrics import UnboundedLabelError, families, metrics_page, services
from deploy.pages.privacy import RETENTIONS, privacy_page
from deploy.pages.settings import settings_page
from processor.settings import ProcessorSettings

ROOT = Path(__file__).parents[3]


def test_the_page_of_settings_is_up_to_date() -> None:
    """If this fails: make docs."""
    assert (ROOT / "docs/settings.md").read_text("utf-8") == settings_page()


def test_the_page_of_metrics_is_up_to_date() -> None:
    """If this fails: make docs."""
    assert (ROOT / "docs/metrics.md").read_text("utf-8") == metrics_page()


def test_the_tables_of_the_page_of_privacy_are_up_to_date() -> None:
    """If this fails: make docs."""
    page = (ROOT / "docs/privacy.md").read_text("utf-8")
    assert page == privacy_page(page)


def test_the_table_of_calls_is_up_to_date() -> None:
    """If this fails: make docs."""
    page = (ROOT / "docs/api.md").read_text("utf-8")
    assert page == calls_page(page)


def test_the_table_of_retentions_has_every_retention_that_can_be_set() -> None:
    known = {name for name in ProcessorSettings.model_fields if "_retention_" in name}
    assert {name for _, _, name, _ in RETENTIONS} == {*known, "session_seconds"}


def test_metrics_are_named_as_prometheus_wants_them() -> None:
    for service, registry in services().items():
        for family in families(registry):
            ours = ("rollcall_", f"rollcall_{service}_")
            assert family.name.startswith(ours), family.name
            assert (family.kind == "counter") == family.name.endswith("_total"), family.name
            assert not family.name.endswith(("_ms", "_milliseconds", "_kb")), family.name
            assert family.text.endswith("."), family.name


def test_a_label_of_which_nobody_says_how_many_values_it_has_is_no_metric() -> None:
    registry = CollectorRegistry()
    Counter("rollcall_visits", "Visits by user.", ("user",), registry=registry)
    with pytest.raises(UnboundedLabelError, match=r"rollcall_visits_total: .* label user"):
        families(registry)
