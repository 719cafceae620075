-- Analytics: what the processor writes in a batch's transaction, and what maintenance makes of it.
-- Design, sections 2 and 7. Times are log time (the broker's clock). Screens: a screen that was
-- never named is '(none)', one beyond the cap of its minute '(other)'; presence and spans keep NULL
-- and the name itself.

-- Why a span or a session ended: a change's reason, or that it had been open for 24 h.
CREATE TYPE span_end AS ENUM (
    'navigated', 'backgrounded', 'resumed', 'logged_out', 'timed_out', 'disconnected',
    'opted_out', 'erased', 'evicted', 'continued'
);

-- What a device knows of its session, so that spans and sessions can be closed (one-device row; in
-- devices it is the key "stay"): since_ms (start of the present span), views and visits of the
-- session so far, foreground_ms of its closed visits, entry_screen (of its first view).
ALTER TABLE presence
    ADD COLUMN stay jsonb,
    -- Days of the reporting zone: the first on which the user was in the foreground, and the last.
    ADD COLUMN first_day date,
    ADD COLUMN active_day date;

-- One device in one state on one screen, unbroken. Written when it is over; those that are not are
-- in presence. Partitioned by the UTC day of shown_until.
CREATE TABLE spans (
    shown_until   timestamptz NOT NULL,  -- when presence stopped showing it
    "partition"   integer NOT NULL,
    log_offset    bigint NOT NULL,       -- what ended it, as in changes
    event_index   integer NOT NULL,
    ordinal       integer NOT NULL,
    user_id       text COLLATE "C" NOT NULL,
    device        text NOT NULL,
    state         presence_state NOT NULL CHECK (state <> 'offline'),
    screen        text,
    started_at    timestamptz NOT NULL,
    changed_at    timestamptz NOT NULL,  -- of what is shown: earlier than started_at if continued
    ended_at      timestamptz NOT NULL,  -- for engagement: the last that we know of it
    ended_by      span_end NOT NULL,
    is_view       boolean NOT NULL,      -- a foreground span on another screen than the one before
    session_start timestamptz NOT NULL,
    online_since  timestamptz NOT NULL,  -- of the user: the same throughout a span
    name          text,
    app_version   text,
    device_info   text,
    platform      text,
    PRIMARY KEY (shown_until, "partition", log_offset, event_index, ordinal),
    CHECK (started_at <= ended_at AND ended_at <= shown_until)
) PARTITION BY RANGE (shown_until);
CREATE TABLE spans_default PARTITION OF spans DEFAULT;
CREATE INDEX spans_by_user ON spans (user_id, shown_until);

-- One device from online to offline. Partitioned by the UTC day of shown_until.
CREATE TABLE sessions (
    shown_until   timestamptz NOT NULL,
    "partition"   integer NOT NULL,
    log_offset    bigint NOT NULL,
    event_index   integer NOT NULL,
    ordinal       integer NOT NULL,
    user_id       text COLLATE "C" NOT NULL,
    device        text NOT NULL,
    started_at    timestamptz NOT NULL,
    ended_at      timestamptz NOT NULL,  -- for engagement
    ended_by      span_end NOT NULL,
    views         integer NOT NULL,
    visits        integer NOT NULL,
    foreground_ms bigint NOT NULL,       -- engagement: the visits' started_at to ended_at
    entry_screen  text,                  -- of the first view; NULL also without a view
    exit_screen   text,                  -- of the last one
    app_version   text,
    device_info   text,
    platform      text,
    PRIMARY KEY (shown_until, "partition", log_offset, event_index, ordinal),
    CHECK (started_at <= ended_at AND ended_at <= shown_until)
) PARTITION BY RANGE (shown_until);
CREATE TABLE sessions_default PARTITION OF sessions DEFAULT;
CREATE INDEX sessions_by_user ON sessions (user_id, shown_until);
CREATE INDEX sessions_by_end ON sessions (ended_at);  -- for the quarters in which they ended

-- Windows. By partition, so that processors never wait for each other's rows.
-- Views are counted in the minute in which their visit starts, the rest in that in which it ends.
CREATE TABLE screen_minutes (
    minute          timestamptz NOT NULL,
    "partition"     integer NOT NULL,
    screen          text COLLATE "C" NOT NULL,
    views           integer NOT NULL,
    visits          integer NOT NULL,      -- visits that ended
    dwell_ms        bigint NOT NULL,
    silent_dwell_ms bigint NOT NULL,       -- of visits that ended by silence: a lower bound
    dwell_histogram integer[] NOT NULL,    -- visits by dwell: see dwell_bucket()
    exits           integer NOT NULL,      -- sessions that ended on this screen
    bounces         integer NOT NULL,      -- of these, with one view
    PRIMARY KEY (minute, "partition", screen)
) PARTITION BY RANGE (minute);
CREATE TABLE screen_minutes_default PARTITION OF screen_minutes DEFAULT;

-- From one view of a session to the next; '(start)' and '(end)' are its ends.
CREATE TABLE screen_transitions (
    quarter     timestamptz NOT NULL,
    "partition" integer NOT NULL,
    from_screen text COLLATE "C" NOT NULL,
    to_screen   text COLLATE "C" NOT NULL,
    transitions integer NOT NULL,
    PRIMARY KEY (quarter, "partition", from_screen, to_screen)
) PARTITION BY RANGE (quarter);
CREATE TABLE screen_transitions_default PARTITION OF screen_transitions DEFAULT;

-- The names that count as themselves in the minute of log time in which they were written.
CREATE TABLE screen_names (
    minute      timestamptz NOT NULL,
    "partition" integer NOT NULL,
    screen      text COLLATE "C" NOT NULL,
    PRIMARY KEY ("partition", minute, screen)
);

-- Users by state at every multiple of 10 s, after everything up to that instant. None in an outage.
CREATE TABLE concurrency_samples (
    at          timestamptz NOT NULL,
    "partition" integer NOT NULL,
    foreground  integer NOT NULL,
    background  integer NOT NULL,
    PRIMARY KEY (at, "partition")
) PARTITION BY RANGE (at);
CREATE TABLE concurrency_samples_default PARTITION OF concurrency_samples DEFAULT;

-- Foreground users by screen at every minute; screens without any have no row.
CREATE TABLE screen_samples (
    at          timestamptz NOT NULL,
    "partition" integer NOT NULL,
    screen      text COLLATE "C" NOT NULL,
    foreground  integer NOT NULL,
    PRIMARY KEY (at, "partition", screen)
) PARTITION BY RANGE (at);
CREATE TABLE screen_samples_default PARTITION OF screen_samples DEFAULT;

-- A user was in the foreground on a day of the reporting zone. What they used is that of the day's
-- first foreground instant.
CREATE TABLE user_days (
    day         date NOT NULL,
    user_id     text COLLATE "C" NOT NULL,
    "partition" integer NOT NULL,
    is_new      boolean NOT NULL,          -- the user's first day
    app_version text,
    device_info text,
    platform    text,
    PRIMARY KEY (day, user_id)
) PARTITION BY RANGE (day);
CREATE TABLE user_days_default PARTITION OF user_days DEFAULT;

-- Quarter-hours that got something when as_of may have passed them already: to be rolled up again.
-- A quarter is rolled up once as_of is 30 minutes past its end; what a partition writes more than
-- 15 minutes of its own log time after a quarter's end is noted here, in the same transaction.
CREATE TABLE late_quarters (
    quarter     timestamptz NOT NULL,
    "partition" integer NOT NULL,
    log_offset  bigint NOT NULL,
    PRIMARY KEY (quarter, "partition", log_offset)
);

-- Rollups, over all partitions, by maintenance (processor/maintenance). Each can be made again from
-- what it is made of.
CREATE TABLE rollup_progress (
    rollup  text PRIMARY KEY CHECK (rollup IN ('quarters', 'hours', 'days')),
    through timestamptz NOT NULL           -- everything before it is rolled up
);

-- Days that were rolled up before one of their quarters was rolled up again.
CREATE TABLE late_days (
    day date PRIMARY KEY
);

-- One row: the zone whose days the day rollups are of, as of the policy that all partitions had.
CREATE TABLE reporting_zone (
    only_row  boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    time_zone text NOT NULL,               -- IANA name
    since     timestamptz NOT NULL         -- as_of when it was adopted
);

-- What retention may have removed: everything before kept_from. No row: nothing yet.
CREATE TABLE retention_progress (
    table_name text PRIMARY KEY,
    kept_from  timestamptz NOT NULL
);

CREATE TABLE screen_quarters (
    quarter         timestamptz NOT NULL,
    screen          text COLLATE "C" NOT NULL,
    views           bigint NOT NULL,
    visits          bigint NOT NULL,
    dwell_ms        bigint NOT NULL,
    silent_dwell_ms bigint NOT NULL,
    dwell_histogram bigint[] NOT NULL,
    exits           bigint NOT NULL,
    bounces         bigint NOT NULL,
    PRIMARY KEY (quarter, screen)
);
-- What analytics.screen_engagement_hourly is asked for.
CREATE INDEX screen_quarters_by_hour
    ON screen_quarters (date_bin('1 hour', quarter, timestamptz 'epoch'));

CREATE TABLE screen_days (
    day             date NOT NULL,         -- of the reporting zone
    screen          text COLLATE "C" NOT NULL,
    views           bigint NOT NULL,
    visits          bigint NOT NULL,
    dwell_ms        bigint NOT NULL,
    silent_dwell_ms bigint NOT NULL,
    dwell_histogram bigint[] NOT NULL,
    exits           bigint NOT NULL,
    bounces         bigint NOT NULL,
    users           bigint NOT NULL,       -- the sketch's estimate
    sketch          bytea,                 -- of who began a visit: see screen_hour_users; NULL: none
    PRIMARY KEY (day, screen)
);

CREATE TABLE transition_quarters (
    quarter     timestamptz NOT NULL,
    from_screen text COLLATE "C" NOT NULL,
    to_screen   text COLLATE "C" NOT NULL,
    transitions bigint NOT NULL,
    PRIMARY KEY (quarter, from_screen, to_screen)
);

CREATE TABLE transition_days (
    day         date NOT NULL,
    from_screen text COLLATE "C" NOT NULL,
    to_screen   text COLLATE "C" NOT NULL,
    transitions bigint NOT NULL,
    PRIMARY KEY (day, from_screen, to_screen)
);

-- Users who began a visit on the screen in that hour: Apache DataSketches' HyperLogLog, lg_k 12,
-- relative standard error 1.6 %. From changes, which have a visit as soon as it starts; a screen that
-- the hour's windows don't have is '(other)' if they have an '(other)'.
CREATE TABLE screen_hour_users (
    hour   timestamptz NOT NULL,
    screen text COLLATE "C" NOT NULL,
    users  bigint NOT NULL,                -- the sketch's estimate
    sketch bytea NOT NULL,
    PRIMARY KEY (hour, screen)
);

CREATE TABLE session_quarters (
    quarter            timestamptz PRIMARY KEY,  -- in which the sessions ended
    sessions           bigint NOT NULL,
    duration_ms        bigint NOT NULL,          -- started_at to ended_at
    duration_histogram bigint[] NOT NULL,
    foreground_ms      bigint NOT NULL,
    views              bigint NOT NULL,
    bounces            bigint NOT NULL,          -- sessions of one view
    timed_out          bigint NOT NULL           -- ended by silence: timed_out or disconnected
);

-- Only of instants that every partition has.
CREATE TABLE concurrency_quarters (
    quarter            timestamptz PRIMARY KEY,
    samples            integer NOT NULL,
    foreground_sum     bigint NOT NULL,          -- over the samples: divide by them
    background_sum     bigint NOT NULL,
    peak_online        bigint NOT NULL,
    peak_online_at     timestamptz NOT NULL,     -- the first instant that had it
    peak_foreground    bigint NOT NULL,
    peak_foreground_at timestamptz NOT NULL
);

-- Exact. Weekly and monthly: distinct users of the 7 and 30 days that end with this one.
CREATE TABLE active_user_days (
    day            date PRIMARY KEY,             -- of the reporting zone
    active         bigint NOT NULL,
    new            bigint NOT NULL,
    weekly_active  bigint NOT NULL,
    monthly_active bigint NOT NULL
);

-- Dwell and duration histograms: bucket n holds [250 ms · 2^((n-1)/4), 250 ms · 2^(n/4)), bucket 0
-- what is shorter; 76 is the last. The geometric middle of a bucket is within 9.1 % of all in it.
-- Bucket n is element n + 1 of the array; missing elements are 0.
CREATE FUNCTION add_counts(integer[], integer[]) RETURNS integer[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (
        SELECT coalesce(array_agg(coalesce(a, 0) + coalesce(b, 0) ORDER BY n), '{}')
        FROM unnest($1, $2) WITH ORDINALITY AS pair (a, b, n)
    );

-- The bucket of a duration. Agrees with schemas/dwell.py.
CREATE FUNCTION dwell_bucket(duration_ms bigint) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN width_bucket(duration_ms, ARRAY[
        250, 298, 354, 421, 500, 595, 708, 841, 1000, 1190, 1415, 1682, 2000, 2379, 2829, 3364,
        4000, 4757, 5657, 6728, 8000, 9514, 11314, 13455, 16000, 19028, 22628, 26909, 32000,
        38055, 45255, 53818, 64000, 76110, 90510, 107635, 128000, 152219, 181020, 215270,
        256000, 304438, 362039, 430539, 512000, 608875, 724078, 861078, 1024000, 1217749,
        1448155, 1722156, 2048000, 2435497, 2896310, 3444312, 4096000, 4870993, 5792619,
        6888624, 8192000, 9741985, 11585238, 13777247, 16384000, 19483970, 23170476, 27554494,
        32768000, 38967939, 46340951, 55108988, 65536000, 77935878, 92681901, 110217975
    ]::bigint[]);

-- The first quarter-hour of a day. Not simply its midnight: where clocks are put back from 01:00 to
-- 00:00 there are two of them, where they go from 00:00 to 01:00 there is none.
CREATE FUNCTION start_of_day(day date, time_zone text) RETURNS timestamptz
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (
        SELECT min(quarter)
        FROM generate_series(
            (day::timestamp AT TIME ZONE time_zone) - interval '3 hours',
            (day::timestamp AT TIME ZONE time_zone) + interval '3 hours', interval '15 minutes'
        ) AS quarter
        WHERE (quarter AT TIME ZONE time_zone)::date >= day
    );

-- Partitions of tomorrow and the day after, by PostgreSQL's clock: today's rows may already be in
-- the DEFAULT partition.
DROP FUNCTION maintain_daily_partitions(text, integer);
CREATE FUNCTION make_daily_partitions(parent text) RETURNS void
    LANGUAGE plpgsql SET timezone = 'UTC' AS $$
DECLARE
    "column" text;
    child text;
    first_day date;
    is_taken boolean;
BEGIN
    SELECT a.attname INTO STRICT "column"
    FROM pg_partitioned_table p
    JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0]
    WHERE p.partrelid = to_regclass(parent);
    FOR first_day IN SELECT current_date + n FROM generate_series(1, 2) AS n LOOP
        child := parent || '_' || to_char(first_day, 'YYYYMMDD');
        CONTINUE WHEN to_regclass(child) IS NOT NULL;
        -- A replay may have written ahead: those rows stay where they are.
        EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE %I >= %L AND %I < %L)',
            parent || '_default', "column", first_day, "column", first_day + 1) INTO is_taken;
        IF NOT is_taken THEN
            EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
                child, parent, first_day, first_day + 1);
        END IF;
    END LOOP;
