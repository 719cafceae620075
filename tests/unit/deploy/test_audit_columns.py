"""Every table is audited or says why it is not, and so is every column of the audited ones."""

from __future__ import annotations

from deploy.audit.columns import (
    ACTIVE,
    AUDITED,
    CHANGES,
    CONCURRENCY,
    ENDED_SESSIONS,
    EXEMPT,
    EXEMPT_COLUMNS,
    FLAGS,
    MINUTES,
    PRESENCE,
    SESSIONS,
    SPANS,
)
from schemas.stored_data import TABLES

#: How rows are found; compared with the rest of them.
_PLACE = {"partition", "log_offset", "event_index", "ordinal"}
COMPARED = {
    "presence": {*PRESENCE},
    "signs_of_life": {"user_id", "last_active", "expires_at", "token", "timer"},
    "changes": {*CHANGES, *_PLACE},
    "spans": {*SPANS, *_PLACE},
    "sessions": {*SESSIONS, *_PLACE},
    "user_days": {"day", "user_id", "is_new", "app_version", "device_info", "platform"},
    "screen_minutes": {"minute", "screen", *MINUTES},
    "screen_transitions": {"quarter", "from_screen", "to_screen", "transitions"},
    "concurrency_samples": {"at", "foreground", "background"},
    "screen_samples": {"at", "screen", "foreground"},
    "live_screens": {"screen", "foreground"},
    "stream_offsets": {"next_offset", "foreground", "background", "log_time"},
    "outages": {"kind", "started_at", "ended_at"},
    "clock_steps": {"log_offset", "from_time", "to_time"},
    "erasures": {"erasure_id", "kind", "log_offset", "erased_at"},
    "privacy_flags": {"user_hash", *FLAGS},
    "screen_quarters": {"quarter", "screen", *MINUTES},
    "screen_hours": {"hour", "screen", *MINUTES},
    "screen_days": {"day", "screen", *MINUTES, "users"},
    "screen_version_hours": {"hour", "screen", "app_version", "platform", *MINUTES, "users"},
    "screen_hour_users": {"hour", "screen", "users"},
    "transition_quarters": {"quarter", "from_screen", "to_screen", "transitions"},
    "transition_days": {"day", "from_screen", "to_screen", "transitions"},
    "session_quarters": {"quarter", *ENDED_SESSIONS},
    "concurrency_quarters": {"quarter", *CONCURRENCY},
    "active_user_days": {"day", *ACTIVE},
}


def test_every_table_is_audited_or_says_why_not() -> None:
    assert AUDITED.keys().isdisjoint(EXEMPT)
    assert AUDITED.keys() | EXEMPT.keys() == TABLES.keys()
    assert all(reason.strip() for reason in (*AUDITED.values(), *EXEMPT.values()))


def test_every_column_of_an_audited_table_is_compared_or_says_why_not() -> None:
    assert COMPARED.keys() == AUDITED.keys()
    for table, compared in COMPARED.items():
        columns = set(TABLES[table].columns()) - {"partition"}
        exempt = EXEMPT_COLUMNS.get(table, {})
        assert compared.isdisjoint(exempt), table
        assert compared - {"partition"} | exempt.keys() == columns, table
