-- What an opt-out or an erasure does to what is stored (schemas/database/named_queries.py reads it). Design, promise 8.

-- name: user_hash_key
-- Claim the database for this key, or read whose it is; the fingerprint that counts.
WITH claimed AS (
    INSERT INTO user_hash_key (fingerprint) SELECT %(ours)s::text WHERE %(ours)s::text IS NOT NULL
    ON CONFLICT DO NOTHING
    RETURNING fingerprint
)
SELECT fingerprint FROM claimed UNION ALL SELECT fingerprint FROM user_hash_key LIMIT 1

-- name: load_flags
-- Those of the partition that keep somebody out: for good, or until a fence has passed.
SELECT f.user_hash, f.opted_out, f.log_offset, to_ms(f.fence_until)
FROM privacy_flags f JOIN stream_offsets o USING ("partition")
WHERE "partition" = %s AND (f.opted_out OR f.fence_until > o.log_time)

-- name: flags
-- As they are to be on presence.privacy.
SELECT user_hash, "partition", opted_out, log_offset, to_ms(erased_until) FROM privacy_flags
WHERE user_hash = ANY (%s)

-- name: unpublished_flags
-- Whose flag is of a record in a range.
SELECT user_hash FROM privacy_flags
WHERE "partition" = %s AND log_offset >= %s AND log_offset < %s

-- name: create_privacy_tables
-- What a batch erases and publishes, before it is applied; for batches that do, as create_rare_tables.
CREATE TEMP TABLE batch_erasures (
    ordinal integer, "partition" integer, user_id text COLLATE "C", user_hash bytea, request text,
    reason text, log_offset bigint, at_ms bigint, before_ms bigint
) ON COMMIT DROP;
CREATE TEMP TABLE batch_flags (
    user_hash bytea, "partition" integer, opted_out boolean, log_offset bigint, at_ms bigint,
    erased_ms bigint, fence_until_ms bigint
) ON COMMIT DROP;
CREATE TEMP TABLE batch_last_changes (
    at_ms bigint, "partition" integer, log_offset bigint, event_index integer, ordinal integer,
    user_id text, device text, reason text, previous_state text, state text,
    previous_screen text, screen text, user_state text, user_screen text, app_version text,
    platform text, connections text
) ON COMMIT DROP;
CREATE TEMP TABLE batch_removed (
    user_id text COLLATE "C", table_name text, removed bigint
) ON COMMIT DROP

