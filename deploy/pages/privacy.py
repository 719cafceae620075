"""``make docs``: the tables of docs/privacy.md: what is stored, from ``schemas/stored_data.py``,
and for how long, from the settings."""

from __future__ import annotations

from typing import Final

from api.settings import ApiSettings
from processor.settings import ProcessorSettings
from schemas.log.settings import KafkaSettings
from schemas.log.topic_retention import RETENTION, in_words
from schemas.log.topics import HOUR_MS, topic_specs
from schemas.stored_data import TABLES, TOPICS, Stored

BEGIN: Final = "<!-- made by make docs: begin -->\n"
END: Final = "<!-- made by make docs: end -->\n"
#: What is kept, where, by which setting, and after what if that is not plain.
RETENTIONS: Final = (
    ("events of phones", "topic `presence.events`", "log_retention_hours", ""),
    (
        "changes of users",
        "`changes`, topic `presence.changes`",
        "changes_retention_days",
        "",
    ),
    ("sign-outs", "topic `presence.sign_outs`", "sign_outs_retention_hours", ""),
    (
        "rejected events (a hash, never the body)",
        "topic `presence.rejects`",
        "rejects_retention_days",
        "",
    ),
    ("spans and sessions", "`spans`, `sessions`", "spans_retention_days", ""),
    ("days on which a user was active", "`user_days`", "user_days_retention_days", ""),
    ("users who are not seen any more", "`presence`", "users_retention_days", ""),
    (
        "windows of a minute, transitions",
        "`screen_minutes`, `screen_transitions`",
        "minutes_retention_days",
        "",
    ),
    (
        "samples of concurrency",
        "`concurrency_samples`, `screen_samples`",
        "samples_retention_days",
        "",
    ),
    ("rollups", "`screen_quarters` and the others", "rollups_retention_days", ""),
    (
        "engagement by version and platform",
        "`screen_version_hours`",
        "screen_versions_retention_days",
        "",
    ),
    (
        "keys of sketches, one a month",
        "`sketch_keys`",
        "changes_retention_days",
        " after the month's end",
    ),
    ("audit of exports", "`audience_exports`", "audience_exports_retention_days", ""),
    ("who looked", "`reads_audit`", "reads_audit_retention_days", ""),
    ("that an erasure or an opt-out was done", "`erasures`", "erasures_retention_days", ""),
    (
        "notes on the time axis",
        "`annotations`",
        "rollups_retention_days",
        " after what they tell of",
    ),
    (
        "views that readers keep",
        "`saved_views`",
        "rollups_retention_days",
        " after their last use",
    ),
    ("API keys that nobody uses", "`api_keys`", "api_keys_retention_days", ""),
    ("sessions of the dashboard", "`browser_sessions`", "session_seconds", " after their last use"),
)


def tables() -> str:
    """Markdown: tables about people, topics, tables about nobody."""
    return "\n".join([_about_people(), _topics(), _about_nobody()])


def retentions() -> str:
    """Markdown: each class of what is kept, for how long unless it is set otherwise."""
    lines = ["| what | where | kept | setting |\n", "| --- | --- | --- | --- |\n"]
    lines += [
        f"| {what} | {where} | {_default(name)}{after} | `ROLLCALL_{name.upper()}` |\n"
        for what, where, name, after in RETENTIONS
    ]
    return "".join(lines)


def privacy_page(page: str) -> str:
    """``page`` with these tables at their places."""
    head, before, between = page.split(BEGIN)
    _, middle = before.split(END)
    _, tail = between.split(END)
    return head + BEGIN + tables() + END + middle + BEGIN + retentions() + END + tail


def _default(name: str) -> str:
    fields = {**ApiSettings.model_fields, **ProcessorSettings.model_fields}
    default, unit = int(fields[name].default), name.rpartition("_")[2]
    if unit == "days":
        return f"{default} days"
    return in_words(default * {"hours": HOUR_MS, "seconds": 1000}[unit])


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
    specs = {spec.name: spec for spec in topic_specs(KafkaSettings())}
    lines = ["| topic | why | what is in a record | kept |\n", "| --- | --- | --- | --- |\n"]
    for name, topic in TOPICS.items():
        spec = specs[name]
        kept = "compacted: the last record of a key"
        if spec.kept_by:
            age = in_words(int(spec.settings[RETENTION]))
            kept = f"`ROLLCALL_{spec.kept_by.upper()}` ({age})"
        lines.append(f"| `{name}` | {topic.why} | {topic.holds} | {kept} |\n")
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
