"""Every rule is valid, and every alert is seen to fire, seen to be silent, and in the runbook."""

from __future__ import annotations

import os
import re
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

from tests.prometheus_rules import FOLDER, ROOT, RULE_FILES, TEST_FILES, alerts, tool
from tests.yaml_text import read_yaml

RUNBOOK = ROOT / "docs/runbook.md"
SEVERITIES = {"page", "ticket"}
#: What there is to tell is that there is none, or that it is so.
WITHOUT_NUMBER = {
    *("RollcallNoProcessor", "RollcallNoIngest", "RollcallNoApi", "RollcallNoTicks"),
    *("RollcallMaintenanceStopped", "RollcallRetentionStopped", "RollcallTargetDown"),
    *("RollcallIngestKafkaAway", "RollcallApiCannotReadPostgres", "RollcallCanariesBlind"),
}


def test_promtool_takes_the_rules_and_the_configuration() -> None:
    done = subprocess.run(
        [tool("promtool"), "check", "rules", *map(str, RULE_FILES)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    done = subprocess.run(
        [tool("promtool"), "check", "config", str(FOLDER / "prometheus.yml")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", TEST_FILES, ids=lambda path: path.stem)
def test_alerts_fire_when_they_should_and_only_then(path: Path) -> None:
    # Garbage is looked for later: it takes a fifth of the time.
    done = subprocess.run(
        [tool("promtool"), "test", "rules", str(path)],
        capture_output=True,
        text=True,
        env={**os.environ, "GOGC": "400"},
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tested_firing_and_silent() -> None:
    seen: dict[str, set[bool]] = defaultdict(set)
    rates: dict[str, set[str]] = defaultdict(set)
    for path in TEST_FILES:
        for test in read_yaml(path.read_text("utf-8"))["tests"]:
            for case in test["alert_rule_test"]:
                fired = case.get("exp_alerts", [])
                seen[case["alertname"]].add(bool(fired))
                for alert in fired:
                    if "burn_rate" in alert["exp_labels"]:
                        rates[case["alertname"]].add(alert["exp_labels"]["burn_rate"])
    assert set(seen) == {alert["alert"] for alert in alerts()}
    for name, outcomes in seen.items():
        assert outcomes == {True, False}, name
    for name, found in rates.items():
        own = {a["labels"]["burn_rate"] for a in alerts() if a["alert"] == name}
        assert found == own, name


def test_every_alert_says_what_a_person_needs() -> None:
    for alert in alerts():
        name, annotations = alert["alert"], alert["annotations"]
        assert name.startswith("Rollcall"), name
        assert alert["labels"]["severity"] in SEVERITIES, name
        assert annotations.keys() == {"summary", "description", "runbook_url"}, name
        assert annotations["runbook_url"] == f"docs/runbook.md#{name.lower()}", name
        description = annotations["description"]
        assert "$value" in description or name in WITHOUT_NUMBER, name


def test_the_runbook_has_a_section_for_every_alert_and_for_nothing_else() -> None:
    text = RUNBOOK.read_text("utf-8")
    sections = re.split(r"^### ", text, flags=re.MULTILINE)[1:]
    names = [section.split("\n", 1)[0] for section in sections]
    assert sorted(names) == sorted({alert["alert"] for alert in alerts()})
    for section in sections:
        for part in ("**Means**", "**Look**", "**Do**"):
            assert part in section, section.split("\n", 1)[0]