END
$$;

-- At most so many rows of before that day (UTC); how many there were.
CREATE FUNCTION delete_before(target text, "column" text, first_kept date, most integer)
    RETURNS integer LANGUAGE plpgsql SET timezone = 'UTC' AS $$
DECLARE
    deleted integer;
BEGIN
    EXECUTE format(
        'DELETE FROM %I WHERE ctid = ANY (ARRAY(SELECT ctid FROM %I WHERE %I < %L LIMIT %s))',
        target, target, "column", first_kept, most
    );
    GET DIAGNOSTICS deleted = ROW_COUNT;
    RETURN deleted;
END
$$;

-- Drop the partitions of before that day, and delete what is older from the DEFAULT one (at most so
-- many rows); how many partitions and rows there were.
CREATE FUNCTION drop_daily_partitions(parent text, first_kept date, most integer)
    RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    "column" text;
    child text;
    dropped integer := 0;
BEGIN
    SELECT a.attname INTO STRICT "column"
    FROM pg_partitioned_table p
    JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0]
    WHERE p.partrelid = to_regclass(parent);
    FOR child IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = to_regclass(parent) AND c.relname ~ '_[0-9]{8}$'
          AND to_date(right(c.relname, 8), 'YYYYMMDD') < first_kept
    LOOP
        EXECUTE format('DROP TABLE %I', child);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped + delete_before(parent || '_default', "column", first_kept, most);
END
$$;

SELECT make_daily_partitions(parent)
FROM unnest(ARRAY[
    'changes', 'spans', 'sessions', 'screen_minutes', 'screen_transitions', 'concurrency_samples',
    'screen_samples', 'user_days'
]) AS parent;
