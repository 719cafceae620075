"""Which tables the audit compares, by which columns, and why it leaves the others out. PURE.

A test holds this against ``schemas/stored_data.py``: every table is in one of the two lists.
"""

from __future__ import annotations

from typing import Final

_TOLD: Final = ("app_version", "device_info", "platform")

#: Columns in the order of ``snapshot.sql``, after ``partition`` and, of rows that are written once,
#: their place in the log (``log_offset``, ``event_index``, ``ordinal``).
CHANGES: Final = (
    *("at", "user_id", "device", "reason", "previous_state", "state", "previous_screen"),
    *("screen", "user_state", "user_screen", "app_version", "platform", "connections"),
)
SPANS: Final = (
    *("shown_until", "user_id", "device", "state", "screen", "started_at", "changed_at"),
    *("ended_at", "ended_by", "is_view", "session_start", "online_since", "name", *_TOLD),
    "told_before",
)
SESSIONS: Final = (
    *("shown_until", "user_id", "device", "started_at", "ended_at", "ended_by", "views"),
    *("visits", "foreground_ms", "entry_screen", "exit_screen", *_TOLD),
)
PRESENCE: Final = (
    *("user_id", "name", "state", "screen", "reason", "changed_at", "online_since"),
    *("last_active", "device_count", "device", *_TOLD, "token", "expires_at", "signed_out"),
    *("ended_in_foreground", "first_day", "active_day", "devices", "timer", "running_timers"),
    "canary",
)
MINUTES: Final = (
    *("views", "visits", "dwell_ms", "silent_dwell_ms", "exits", "bounces", "dwell_histogram"),
)

FLAGS: Final = ("opted_out", "at", "log_offset", "erased_until")
#: Of rollups, after what names their rows; engagement has the columns of minutes.
ENDED_SESSIONS: Final = (
    *("sessions", "duration_ms", "foreground_ms", "views", "bounces", "timed_out"),
    "duration_histogram",
)
CONCURRENCY: Final = (
    *("samples", "foreground_sum", "background_sum", "peak_online", "peak_online_at"),
    *("peak_foreground", "peak_foreground_at"),
)
ACTIVE: Final = ("active", "new", "weekly_active", "monthly_active")

#: What is compared of a user of whom the log tells nothing before a session began: the rest may
#: be of before.
IN_PART: Final[dict[str, tuple[str, ...]]] = {
    "presence": ("state", "screen", "changed_at", "online_since", "last_active", "device_count"),
    "changes": ("at", "user_id", "previous_state", "state", "user_state", "user_screen"),
    "spans": ("shown_until", "user_id", "state", "screen", "started_at", "ended_at", "ended_by"),
    "sessions": ("shown_until", "user_id", "started_at", "ended_at", "ended_by", "views"),
}

AUDITED: Final[dict[str, str]] = {
    "presence": "one row a user and, in `devices`, each of their devices",
    "signs_of_life": "with `presence`, whose newer half it is",
    "changes": "every row",
    "spans": "every row",
    "sessions": "every row",
    "user_days": "every row",
    "screen_minutes": "every row of the last 6 hours; beyond the cap of names by their sums",
    "screen_transitions": "every row of the last 6 hours, by their sums a quarter-hour",
    "concurrency_samples": "every row",
    "screen_samples": "every row; beyond the cap of names by their sums",
    "live_screens": "every row; what is beyond the cap of names by its sum",
    "stream_offsets": "`foreground`, `background`, `log_time`",
    "outages": "every row",
    "clock_steps": "every row",
    "erasures": "every row that the log asks for: kind, place, time",
    "privacy_flags": "whether and when, where the key of hashes is given",
    "screen_quarters": "every row since the last run and of 6 hours before it, by their minutes",
    "screen_hours": "as quarter-hours",
    "transition_quarters": "as quarter-hours of screens, by their transitions",
    "session_quarters": "as quarter-hours of screens, by their sessions",
    "concurrency_quarters": "as quarter-hours of screens, by their samples",
    "screen_version_hours": "every row since the last run, by its spans and sessions",
    "screen_hour_users": "every row since the last run: users within the sketch's error",
    "screen_days": "days since the last run and two before them, by their quarter-hours; users of "
    "new days within the sketch's error",
    "transition_days": "days since the last run and two before them, by their quarter-hours",
    "active_user_days": "days since the last run, by the days of users",
}

_SKETCH: Final = {
    "sketch": "bytes under a key that nobody reads; its estimate is compared",
    "sketch_month": "whose key the sketch is under",
}
#: Columns of audited tables that are not compared.
EXEMPT_COLUMNS: Final[dict[str, dict[str, str]]] = {
    "presence": {
        "sign_outs": "shows in what later events do",
        "sockets": "shows in what later events do",
        "stay": "shows in the span and the session that follow",
        "log_offset": "how rows are read again, no answer is made of it",
    },
    "signs_of_life": {
        "sockets": "shows in what later events do",
        "log_offset": "says which row is to be believed, and so compared",
    },
    "stream_offsets": {
        "published_through": "how far the feed is, not what it says",
        "policy": "input: what the log is read under",
        "graces": "shows in expiries",
        "silence": "shows in outages",
        "last_read": "how the log is known again",
        "live_screens_offset": "says whether `live_screens` is to be believed, and so compared",
        "signs_of_life_offset": "tells of processors of earlier releases",
    },
    "privacy_flags": {"fence_until": "shows in what later events do"},
    "erasures": {
        "user_hash": "not yet",
        "requested_at": "PostgreSQL's clock",
        "removed": "not yet",
    },
    "screen_hour_users": _SKETCH,
    "screen_days": {**_SKETCH, "users_at_most": "where it is told, nobody knows the number"},
}

_INPUT: Final = "input of the audit: what the log is read under"
_MAINTENANCE: Final = "work that maintenance has to do, not what it shows"
_STAFF: Final = "says nothing of users: the operator's own people and programs"
_DELIVERIES: Final = "how far webhooks are with presence.changes, not what the log says"
_TARGETING: Final = "who is still to be sent, and who was told not long ago, not what the log says"
_OURS: Final = "is not made of the log"
EXEMPT: Final[dict[str, str]] = {
    **dict.fromkeys(("policies", "lost_ranges", "deployment", "retention_progress"), _INPUT),
    **dict.fromkeys(
        ("late_quarters", "late_days", "erased_quarters", "erased_days", "rollup_progress"),
        _MAINTENANCE,
    ),
    **dict.fromkeys(
        (
            *("reads_audit", "audience_exports", "api_keys", "browser_sessions"),
            *("annotations", "saved_views", "webhooks", "alerts", "alert_notices"),
            *("share_links", "managed_audit"),
        ),
        _STAFF,
    ),
    **dict.fromkeys(("webhook_cursors", "webhook_dead_letters"), _DELIVERIES),
    **dict.fromkeys(("audience_deliveries", "audience_pages", "webhook_told"), _TARGETING),
    **dict.fromkeys(
        (
            *("sketch_keys", "user_hash_key", "small_groups", "reporting_zone", "api_secret"),
            *("schema_migrations", "audits"),
        ),
        _OURS,
    ),
    "screen_names": "which names have a place in the running minute; shows in the sums",
    "known_screens": "depends on how far other partitions were (promise 4); shows in the sums",
    "last_changes": "rows live for seconds, until they are published",
    "search_texts": "a copy of ids and names in `presence`, which triggers keep",
}
