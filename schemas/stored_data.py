"""What is stored of people: every column of every table and every topic, by what it says of whom.

``docs/privacy.md`` is made of it, and a test holds it against the schema: a column that is added
must be classified in the same commit.

    names    whom a row is about: an id, a name, or what leads to one
    tells    something of that person
    staff    who of the operator's own people or programs did something
    counts   sums and sketches of many
    runs     how Rollcall itself runs
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True)
class Stored:
    """A table or a topic. ``kept`` names a setting or says how long; ``goes`` says by what."""

    why: str
    kept: str
    goes: str
    names: str = ""
    tells: str = ""
    staff: str = ""
    counts: str = ""
    runs: str = ""

    def columns(self) -> list[str]:
        """All of them, classified."""
        return " ".join((self.names, self.tells, self.staff, self.counts, self.runs)).split()


_PLACE: Final = "partition log_offset event_index ordinal"
_SUMS: Final = "screen views visits dwell_ms silent_dwell_ms dwell_histogram exits bounces"
_ROLLUPS: Final = "`ROLLCALL_ROLLUPS_RETENTION_DAYS`"
_FOREVER: Final = "as long as the deployment"
_BY_DAY: Final = "maintenance drops the day"
_BY_ROW: Final = "maintenance deletes rows"

TABLES: Final[dict[str, Stored]] = {
    "presence": Stored(
        "who is online, where, and why we say so",
        "`ROLLCALL_USERS_RETENTION_DAYS` after they were last seen",
        "maintenance removes the user",
        names="user_id name device token devices",
        tells="state reason screen changed_at online_since last_active device_count app_version "
        "device_info platform expires_at signed_out sign_outs sockets ended_in_foreground stay "
        "first_day active_day timer running_timers",
        runs="partition log_offset canary",
    ),
    "signs_of_life": Stored(
        "until when a user is online if nothing more is heard of them",
        "as long as the user's row of `presence`",
        "with it",
        names="user_id token",
        tells="last_active expires_at sockets timer",
        runs="log_offset",
    ),
    "search_texts": Stored(
        "what a search finds users by; empty where it has no index",
        "as long as the user's row of `presence`",
        "with it",
        names="user_id name",
    ),
    "changes": Stored(
        "time travel, a user's timeline, the feed, `presence.changes`",
        "`ROLLCALL_CHANGES_RETENTION_DAYS`",
        _BY_DAY,
        names="user_id device",
        tells="at reason previous_state state previous_screen screen user_state user_screen "
        "app_version platform connections",
        runs=_PLACE,
    ),
    "spans": Stored(
        "time travel, a user's timeline, audiences, visits of analytics",
        "`ROLLCALL_SPANS_RETENTION_DAYS`",
        _BY_DAY,
        names="user_id device name",
        tells="shown_until state screen started_at changed_at ended_at ended_by is_view "
        "session_start online_since app_version device_info platform told_before",
        runs=_PLACE,
    ),
    "sessions": Stored(
        "a user's timeline, how long sessions are",
        "`ROLLCALL_SPANS_RETENTION_DAYS`",
        _BY_DAY,
        names="user_id device",
        tells="shown_until started_at ended_at ended_by views visits foreground_ms entry_screen "
        "exit_screen app_version device_info platform",
        runs=_PLACE,
    ),
    "user_days": Stored(
        "daily, weekly and monthly active users, breakdowns",
        "`ROLLCALL_USER_DAYS_RETENTION_DAYS`",
        _BY_DAY,
        names="user_id",
        tells="day is_new app_version device_info platform",
        runs="partition",
    ),
    "screen_names": Stored(
        "which names of screens count as themselves",
        "two minutes",
        _BY_ROW,
        names="brought_by",
        tells="minute screen",
        runs="partition",
    ),
    "known_screens": Stored(
        "which names of screens keep their places; checksums of up to five users each",
        "names while they are used, checksums until the day (UTC) ends",
        "the processor replaces it",
        names="state",
        runs="partition",
    ),
    "screen_minutes": Stored(
        "what rollups are made of",
        "`ROLLCALL_MINUTES_RETENTION_DAYS`",
        _BY_DAY,
        counts=f"minute {_SUMS}",
        runs="partition",
    ),
    "screen_transitions": Stored(
        "what rollups are made of",
        "`ROLLCALL_MINUTES_RETENTION_DAYS`",
        _BY_DAY,
        counts="quarter from_screen to_screen transitions",
        runs="partition",
    ),
    "concurrency_samples": Stored(
        "how many are online at once",
        "`ROLLCALL_SAMPLES_RETENTION_DAYS`",
        _BY_DAY,
        counts="at foreground background",
        runs="partition",
    ),
    "screen_samples": Stored(
        "how many are on a screen at once",
        "`ROLLCALL_SAMPLES_RETENTION_DAYS`",
        _BY_DAY,
        counts="at screen foreground",
        runs="partition",
    ),
    "live_screens": Stored(
        "how many are on a screen now",
        "while somebody is on it",
        "the processor replaces it",
        counts="screen foreground",
        runs="partition",
    ),
    "screen_quarters": Stored("engagement by screen", _ROLLUPS, _BY_ROW, counts=f"quarter {_SUMS}"),
    "screen_hours": Stored("engagement by screen", _ROLLUPS, _BY_ROW, counts=f"hour {_SUMS}"),
    "screen_days": Stored(
        "engagement by screen; a sketch of its users",
        _ROLLUPS,
        _BY_ROW,
        names="sketch",
        counts=f"day {_SUMS} users users_at_most",
        runs="sketch_month",
    ),
    "screen_hour_users": Stored(
        "users by screen; a sketch of them",
        _ROLLUPS,
        _BY_ROW,
        names="sketch",
        counts="hour screen users",
        runs="sketch_month",
    ),
    "screen_version_hours": Stored(
        "engagement by screen, version and platform",
        "`ROLLCALL_SCREEN_VERSIONS_RETENTION_DAYS`",
        _BY_ROW,
        counts=f"hour {_SUMS} users app_version platform",
    ),
    "sketch_keys": Stored(
        "the keys under which sketches hold user ids, one a month",
        "until the month's changes have gone (`ROLLCALL_CHANGES_RETENTION_DAYS`)",
        "maintenance destroys it",
        names="key",
        runs="month",
    ),
    "transition_quarters": Stored(
        "paths between screens",
        _ROLLUPS,
        _BY_ROW,
        counts="quarter from_screen to_screen transitions",
    ),
    "transition_days": Stored(
        "paths between screens", _ROLLUPS, _BY_ROW, counts="day from_screen to_screen transitions"
    ),
    "session_quarters": Stored(
        "how long sessions are",
        _ROLLUPS,
        _BY_ROW,
        counts="quarter sessions duration_ms duration_histogram foreground_ms views bounces "
        "timed_out",
    ),
    "concurrency_quarters": Stored(
        "how many were online at once",
        _ROLLUPS,
        _BY_ROW,
        counts="quarter samples foreground_sum background_sum peak_online peak_online_at "
        "peak_foreground peak_foreground_at",
    ),
    "active_user_days": Stored(
        "active users", _ROLLUPS, _BY_ROW, counts="day active new weekly_active monthly_active"
    ),
    "reads_audit": Stored(
        "who looked at whom",
        "`ROLLCALL_READS_AUDIT_RETENTION_DAYS`",
        _BY_DAY,
        names="subject",
        staff="minute who_kind who call",
        counts="calls users",
    ),
    "audience_exports": Stored(
        "who took a list of users out",
        "`ROLLCALL_AUDIENCE_EXPORTS_RETENTION_DAYS`",
        _BY_ROW,
        staff="started_at ended_at who who_kind format filter outcome as_of problem destination",
        counts="rows",
        runs="id resumes",
    ),
    "audience_deliveries": Stored(
        "audiences that are sent to a push provider, and how far each is",
        "`ROLLCALL_AUDIENCE_EXPORTS_RETENTION_DAYS`",
        _BY_ROW,
        staff="name push created_at cancel_wanted_at resumed_at",
        counts="users sent left_out sent_before",
        runs="id destination calls_per_second as_of pages next_page attempts problem next_at "
        "holder held_until ended_at audit",
    ),
    "audience_pages": Stored(
        "users of an audience who are still to be sent",
        "until they were sent; of a delivery that failed or is resumed longer, three days at most",
        "an erasure or opt-out removes the user; notify, maintenance",
        names="user_ids",
        runs="delivery page",
    ),
    "managed_audit": Stored(
        "who made, changed and ended webhooks, alerts, share links and deliveries of audiences",
        "`ROLLCALL_READS_AUDIT_RETENTION_DAYS`",
        _BY_ROW,
        staff="at who_kind who details",
        runs="id kind managed action",
    ),
    "annotations": Stored(
        "notes on the time axis, such as releases",
        f"{_ROLLUPS} after what they tell of",
        _BY_ROW,
        staff="at kind text who_kind who created_at",
        runs="id",
    ),
    "saved_views": Stored(
        "addresses of the dashboard that readers keep; none names a user",
        f"{_ROLLUPS} after their last use",
        _BY_ROW,
        staff="who_kind who name address created_at changed_at used_at",
        runs="id",
    ),
    "api_keys": Stored(
        "which programs may read",
        "`ROLLCALL_API_KEYS_RETENTION_DAYS` after its last use",
        _BY_ROW,
        staff="name digest scopes created_at expires_at last_used_at revoked_at",
        runs="id",
    ),
    "share_links": Stored(
        "links by which people without a login see the numbers of Live; of a token its hash",
        "until it ends: 30 days at most",
        "maintenance, or somebody with `presence:manage`",
        staff="name created_by created_at expires_at",
        runs="id token_hash",
    ),
    "browser_sessions": Stored(
        "the dashboard's sessions; tokens sealed with a key that only the cookie gives",
        "`ROLLCALL_SESSION_SECONDS` after the last use",
        "the next login deletes what is over",
        staff="digest owner token used_at expires_at",
    ),
    "audits": Stored(
        "what `rollcall audit` found, by run",
        "the latest 400 runs",
        "the next run",
        counts="users percent_in_full rows_compared differences",
        runs="id finished_at as_of",
    ),
    "stream_offsets": Stored(
        "where each partition of the log goes on",
        _FOREVER,
        "with the database",
        counts="foreground background",
        runs="partition next_offset log_time published_through policy graces silence last_read "
        "live_screens_offset signs_of_life_offset",
    ),
    "privacy_flags": Stored(
        "who opted out or was erased, by a keyed hash",
        "kept: it is what holds the opt-out",
        "an operator",
        names="user_hash",
        tells="opted_out at erased_until fence_until",
        runs="partition log_offset",
    ),
    "erasures": Stored(
        "proof that somebody was erased, by a keyed hash",
        "`ROLLCALL_ERASURES_RETENTION_DAYS`",
        _BY_ROW,
        names="user_hash",
        tells="kind requested_at erased_at removed",
        runs="erasure_id partition log_offset",
    ),
    "last_changes": Stored(
        "the one last change of a user who left, until it is published",
        "seconds",
        "the processor deletes it",
        names="user_id device",
        tells="at reason previous_state state previous_screen screen user_state user_screen "
        "app_version platform connections",
        runs=_PLACE,
    ),
    "webhooks": Stored(
        "who is told of changes; secrets are encrypted",
        "until they are deleted",
        "somebody with `presence:manage`, or `rollcall webhooks`",
        staff="created_by",
        runs="id url filter created_at secret previous_secret previous_until disabled_at "
        "disabled_why",
    ),
    "webhook_cursors": Stored(
        "how far webhooks are, and the message that is being delivered: up to 100 changes",
        "a message until it is delivered, about a day at most",
        "notify",
        names="body",
        runs="webhook partition dead_letter next_offset until_offset delivered_through message_id "
        "changes message_next_offset oldest_at fixed_at attempts problem",
    ),
    "webhook_dead_letters": Stored(
        "what could not be delivered, as offsets",
        "until it is replayed, 30 days at most",
        "notify",
        runs="id webhook partition from_offset next_offset changes why first_at last_at "
        "replaying_since",
    ),
    "webhook_told": Stored(
        "whom a live audience has told, so that it does not tell them again",
        "the window of the live audience, 30 days at most",
        "notify, when the window is over or the user was erased or opted out",
        names="user_id",
        tells="told at until",
        runs="webhook dead_letter partition",
    ),
    "alerts": Stored(
        "rules of product alerts, whom each tells (perhaps an e-mail address of your staff), and "
        "how far each was looked at; secrets are encrypted",
        "until they are deleted",
        "somebody with `presence:manage`, or `rollcall alerts`",
        staff="created_by address",
        runs="id rule target secret previous_secret previous_until state created_at",
    ),
    "alert_notices": Stored(
        "what product alerts told: counts, and names of screens and versions",
        "30 days once it is told or given up",
        "notify",
        runs="id alert kind at body created_at attempts next_at problem delivered_at given_up_at",
    ),
    "erased_quarters": Stored(
        "what is not rolled up again", "while it could be", _BY_ROW, runs="quarter"
    ),
    "erased_days": Stored("what is not rolled up again", "while it could be", _BY_ROW, runs="day"),
    "user_hash_key": Stored(
        "the fingerprint of the key of hashes",
        _FOREVER,
        "with the database",
        runs="only_row fingerprint claimed_at",
    ),
    "deployment": Stored(
        "which log the database belongs to",
        _FOREVER,
        "with the database",
        runs="only_row topic topic_id partitions created_at signs_of_life log_base "
        "former_topic_ids",
    ),
    "policies": Stored(
        "which durations were in force",
        _FOREVER,
        "with the database",
        runs="partition from_offset policy",
    ),
    "outages": Stored(
        "silences that were ours",
        _FOREVER,
        "with the database",
        runs="partition kind started_at ended_at",
    ),
    "clock_steps": Stored(
        "when the broker's clock was wrong",
        "the latest 64 a partition",
        "the next one",
        runs="partition log_offset from_time to_time",
    ),
    "lost_ranges": Stored(
        "records whose loss somebody accepted",
        _FOREVER,
        "with the database",
        runs="partition from_offset to_offset accepted_at",
    ),
    "late_quarters": Stored(
        "what is to be rolled up again",
        "until it is",
        _BY_ROW,
        runs="quarter partition log_offset",
    ),
    "late_days": Stored("what is to be rolled up again", "until it is", _BY_ROW, runs="day"),
    "rollup_progress": Stored(
        "how far rollups are", _FOREVER, "with the database", runs="rollup through"
    ),
    "small_groups": Stored(
        "which groups are too small to be told apart",
        _FOREVER,
        "nothing",
        runs="only_row min_group_size",
    ),
    "retention_progress": Stored(
        "what retention has removed", _FOREVER, "with the database", runs="table_name kept_from"
    ),
    "reporting_zone": Stored(
        "whose days are counted", _FOREVER, "with the database", runs="only_row time_zone since"
    ),
    "api_secret": Stored(
        "what cursors and sessions are marked with",
        _FOREVER,
        "with the database",
        runs="one_row secret",
    ),
    "schema_migrations": Stored(
        "which migrations were applied",
        _FOREVER,
        "with the database",
        runs="name checksum applied_at",
    ),
}


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic; Kafka deletes its records by their age."""

    why: str
    holds: str
    people: bool = field(default=True)


TOPICS: Final[dict[str, Topic]] = {
    "presence.events": Topic(
        "what phones said; everything else is made of it",
        "user id, name, identity of the token, device, app state, screen, version, device text, "
        "platform; never a token or a client address",
    ),
    "presence.changes": Topic(
        "the feed for other systems", "user id, device, states, screens, version, platform"
    ),
    "presence.sign_outs": Topic("which sockets are to be closed", "user id, device, connections"),
    "presence.privacy": Topic(
        "who opted out, for ingest",
        "keyed hash of the user id, the flag, when; and the fingerprint of the key",
    ),
    "presence.rejects": Topic(
        "which events could not be read",
        "cause, offset, a hash of the record; never the body",
        people=False,
    ),
}
