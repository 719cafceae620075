"""Dashboards that Grafana can load, and that a person can read."""

from __future__ import annotations

import re

from deploy.pages.metrics import families, services
from tests.grafana_dashboards import (
    ANALYTICS,
    DASHBOARDS,
    PROMETHEUS,
    loaded,
    panels,
    questions,
)
from tests.prometheus_rules import ROOT, rules
from tests.yaml_text import read_yaml

PROVISIONING = ROOT / "deploy/grafana/provisioning"


def test_each_is_found_under_a_name_of_its_own() -> None:
    found = {dashboard["uid"]: dashboard["title"] for dashboard in loaded()}
    assert found.keys() == {f"rollcall-{path.stem}" for path in DASHBOARDS}
    assert len(set(found.values())) == len(found) == 6


def test_every_panel_says_what_it_shows_in_which_unit_and_from_where() -> None:
    for dashboard in loaded():
        seen = set()
        for panel in panels(dashboard):
            name = f"{dashboard['title']}: {panel['title']}"
            assert panel["description"].endswith("."), name
            assert panel["fieldConfig"]["defaults"]["unit"], name
            assert panel["datasource"]["uid"] in (PROMETHEUS, ANALYTICS), name
            seen.add(panel["id"])
            for target in panel["targets"]:
                assert target["datasource"] == panel["datasource"], name
                if panel["type"] == "timeseries" and "expr" in target:
                    assert target["legendFormat"], name
        assert len(seen) == len(panels(dashboard))


def test_panels_do_not_lie_on_each_other() -> None:
    for dashboard in loaded():
        taken: set[tuple[int, int]] = set()
        for panel in dashboard["panels"]:
            place = panel["gridPos"]
            cells = {
                (x, y)
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            }
            assert not cells & taken, panel["title"]
            assert place["x"] + place["w"] <= 24, panel["title"]
            taken |= cells


def test_the_sources_are_the_provisioned_ones_and_hold_no_password() -> None:
    text = (PROVISIONING / "datasources/rollcall.yml").read_text("utf-8")
    sources = read_yaml(text)["datasources"]
    assert {source["uid"] for source in sources} == {PROMETHEUS, ANALYTICS}
    for source in sources:
        assert re.fullmatch(r"\$\{GRAFANA_\w+\}", source["url"])
        for secret in source.get("secureJsonData", {}).values():
            assert secret.startswith(("$__file{", "${")), "a secret is read from outside"


#: Metrics that neither a panel nor an alert asks for, and who asks for them.
ASKED_BY_NOBODY = {
    "rollcall_alerts_failures_total": "looked up where looking is behind, which has an alert",
    "rollcall_alerts": "rollcall alerts list says more",
    "rollcall_alerts_firing": "rollcall alerts list says more",
    "rollcall_alerts_notices_total": "charts of the dashboard mark them",
    "rollcall_api_build_info": "the Health page shows versions",
    "rollcall_audit_checked_ratio": "the age and the differences of an audit have alerts",
    "rollcall_canary_as_of_age_seconds": "looked up where canaries are shown wrong",
    "rollcall_canary_build_info": "its log says the version",
    "rollcall_canary_calls_total": "looked up where canaries are shown wrong",
    "rollcall_canary_devices": "to see that all run",
    "rollcall_canary_false_offline_total": "how often; for how long has an objective",
    "rollcall_canary_false_online_total": "how often; for how long has an alert",
    "rollcall_canary_undetected_total": "looked up where canaries are shown wrong",
    "rollcall_ingest_build_info": "the Health page shows versions",
    "rollcall_processor_build_info": "the Health page shows versions",
    "rollcall_ingest_not_tracked_total": "whoever opted out is nobody's trend",
    "rollcall_ingest_record_bytes": "sizing; events a record are shown",
    "rollcall_ingest_unknown_fields_total": "looked up when an app changes what it sends",
    "rollcall_ingest_workers": "of several workers only; restarts have an alert",
    "rollcall_notify_attempt_seconds": "looked up where a receiver is slow",
    "rollcall_notify_build_info": "the Health page shows versions",
    "rollcall_notify_partitions": "to see who has which; a process without any is ready",
    "rollcall_notify_stays": "sizing; the lag of webhooks has an alert",
    "rollcall_notify_webhooks": "rollcall webhooks list says more",
    "rollcall_processor_batch_wait_seconds": "looked up where events are visible late",
    "rollcall_processor_live_screens_corrected_total": "a fault that mends itself, and is logged",
    "rollcall_processor_log_time_seconds": "by partition, for a closer look; its age is shown",
    "rollcall_processor_maintenance_rows_total": "looked up where maintenance takes long",
    "rollcall_processor_next_offset": "by partition, to compare with Kafka's own tools",
    "rollcall_processor_partition_load_seconds": "looked up where a rebalance takes long",
    "rollcall_processor_records_total": "sizing; events and batches are shown",
    "rollcall_processor_retention_last_run_timestamp_seconds": "looked up for docs/privacy.md; "
    "maintenance that fails or stopped has alerts",
    "rollcall_processor_retention_removed_total": "looked up for docs/privacy.md",
    "rollcall_targeting_calls_total": "looked up where a delivery is stuck, which has an alert",
    "rollcall_targeting_deliveries": "the Audience page says more of each",
    "rollcall_targeting_failures_total": "looked up where a delivery is stuck",
    "rollcall_targeting_left_out_users_total": "of each delivery it is told with it",
    "rollcall_targeting_oldest_seconds": "looked up where a delivery is stuck",
    "rollcall_targeting_users_total": "of each delivery it is told with it",
    "rollcall_processor_users_online": "by partition; the fleet's is rollcall_online_users",
}


def test_every_metric_is_shown_or_alerted_on_or_has_a_reason_not_to_be() -> None:
    asked = [question.text for question in questions()] + [rule["expr"] for rule in rules()]
    words = {word for text in asked for word in re.findall(r"rollcall_\w+", text)}
    unasked = {
        family.name
        for registry in services().values()
        for family in families(registry)
        if not words & {family.name + suffix for suffix in ("", "_bucket", "_count", "_sum")}
    }
    assert unasked == ASKED_BY_NOBODY.keys()
    assert all(ASKED_BY_NOBODY.values())
