-- Every statement of the processor, by name (schemas/database/named_queries.py reads them). The columns of
-- presence are stated in processor/store/presence_row.py alone: {presence_…} come from there.

-- name: session
-- Which session of the database this is.
SELECT pg_backend_pid()

-- name: has_migrations
-- Whether anything was ever applied.
SELECT to_regclass('schema_migrations') IS NOT NULL

-- name: migrations
-- Which migrations were applied.
SELECT name FROM schema_migrations

-- name: deployment
-- Which log the database belongs to; no row: to none yet.
SELECT topic, topic_id, partitions, log_base FROM deployment

-- name: create_deployment
-- The database belongs to this log from now on.
INSERT INTO deployment (topic, topic_id, partitions) VALUES (%s, %s, %s)
ON CONFLICT DO NOTHING

-- name: create_offsets
-- Where partitions begin that were never read. Those that are there are left out before: an insert
-- waits for whoever is in the middle of a commit that advances one.
INSERT INTO stream_offsets ("partition", next_offset, published_through)
SELECT p, o, o FROM unnest(%s::integer[], %s::bigint[]) AS start (p, o)
WHERE NOT EXISTS (SELECT FROM stream_offsets AS known WHERE known."partition" = p)
ON CONFLICT DO NOTHING

-- name: next_offsets
-- The first offset of each partition that is not stored.
SELECT "partition", next_offset FROM stream_offsets ORDER BY "partition"

-- name: start_offsets
-- The next position, and Kafka's offset to read from: one earlier where that record is known.
SELECT "partition", next_offset,
       next_offset - ((last_read ->> 'offset')::bigint IS NOT DISTINCT FROM next_offset - 1)::integer
           - coalesce((SELECT log_base FROM deployment), 0)
FROM stream_offsets ORDER BY "partition"

-- name: last_reads
-- The record before the next one, where it is known.
SELECT "partition", last_read::text FROM stream_offsets
WHERE (last_read ->> 'offset')::bigint = next_offset - 1

-- name: accept_loss
-- Go on where the log begins, and write down what is left out; nothing where the partition has
-- gone on meanwhile.
WITH moved AS (
    UPDATE stream_offsets SET next_offset = %(to_offset)s
    WHERE "partition" = %(partition)s AND next_offset = %(from_offset)s
    RETURNING "partition"
)
INSERT INTO lost_ranges ("partition", from_offset, to_offset)
SELECT "partition", %(from_offset)s, %(to_offset)s FROM moved
RETURNING "partition"

-- name: load_partition
-- Where a partition goes on, and what it must remember.
SELECT coalesce((SELECT log_base FROM deployment), 0), next_offset, to_ms(log_time), published_through, policy::text, graces::text,
       silence::text, last_read::text,
       EXISTS (SELECT FROM lost_ranges l
               WHERE l."partition" = o."partition" AND l.to_offset = o.next_offset),
       live_screens_offset IS NOT DISTINCT FROM next_offset
FROM stream_offsets o WHERE "partition" = %s

-- name: load_clock_steps
-- The latest ones, in the order of the log.
SELECT log_offset, to_ms(from_time), to_ms(to_time) FROM (
    SELECT log_offset, from_time, to_time FROM clock_steps
    WHERE "partition" = %s ORDER BY log_offset DESC LIMIT %s
) AS latest ORDER BY log_offset

-- name: load_online
-- Everybody of a partition who is online.
SELECT {presence_read} FROM current_presence WHERE "partition" = %s AND state <> 'offline'

-- name: load_users
-- Users who are named in a batch, online or not.
SELECT {presence_read} FROM current_presence WHERE user_id = ANY(%s)

-- name: unpublished_changes
-- Those of users who left are in a table of their own (promise 8). What a user showed before is told by
-- their change before, if that was on the day before.
SELECT u.log_offset, u.event_index, u.ordinal, to_ms(u.at), u.user_id, u.device, u.reason::text,
       u.previous_state::text, u.state::text, u.previous_screen, u.screen, u.user_state::text,
       u.user_screen, u.app_version, u.platform, coalesce(u.connections, '[]')::text,
       before.user_state::text, before.user_screen
