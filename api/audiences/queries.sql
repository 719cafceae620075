-- Audiences. {…} stands for the part named so; {columns} is in api/presence/rows.py, {platform} in
-- breakdown.sql of the API. What a filter does not ask for is NULL and costs nothing (see there).

-- name: one_moment
-- All that follows in the transaction is of one moment.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ

-- name: limit_statement
-- How long the next statements of the transaction may take.
SELECT set_config('statement_timeout', %(timeout_ms)s, true)

-- name: want_every_row
-- Cursors are planned for the first tenth of their rows otherwise.
SELECT set_config('cursor_tuple_fraction', '1', true)

-- name: wanted
-- Which people fit the conditions about users themselves; conditions about sights are put after it.
SELECT user_id FROM {users}
WHERE NOT canary
  AND (%(active_from)s::timestamptz IS NULL OR {last_active} >= %(active_from)s::timestamptz)
  AND (%(active_to)s::timestamptz IS NULL OR {last_active} < %(active_to)s::timestamptz)
  AND (%(online)s::boolean IS NULL OR (state <> 'offline') = %(online)s::boolean)
  AND (%(state)s::presence_state IS NULL OR state = %(state)s::presence_state)
  AND (%(screen)s::text IS NULL OR state <> 'offline' AND screen = %(screen)s::text)
  AND (%(versions)s::text[] IS NULL OR app_version = ANY(%(versions)s::text[]))
  AND (%(platform)s::text IS NULL OR {platform} = lower(%(platform)s::text))
  AND (%(excluded)s::text[] IS NULL OR user_id <> ALL(%(excluded)s::text[]))

-- name: saw
-- A further condition: those who saw the screen in the period.
  AND EXISTS (SELECT FROM ({seen}) AS seen WHERE seen.user_id = users.user_id {looked_up})

-- name: did_not_see
-- A further condition: those who did not.
  AND NOT EXISTS (SELECT FROM ({seen}) AS seen WHERE seen.user_id = users.user_id {looked_up})

-- name: one_by_one
-- Each user looked up by themselves, instead of all spans of the period read at once.
OFFSET 0

-- name: seen
-- Who was in the foreground on a screen: in closed spans, and in those that are open. A span that
-- began before {name}_to was over before {name}_until; one of no length counts where it began.
SELECT user_id FROM spans
WHERE state = 'foreground' AND screen = %({name}_screen)s::text
  AND started_at < %({name}_to)s::timestamptz
  AND (ended_at > %({name}_from)s::timestamptz OR started_at >= %({name}_from)s::timestamptz)
  AND shown_until >= %({name}_from)s::timestamptz AND shown_until < %({name}_until)s::timestamptz
UNION ALL
SELECT user_id FROM presence
WHERE state = 'foreground' AND CASE
    WHEN devices IS NULL THEN
        screen = %({name}_screen)s::text
        AND coalesce(from_ms((stay ->> 'since_ms')::bigint), changed_at) < %({name}_to)s::timestamptz
    ELSE EXISTS (
        SELECT FROM jsonb_to_recordset(devices) AS d (
            state text, screen text, changed_ms bigint, stay jsonb)
        WHERE d.state = 'foreground' AND d.screen = %({name}_screen)s::text
          AND from_ms(coalesce((d.stay ->> 'since_ms')::bigint, d.changed_ms))
              < %({name}_to)s::timestamptz)
    END

-- name: drawn
-- By a keyed hash: see filter.py. SHA-256, so that anybody can draw the same.
sha256(convert_to(%(seed)s::text || E'\n' || user_id, 'UTF8'))

-- name: capped
-- So many of an audience, drawn by its seed.
SELECT user_id FROM ({audience}) AS audience ORDER BY {drawn} LIMIT %(cap)s

-- name: any_order
-- As good as random, and cheap: for a sample that nobody can hold us to.
hashtextextended(user_id, 0)

-- name: preview
-- No row: nobody is in the audience.
WITH audience AS MATERIALIZED ({audience}),
sample AS (SELECT user_id FROM audience ORDER BY {order} LIMIT %(sample)s)
SELECT {columns}, (SELECT count(*) FROM audience) AS matching
FROM sample JOIN current_presence USING (user_id)
ORDER BY {order}

-- name: all_users
-- Every user.
current_presence AS users

-- name: some_users
-- Whole pages: few reads, and users that came at one time may be there together.
presence AS users TABLESAMPLE SYSTEM (%(percent)s::real) REPEATABLE (1)

-- name: last_active_of_all
-- When a user was last active, where every user is read.
last_active

-- name: last_active_of_some
-- The same of a sample, which is one of a table: user by user.
(SELECT c.last_active FROM current_presence AS c WHERE c.user_id = users.user_id)

-- name: size
-- Users, as PostgreSQL knows without counting; -1: it has never counted.
SELECT reltuples::bigint AS users FROM pg_class WHERE oid = 'presence'::regclass

-- name: examined
-- How many users a sample has.
SELECT count(*) AS examined FROM {users}

-- name: versions
-- The versions that users have: which are newer than another is not for SQL.
SELECT DISTINCT app_version FROM {users} WHERE app_version IS NOT NULL AND NOT canary LIMIT %(most)s

-- name: begin_export
-- An export starts: who took which list.
INSERT INTO audience_exports (id, who, who_kind, format, filter)
VALUES (%(id)s, %(who)s, %(who_kind)s, %(format)s, %(filter)s::jsonb)
ON CONFLICT (id) DO NOTHING

-- name: end_export
-- How an export ended.
UPDATE audience_exports
SET ended_at = now(), outcome = %(outcome)s, rows = %(rows)s, as_of = %(as_of)s,
    problem = %(problem)s
WHERE id = %(id)s AND outcome = 'running'

-- name: exports
-- Newest first. A file that takes longer than any may has ended without its end being written; what is
-- sent to a push provider goes on through restarts.
SELECT id::text AS id, started_at, ended_at, who, who_kind, format, filter,
       CASE WHEN outcome = 'running' AND format <> 'push' AND started_at < now() - %(longest_seconds)s * interval '1 second'
            THEN 'unknown' ELSE outcome END AS outcome,
       rows, as_of, problem, destination, resumes::text AS resumes
FROM audience_exports
WHERE %(at)s::timestamptz IS NULL OR (started_at, id) < (%(at)s::timestamptz, %(after)s::uuid)
ORDER BY started_at DESC, id DESC
LIMIT %(limit)s
