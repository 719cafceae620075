"""What deploy/grafana holds: dashboards, their panels, and what each asks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from tests.prometheus_rules import ROOT

DASHBOARDS: Final = sorted((ROOT / "deploy/grafana/dashboards").glob("*.json"))
PROMETHEUS: Final = "rollcall-prometheus"
ANALYTICS: Final = "rollcall-analytics"


@dataclass(frozen=True)
class Question:
    """What a panel, an annotation or a variable asks. ``text`` is PromQL or SQL with Grafana's
    variables in it."""

    dashboard: str
    asked_by: str
    source: str
    text: str

    @property
    def promql(self) -> str:
        """With values for Grafana's variables."""
        expression = self.text.replace("$__rate_interval", "10s")
        for name in ("namespace", "instance"):
            expression = expression.replace(f"${name}", ".*")
        assert "$" not in expression, expression
        return expression


def loaded() -> list[dict[str, Any]]:
    return [json.loads(path.read_text("utf-8")) for path in DASHBOARDS]


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    """Without rows."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def questions() -> Iterator[Question]:
    """Of panels and annotations."""
    for dashboard in loaded():
        title = dashboard["title"]
        for panel in panels(dashboard):
            for target in panel["targets"]:
                text = target.get("expr") or target["rawSql"]
                yield Question(title, panel["title"], target["datasource"]["uid"], text)
        for annotation in dashboard["annotations"]["list"]:
            source = annotation["datasource"]["uid"]
            yield Question(title, f"annotation {annotation['name']}", source, annotation["expr"])
