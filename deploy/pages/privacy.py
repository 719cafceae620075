"""``make docs``: the tables of docs/privacy.md, from ``schemas/stored_data.py``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from schemas.log.settings import KafkaSettings
from schemas.log.topics import topic_specs
from schemas.stored_data import TABLES, TOPICS, Stored

PAGE: Final = Path(__file__).parents[2] / "docs/privacy.md"
BEGIN: Final = "<!-- made by make docs: begin -->\n"
END: Final = "<!-- made by make docs: end -->\n"
_HOUR_MS: Final = 3_600_000
_DAYS_FROM_HOURS: Final = 96


def tables() -> str:
    """Markdown: tables about people, topics, tables about nobody."""
    return "\n".join([_about_people(), _topics(), _about_nobody()])


def privacy_page(page: str) -> str:
    """``page`` with these tables at their place."""
    head, rest = page.split(BEGIN)
    _, tail = rest.split(END)
    return head + BEGIN + tables() + END + tail


def _about_people() -> str:
    lines = [
        "| table | why | whom it names | what it tells of them | kept | goes by |\n",
        "| --- | --- | --- | --- | --- | --- |\n",
    ]
    lines += [
        f"| `{name}` | {stored.why} | {_listed(stored.names, stored.staff)} "
        f"| {_listed(stored.tells)} | {stored.kept} | {stored.goes} |\n"
        for name, stored in TABLES.items()
        if _has_people(stored)
    ]
    return "".join(lines)


def _topics() -> str:
    kept = {spec.name: spec.settings.get("retention.ms") for spec in topic_specs(KafkaSettings())}
    lines = ["| topic | why | what is in a record | kept |\n", "| --- | --- | --- | --- |\n"]
    lines += [
        f"| `{name}` | {topic.why} | {topic.holds} | {_age(kept[name])} |\n"
        for name, topic in TOPICS.items()
    ]
    return "".join(lines)


def _about_nobody() -> str:
    lines = ["| table that names nobody | why | kept |\n", "| --- | --- | --- |\n"]
    lines += [
        f"| `{name}` | {stored.why} | {stored.kept} |\n"
        for name, stored in TABLES.items()
        if not _has_people(stored)
    ]
    return "".join(lines)


def _has_people(stored: Stored) -> bool:
    return bool(stored.names or stored.tells or stored.staff)


def _listed(*columns: str) -> str:
    return ", ".join(f"`{name}`" for name in " ".join(columns).split()) or "nothing"


def _age(ms: str | None) -> str:
    if ms is None:
        return "compacted: the last record of a key"
    hours = int(ms) // _HOUR_MS
    return f"{hours} h" if hours < _DAYS_FROM_HOURS else f"{hours // 24} days"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(privacy_page(PAGE.read_text("utf-8")), "utf-8")