-- name: create_apply_privacy
-- Before the batch's own rows are written: those are of what came after the erasure.
CREATE OR REPLACE FUNCTION pg_temp.apply_privacy() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    wanted record;
BEGIN
    IF NOT EXISTS (SELECT FROM batch_flags) THEN
        RETURN;
    END IF;

    FOR wanted IN
        SELECT from_ms(before_ms) AS before, array_agg(DISTINCT user_id) AS users
        FROM batch_erasures GROUP BY before_ms
    LOOP
        WITH gone AS (
            DELETE FROM presence WHERE user_id = ANY (wanted.users) AND wanted.before IS NULL
            RETURNING user_id
        )
        INSERT INTO batch_removed SELECT user_id, 'presence', count(*) FROM gone GROUP BY 1;
        -- Who stays has a row of presence that is newer.
        WITH gone AS (
            DELETE FROM signs_of_life WHERE user_id = ANY (wanted.users) RETURNING user_id
        )
        INSERT INTO batch_removed SELECT user_id, 'signs_of_life', count(*) FROM gone GROUP BY 1;
        WITH gone AS (
            DELETE FROM changes
            WHERE user_id = ANY (wanted.users) AND (wanted.before IS NULL OR at < wanted.before)
            RETURNING user_id, at
        ), quarters AS (
            INSERT INTO erased_quarters
            SELECT DISTINCT date_bin('15 minutes', at, timestamptz 'epoch') FROM gone
            ON CONFLICT DO NOTHING
        )
        INSERT INTO batch_removed SELECT user_id, 'changes', count(*) FROM gone GROUP BY 1;
        WITH gone AS (
            DELETE FROM spans
            WHERE user_id = ANY (wanted.users)
              AND (wanted.before IS NULL OR shown_until < wanted.before)
            RETURNING user_id, ended_at
        ), quarters AS (
            INSERT INTO erased_quarters
            SELECT DISTINCT date_bin('15 minutes', ended_at, timestamptz 'epoch') FROM gone
            ON CONFLICT DO NOTHING
        )
        INSERT INTO batch_removed SELECT user_id, 'spans', count(*) FROM gone GROUP BY 1;
        WITH gone AS (
            DELETE FROM sessions
            WHERE user_id = ANY (wanted.users)
              AND (wanted.before IS NULL OR shown_until < wanted.before)
            RETURNING user_id, ended_at
        ), quarters AS (
            INSERT INTO erased_quarters
            SELECT DISTINCT date_bin('15 minutes', ended_at, timestamptz 'epoch') FROM gone
            ON CONFLICT DO NOTHING
        )
        INSERT INTO batch_removed SELECT user_id, 'sessions', count(*) FROM gone GROUP BY 1;
        WITH gone AS (
            DELETE FROM user_days
            WHERE user_id = ANY (wanted.users)
              AND (wanted.before IS NULL OR day < (wanted.before AT TIME ZONE 'UTC')::date)
            RETURNING user_id, day
        ), days AS (
            INSERT INTO erased_days SELECT DISTINCT day FROM gone ON CONFLICT DO NOTHING
        )
        INSERT INTO batch_removed SELECT user_id, 'user_days', count(*) FROM gone GROUP BY 1;
        -- A page that notify has at this moment is looked through by itself before it is sent.
        WITH held AS (
            SELECT delivery, page FROM audience_pages
            WHERE user_ids && wanted.users FOR UPDATE SKIP LOCKED
        )
        UPDATE audience_pages p
        SET user_ids = ARRAY(
            SELECT user_id FROM unnest(p.user_ids) WITH ORDINALITY AS each (user_id, place)
            WHERE user_id <> ALL (wanted.users) ORDER BY place
        )
        FROM held WHERE p.delivery = held.delivery AND p.page = held.page;
    END LOOP;

    INSERT INTO privacy_flags AS f (
        user_hash, "partition", opted_out, log_offset, at, erased_until, fence_until
    )
    SELECT user_hash, "partition", opted_out, log_offset, from_ms(at_ms), from_ms(erased_ms),
           from_ms(fence_until_ms)
    FROM batch_flags
    ON CONFLICT (user_hash) DO UPDATE SET
        opted_out = EXCLUDED.opted_out, log_offset = EXCLUDED.log_offset, at = EXCLUDED.at,
        erased_until = greatest(f.erased_until, EXCLUDED.erased_until),
        fence_until = EXCLUDED.fence_until;

    -- What went is told of the first erasure of a user in the batch.
    INSERT INTO erasures (
        erasure_id, user_hash, kind, "partition", log_offset, erased_at, removed
    )
    SELECT DISTINCT ON (request)
           request, user_hash, reason, "partition", log_offset, from_ms(at_ms),
           CASE WHEN ordinal = first THEN coalesce((
               SELECT jsonb_object_agg(table_name, removed)
               FROM (
                   SELECT table_name, sum(removed) AS removed FROM batch_removed r
                   WHERE r.user_id = b.user_id GROUP BY table_name
               ) AS each
           ), '{}') ELSE '{}' END
    FROM (
        SELECT *, min(ordinal) OVER (PARTITION BY user_id) AS first FROM batch_erasures
    ) AS b
    ORDER BY request, ordinal
    ON CONFLICT (erasure_id) DO UPDATE SET
        log_offset = EXCLUDED.log_offset, erased_at = EXCLUDED.erased_at,
        removed = EXCLUDED.removed
    WHERE erasures.erased_at IS NULL;

    INSERT INTO last_changes (
        at, "partition", log_offset, event_index, ordinal, user_id, device, reason,
        previous_state, state, previous_screen, screen, user_state, user_screen, app_version,
        platform, connections
    )
    SELECT from_ms(at_ms), "partition", log_offset, event_index, ordinal, user_id, device,
           reason::change_reason, previous_state::presence_state, state::presence_state,
           previous_screen, screen, user_state::presence_state, user_screen, app_version, platform,
           connections::jsonb
    FROM batch_last_changes;
END
$$

-- name: copy_erasures
-- Whose rows are to go.
COPY batch_erasures FROM STDIN (FORMAT binary)

-- name: copy_flags
-- What is known by hash from now on.
COPY batch_flags FROM STDIN (FORMAT binary)

-- name: copy_last_changes
-- The one last change of each who left.
COPY batch_last_changes FROM STDIN (FORMAT binary)
