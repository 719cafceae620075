-- Who opted out or was erased, by keyed hash, and what an erasure removed. Design, promise 8.

-- One row: the fingerprint of ROLLCALL_USER_HASH_KEY (schemas/service/user_hash.py), claimed by the first
-- service that has a key. Never changed: nobody could say any more who had opted out.
CREATE TABLE user_hash_key (
    only_row    boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    fingerprint text NOT NULL,
    claimed_at  timestamptz NOT NULL DEFAULT now()  -- by PostgreSQL's clock
);

-- One row a user who ever opted out, opted in or was erased: as of the last such event.
CREATE TABLE privacy_flags (
    user_hash    bytea PRIMARY KEY,
    "partition"  integer NOT NULL,
    opted_out    boolean NOT NULL,
    log_offset   bigint NOT NULL,
    at           timestamptz NOT NULL,
    erased_until timestamptz,           -- what is of log time up to then is gone; NULL: nothing was
    fence_until  timestamptz            -- events of the user are ignored until then
);
-- Those to be published, and those of a partition that is loaded.
CREATE INDEX privacy_flags_by_offset ON privacy_flags ("partition", log_offset);

-- One row an erasure or opt-out, by the id that the caller got.
CREATE TABLE erasures (
    erasure_id   text PRIMARY KEY,
    user_hash    bytea NOT NULL,
    kind         text NOT NULL CHECK (kind IN ('erased', 'opted_out')),
    requested_at timestamptz NOT NULL DEFAULT now(),  -- by PostgreSQL's clock
    "partition"  integer NOT NULL,
    log_offset   bigint,                -- of its event; NULL until that is processed
    erased_at    timestamptz,           -- log time; NULL until then
    removed      jsonb                  -- rows by table
);
CREATE INDEX erasures_by_time ON erasures (requested_at);

-- The one last change of a user who left: the outbox of presence.changes, gone once it is published.
CREATE TABLE last_changes (
    LIKE changes INCLUDING DEFAULTS,
    PRIMARY KEY ("partition", log_offset, event_index, ordinal)
);

-- Quarter-hours and days from which an erasure took rows: what they were rolled up to stays.
CREATE TABLE erased_quarters (quarter timestamptz PRIMARY KEY);
CREATE TABLE erased_days (day date PRIMARY KEY);

-- An erasure finds a user's days.
CREATE INDEX user_days_by_user ON user_days (user_id);
