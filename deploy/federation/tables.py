"""What a federation reads of its members, what it has of its own, and what it therefore refuses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

#: Tables of a member by name, with the columns that are read; ``None``: all. Nobody is named in any
#: of them: the grants of `rollcall migrate --federation-role` are these.
FOREIGN: Final[Mapping[str, tuple[str, ...] | None]] = {
    "schema_migrations": ("name",),
    "deployment": ("topic_id", "partitions"),
    "stream_offsets": (
        *("partition", "next_offset", "log_time", "foreground", "background"),
        *("policy", "graces", "silence", "live_screens_offset"),
    ),
    "clock_steps": None,
    "outages": None,
    "live_screens": None,
    "concurrency_samples": None,
    "screen_samples": None,
    "screen_minutes": None,
    "screen_quarters": None,
    "screen_hours": None,
    "screen_days": None,
    "screen_hour_users": None,
    "screen_version_hours": None,
    "screen_transitions": None,
    "transition_quarters": None,
    "transition_days": None,
    "rollup_progress": None,
    "retention_progress": None,
    "reporting_zone": None,
    "small_groups": None,
}
#: What the federation keeps itself: who may ask, what readers wrote, and what was done here.
OWN: Final = (
    *("schema_migrations", "api_keys", "api_secret", "browser_sessions", "share_links"),
    *("annotations", "saved_views", "managed_audit", "reads_audit", "audits", "audience_exports"),
)