FROM (
    SELECT "partition", log_offset, event_index, ordinal, at, user_id, device, reason, previous_state,
           state, previous_screen, screen, user_state, user_screen, app_version, platform,
           connections
    FROM changes
    UNION ALL
    SELECT "partition", log_offset, event_index, ordinal, at, user_id, device, reason, previous_state,
           state, previous_screen, screen, user_state, user_screen, app_version, platform,
           connections
    FROM last_changes
) AS u
LEFT JOIN LATERAL (
    SELECT c.user_state, c.user_screen FROM changes c
    WHERE c.user_id = u.user_id AND c.at > u.at - interval '1 day' AND c.at <= u.at
      AND (c.log_offset, c.event_index, c.ordinal) < (u.log_offset, u.event_index, u.ordinal)
    ORDER BY c.at DESC, c.log_offset DESC, c.event_index DESC, c.ordinal DESC LIMIT 1
) AS before ON true
WHERE u."partition" = %s AND u.log_offset >= %s AND u.log_offset < %s
ORDER BY u.log_offset, u.event_index, u.ordinal

-- name: create_batch_tables
-- What a batch brings, as the binary COPY writes it. The temporary functions below read them: their
-- plans are cached for the connection, and their version is that of this program. What a batch leaves in
-- them goes in its own transaction (create_empty_batch).
CREATE TEMP TABLE IF NOT EXISTS batch_offsets (
    "partition" integer, expected_offset bigint, next_offset bigint, log_time_ms bigint,
    published_through bigint, foreground bigint, background bigint, policy text, graces text,
    silence text, last_read text
);
CREATE TEMP TABLE IF NOT EXISTS batch_presence ({batch_presence_columns});
CREATE TEMP TABLE IF NOT EXISTS batch_signs_of_life ({batch_sign_columns});
CREATE TEMP TABLE IF NOT EXISTS batch_changes (
    at_ms bigint, "partition" integer, log_offset bigint, event_index integer, ordinal integer,
    user_id text, device text, reason text, previous_state text, state text,
    previous_screen text, screen text, user_state text, user_screen text, app_version text,
    platform text, connections text
)

-- name: create_rare_tables
-- What few batches bring: for those alone, as the end of a transaction costs more the more temporary tables it drops
-- or empties.
CREATE TEMP TABLE batch_outages (
    "partition" integer, kind text, started_ms bigint, ended_ms bigint
) ON COMMIT DROP;
CREATE TEMP TABLE batch_clock_steps (
    "partition" integer, log_offset bigint, from_ms bigint, to_ms bigint
) ON COMMIT DROP

-- name: create_empty_batch
-- The last of a batch, and after one that failed. No ON COMMIT DELETE ROWS: it cuts every table at each commit and builds
-- its TOAST index anew, a third of what a small batch costs. What is deleted, or was rolled back, keeps its pages: they
-- are let go once they are many, and not sooner, because that writes to the catalogs and has plans made anew.
CREATE OR REPLACE FUNCTION pg_temp.empty_batch() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF pg_relation_size('batch_offsets') + pg_relation_size('batch_presence')
        + pg_relation_size('batch_signs_of_life') + pg_relation_size('batch_changes')
        + pg_relation_size('batch_spans') + pg_relation_size('batch_sessions')
        + pg_relation_size('batch_user_days') > 2097152 THEN
        TRUNCATE batch_offsets, batch_presence, batch_signs_of_life, batch_changes, batch_spans,
            batch_sessions, batch_user_days;
        RETURN;
    END IF;
    DELETE FROM batch_offsets;
    DELETE FROM batch_presence;
    DELETE FROM batch_signs_of_life;
    DELETE FROM batch_changes;
    DELETE FROM batch_spans;
    DELETE FROM batch_sessions;
    DELETE FROM batch_user_days;
END
$$

-- name: create_apply_signs_of_life
-- Rows by their keys, however few the table has when the plan is made, which is kept: an upsert knows no other way, a
-- join reads the whole table for each row where it was empty when it was analyzed. (With scans off costs are fictitious,
-- and the compiler would start for them.) Asked after the fence: `rollcall migrate --signs-of-life` changes the answer,
-- and waits for batches that had another one.
CREATE OR REPLACE FUNCTION pg_temp.apply_signs_of_life() RETURNS void LANGUAGE plpgsql
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off SET jit = off AS $$
BEGIN
    IF (SELECT signs_of_life = 'apart' FROM deployment) THEN
        INSERT INTO signs_of_life ({sign_columns}) SELECT {sign_values} FROM batch_signs_of_life b
        ON CONFLICT (user_id) DO UPDATE SET {sign_upserts};
    ELSE
        UPDATE presence p SET {sign_updates} FROM batch_signs_of_life b WHERE p.user_id = b.user_id;
    END IF;
END
$$

