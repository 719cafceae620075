-- Presence: who is online now, and the stream position that makes every batch count exactly once.
-- Design: sections 6 and 7. Times are log time (the broker's clock) unless a comment says otherwise.

-- Ordered from worst to best: a user has the best state of their devices.
CREATE TYPE presence_state AS ENUM ('offline', 'background', 'foreground');

CREATE TYPE change_reason AS ENUM (
    'started', 'resumed', 'navigated', 'backgrounded', 'logged_out',
    'timed_out', 'disconnected', 'opted_out', 'erased', 'evicted'
);

-- One row: what this deployment was created with. Another partition count would send a user's
-- events elsewhere; another topic would be another log.
CREATE TABLE deployment (
    only_row   boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    topic      text NOT NULL,
    topic_id   uuid NOT NULL,
    partitions integer NOT NULL CHECK (partitions > 0),
    created_at timestamptz NOT NULL DEFAULT now()  -- by PostgreSQL's clock
);

-- One row a partition, made for all partitions at once. Advancing next_offset from the expected
-- value is the fence: whoever cannot has lost the partition and nothing of their batch counts.
CREATE TABLE stream_offsets (
    "partition"       integer PRIMARY KEY,
    next_offset       bigint NOT NULL,
    log_time          timestamptz,             -- NULL until the first record
    published_through bigint NOT NULL,         -- changes of records below it are on presence.changes
    foreground        bigint NOT NULL DEFAULT 0,  -- live counts of users
    background        bigint NOT NULL DEFAULT 0,
    policy            jsonb,                   -- in force; NULL until the first batch
    graces            jsonb NOT NULL DEFAULT '[]'  -- [[outage end, online until at least], …] in ms
) WITH (fillfactor = 50);

-- Which policy held from which offset on, so that a replay gives the same rows (promise 4).
CREATE TABLE policies (
    "partition" integer NOT NULL,
    from_offset bigint NOT NULL,
    policy      jsonb NOT NULL,
    PRIMARY KEY ("partition", from_offset)
);

-- Silences that were ours (promise 3).
CREATE TABLE outages (
    "partition" integer NOT NULL,
    kind        text NOT NULL CHECK (kind IN ('jump', 'ticks_only', 'lost_range')),
    started_at  timestamptz NOT NULL,
    ended_at    timestamptz NOT NULL,
    PRIMARY KEY ("partition", started_at)
);

-- One row a user. The columns after device_count are the only device of the usual one-device user;
-- where devices is set it holds all of them and those columns repeat the one that gives the screen.
-- Columns that every heartbeat changes (last_active, expires_at) are in no index: updates are HOT.
CREATE TABLE presence (
    user_id      text COLLATE "C" PRIMARY KEY,
    "partition"  integer NOT NULL,
    name         text,
    state        presence_state NOT NULL,
    reason       change_reason NOT NULL,
    screen       text,
    changed_at   timestamptz NOT NULL,
    online_since timestamptz,
    last_active  timestamptz,
    device_count smallint NOT NULL,            -- devices online
    device       text,
    app_version  text,
    device_info  text,
    platform     text,
    token        text,                         -- identity of the last token, never the token
    expires_at   timestamptz,
    signed_out   boolean NOT NULL,
    -- NULL for a one-device user, else an array of every remembered device: device, state, reason,
    -- screen, app_version, device_info, platform, token, signed_out and, in Unix milliseconds,
    -- last_active_ms, online_since_ms, changed_ms, expires_ms.
    devices      jsonb,
    sign_outs    jsonb                         -- NULL without a recent logout (promise 5)
) WITH (fillfactor = 70);

CREATE INDEX presence_online_by_partition ON presence ("partition") WHERE state <> 'offline';
CREATE INDEX presence_online_by_change ON presence (changed_at DESC, user_id)
    WHERE state <> 'offline';
CREATE INDEX presence_online_by_screen ON presence (screen, changed_at DESC, user_id)
    WHERE state <> 'offline';
CREATE INDEX presence_by_change ON presence (changed_at DESC, user_id);
-- COLLATE "C" serves LIKE 'prefix%'; not partial, or PostgreSQL has no statistics of lower(name) to plan with.
CREATE INDEX presence_by_name ON presence (lower(name) COLLATE "C");

-- Every change of a device's state or screen: the outbox of presence.changes, and history.
CREATE TABLE changes (
    at              timestamptz NOT NULL,
    "partition"     integer NOT NULL,
    log_offset      bigint NOT NULL,
    event_index     integer NOT NULL,          -- -1: because time passed
    ordinal         integer NOT NULL,
    user_id         text COLLATE "C" NOT NULL,
    device          text NOT NULL,
    reason          change_reason NOT NULL,
    previous_state  presence_state NOT NULL,
    state           presence_state NOT NULL,
    previous_screen text,
    screen          text,
    user_state      presence_state NOT NULL,
    user_screen     text,
    app_version     text,
    platform        text,
    PRIMARY KEY (at, "partition", log_offset, event_index, ordinal)
) PARTITION BY RANGE (at);

CREATE TABLE changes_default PARTITION OF changes DEFAULT;
CREATE INDEX changes_by_offset ON changes ("partition", log_offset);
CREATE INDEX changes_by_user ON changes (user_id, at);

-- Milliseconds since the epoch, as Kafka counts them, to a timestamp: exact, no floating point.
CREATE FUNCTION from_ms(ms bigint) RETURNS timestamptz
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN timestamptz 'epoch' + ms * interval '1 millisecond';

CREATE FUNCTION to_ms(at timestamptz) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (extract(epoch FROM at) * 1000)::bigint;
