"""`make docs`: all that is made from the code, below a folder."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Final

from deploy.pages.calls import calls_page
from deploy.pages.metrics import metrics_page
from deploy.pages.privacy import privacy_page
from deploy.pages.settings import settings_page
from deploy.simulate.report.result import schema
from schemas.alerts.message_schema import message_schema_page as alerts_schema_page
from schemas.log.json_schema import events_schema_page
from schemas.webhooks.message import message_schema_page

_ROOT: Final = Path(__file__).parents[2]


def made() -> dict[str, str]:
    """Texts by path. Of pages that people write only the tables are made."""
    return {
        "docs/settings.md": settings_page(),
        "docs/metrics.md": metrics_page(),
        "docs/privacy.md": privacy_page((_ROOT / "docs/privacy.md").read_text("utf-8")),
        "docs/api.md": calls_page((_ROOT / "docs/api.md").read_text("utf-8")),
        "schemas/log/events.schema.json": events_schema_page(),
        "schemas/webhooks/message.schema.json": message_schema_page(),
        "schemas/alerts/message.schema.json": alerts_schema_page(),
        "deploy/simulate/report/report.schema.json": json.dumps(schema(), indent=1) + "\n",
    }


def main(folder: Path) -> None:
    for path, text in made().items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