-- name: create_apply_batch
-- The one round trip that stores a batch: the offset fence first. `has_rare`: it brings something of create_rare_tables
-- or create_privacy_tables.
CREATE OR REPLACE FUNCTION pg_temp.apply_batch(has_rare boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    advanced bigint;
    wanted bigint;
BEGIN
    -- The fence, in ascending order so that two processors cannot deadlock.
    PERFORM 1 FROM stream_offsets s JOIN batch_offsets b USING ("partition")
    ORDER BY s."partition" FOR UPDATE OF s;
    INSERT INTO policies ("partition", from_offset, policy)
    SELECT s."partition", b.expected_offset, b.policy::jsonb
    FROM batch_offsets b JOIN stream_offsets s USING ("partition")
    WHERE s.next_offset = b.expected_offset AND s.policy IS DISTINCT FROM b.policy::jsonb
    ON CONFLICT ("partition", from_offset) DO UPDATE SET policy = EXCLUDED.policy;
    UPDATE stream_offsets s
    SET next_offset = b.next_offset,
        log_time = from_ms(b.log_time_ms),
        published_through = greatest(s.published_through, b.published_through),
        foreground = b.foreground,
        background = b.background,
        policy = b.policy::jsonb,
        graces = b.graces::jsonb,
        silence = b.silence::jsonb,
        last_read = b.last_read::jsonb,
        live_screens_offset = b.next_offset,
        signs_of_life_offset = b.next_offset
    FROM batch_offsets b
    WHERE s."partition" = b."partition" AND s.next_offset = b.expected_offset;
    GET DIAGNOSTICS advanced = ROW_COUNT;
    SELECT count(*) INTO wanted FROM batch_offsets;
    IF advanced <> wanted THEN
        RAISE EXCEPTION 'fence lost: % of % partitions advanced', advanced, wanted
            USING ERRCODE = 'RC001';
    END IF;

    DELETE FROM last_changes l USING batch_offsets b
    WHERE l."partition" = b."partition" AND l.log_offset < b.published_through;
    IF has_rare THEN
        PERFORM pg_temp.apply_privacy();
    END IF;

    INSERT INTO presence ({presence_columns})
    SELECT {presence_values} FROM batch_presence
    ON CONFLICT (user_id) DO UPDATE SET {presence_updates};
    PERFORM pg_temp.apply_signs_of_life();

    INSERT INTO changes (
        at, "partition", log_offset, event_index, ordinal, user_id, device, reason,
        previous_state, state, previous_screen, screen, user_state, user_screen, app_version,
        platform, connections
    )
    SELECT from_ms(at_ms), "partition", log_offset, event_index, ordinal, user_id, device,
           reason::change_reason, previous_state::presence_state, state::presence_state,
           previous_screen, screen, user_state::presence_state, user_screen, app_version, platform,
           connections::jsonb
    FROM batch_changes;

    IF NOT has_rare THEN
        RETURN;
    END IF;
    INSERT INTO outages ("partition", kind, started_at, ended_at)
    SELECT "partition", kind, from_ms(started_ms), from_ms(ended_ms) FROM batch_outages
    ON CONFLICT ("partition", started_at, kind) DO UPDATE SET ended_at = EXCLUDED.ended_at;

    INSERT INTO clock_steps ("partition", log_offset, from_time, to_time)
    SELECT "partition", log_offset, from_ms(from_ms), from_ms(to_ms) FROM batch_clock_steps;
    DELETE FROM clock_steps c USING batch_clock_steps b
    WHERE c."partition" = b."partition" AND c.log_offset < (
        SELECT min(log_offset) FROM (
            SELECT k.log_offset FROM clock_steps k WHERE k."partition" = b."partition"
            ORDER BY k.log_offset DESC LIMIT 64
        ) AS latest
    );
END
$$

-- name: copy_offsets
-- Where the partitions of the batch go on.
COPY batch_offsets FROM STDIN (FORMAT binary)

-- name: copy_presence
-- Users as the batch leaves them.
COPY batch_presence FROM STDIN (FORMAT binary)

-- name: copy_signs_of_life
-- Users of whom the batch has a sign of life and nothing else.
COPY batch_signs_of_life FROM STDIN (FORMAT binary)

-- name: copy_changes
-- Changes of the batch.
COPY batch_changes FROM STDIN (FORMAT binary)

-- name: copy_outages
-- Silences that were ours.
COPY batch_outages FROM STDIN (FORMAT binary)

-- name: copy_clock_steps
-- Steps of log time.
COPY batch_clock_steps FROM STDIN (FORMAT binary)

-- name: apply_batch
-- Store what was copied; see create_apply_batch.
SELECT pg_temp.apply_batch(%s)

-- name: empty_batch
-- Let go of what batches left that failed; see create_empty_batch.
SELECT pg_temp.empty_batch()
