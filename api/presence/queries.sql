-- Every statement of the API, by name (schemas/database/named_queries.py reads them). Those of lists are put
-- together in api/presence/store.py: {audience} and {matching} stand for the parts named so, {columns} for
-- the fields of UserRow (api/presence/rows.py).
-- Plans are made for the values given (plan_cache_mode), so that a filter that is NULL costs nothing.

-- name: configure
-- Settings of a connection of the pool. Compiling a plan (jit) takes longer than what it saves here.
SELECT set_config('statement_timeout', %(statement_timeout_ms)s, false),
       set_config('plan_cache_mode', 'force_custom_plan', false),
       set_config('jit', 'off', false),
       set_config('default_transaction_read_only', 'on', false),
       set_config('TimeZone', 'UTC', false)

-- name: configure_transaction
-- The same for one transaction, where the next may be in another session. One whose process hangs
-- holds its session no longer than a statement.
SELECT set_config('statement_timeout', %(statement_timeout_ms)s, true),
       set_config('idle_in_transaction_session_timeout', %(statement_timeout_ms)s, true),
       set_config('jit', 'off', true),
       set_config('TimeZone', 'UTC', true)

-- name: freshness
-- One row, also before there is a deployment. The cost is that of the partitions, not of the fleet.
SELECT CASE WHEN count(o.log_time) = max(d.partitions) THEN min(o.log_time) END AS as_of,
       coalesce(sum(o.foreground), 0)::bigint AS foreground,
       coalesce(sum(o.background), 0)::bigint AS background,
       max((o.policy ->> 'offline_after_ms')::bigint) AS offline_after_ms,
       -- Log time stepped back, and has not been there again (design, section 2).
       coalesce(bool_or(EXISTS (
           SELECT FROM clock_steps c
           WHERE c."partition" = o."partition" AND c.from_time > o.log_time
       )), false) AS is_passing_again,
       clock_timestamp() AS read_at,
       -- Of the latest run of `rollcall audit`.
       max(a.differences) AS audit_differences,
       max(a.percent_in_full) AS audit_percent_in_full,
       max(a.age_seconds) AS audit_age_seconds,
       {away} AS members_away
FROM deployment d LEFT JOIN stream_offsets o ON o."partition" < d.partitions
LEFT JOIN LATERAL (
    SELECT differences, percent_in_full,
           extract(epoch FROM clock_timestamp() - finished_at)::double precision AS age_seconds
    FROM audits ORDER BY id DESC LIMIT 1
) AS a ON true

-- name: no_members
-- Part: of a deployment.
NULL::text[]

-- name: members_away
-- Part: of a federation, as the plan of the same statement has them.
ARRAY(SELECT name FROM members_away ORDER BY name)

-- name: is_federation
-- Whether the database is one, which its search path says first.
SELECT to_regclass('members_away') IS NOT NULL

-- name: online
-- The audience of /online-users. Canaries are no people (design, section 2): a list has either.
state <> 'offline' AND canary = %(canary)s::boolean

-- name: known
-- The audience of /users.
canary = %(canary)s::boolean

-- name: matching
-- The filters of lists; what is not asked for is NULL and costs nothing.
(%(screen)s::text IS NULL OR screen = %(screen)s::text)
AND (%(state)s::presence_state IS NULL OR state = %(state)s::presence_state)
AND (%(app_version)s::text IS NULL OR app_version = %(app_version)s::text)
AND (%(platform)s::text IS NULL OR {platform} = lower(%(platform)s::text))
AND (%(device)s::text IS NULL OR lower(device_info) LIKE lower(%(device)s::text))
AND (%(q)s::text IS NULL OR user_id LIKE %(q)s::text
     OR lower(name) COLLATE "C" LIKE lower(%(q)s::text))
AND {found}

-- name: found_by_reading
-- The search, if there is one, user by user.
(%(search)s::text IS NULL OR {folded_id} LIKE %(search)s::text OR {folded_name} LIKE %(search)s::text)

-- name: found_by_index
-- The search, where `rollcall migrate` has built its index (schemas/database/search_index.py). Not within an OR: so the
-- planner may begin with the texts, or with the list where most would be found.
user_id IN (SELECT texts.user_id FROM search_texts AS texts
            WHERE search_folded(texts.user_id) LIKE {search_pattern}
               OR search_folded(texts.name) LIKE {search_pattern})

-- name: search_pattern
-- What the accents of the server leave of the search, as a pattern: constant, so that the planner knows it.
('%%' || replace(replace(replace(
    search_folded(%(search_text)s::text), '\', '\\'), '%%', '\%%'), '_', '\_') || '%%')

-- name: has_search_index
-- Whether the index gives what is searched: it is there, its table may be read, and the search has three letters or digits in a
-- row. Of others it knows nothing, and would be read as a whole.
SELECT EXISTS (
    SELECT FROM pg_index
    WHERE indexrelid = to_regclass('search_texts_trigrams') AND indisvalid
      AND has_table_privilege(indrelid, 'SELECT')
      AND to_regprocedure('search_folded(text)') IS NOT NULL
      AND %(search_text)s::text ~ '[[:alnum:]]{3}'
)

-- name: folded
-- Without case and accents; most texts are ASCII, and need no more than that.
lower(CASE WHEN octet_length({text}) = length({text}) THEN {text}
           ELSE regexp_replace(normalize({text}, NFKD), '[\u0300-\u036f]', '', 'g') END)

-- name: searched
-- Of all that are known those who changed last: without an index a search reads them one by one.
canary = %(canary)s::boolean
AND user_id IN (SELECT user_id FROM presence ORDER BY changed_at DESC, user_id LIMIT %(searched)s)

-- name: one_moment
-- All that follows in the transaction is of one moment.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ

-- name: found_one_by_one
-- A count ends early, which the planner makes little of: it would read everybody online for a frequent name.
SELECT set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true)

-- name: counted
-- A thousand is as many as anybody counts; a list of more is known to have more.
SELECT count(*) FROM (
    SELECT FROM presence WHERE {audience} AND {matching} LIMIT %(most)s
) AS found

-- name: by_change
-- Two reads of the index, so that many users with one changed_at (the end of an outage) cost no
-- page more than its own length: those with the cursor's very time, then those before it.
SELECT {columns} FROM (
    (SELECT * FROM current_presence
     WHERE {audience} AND {matching}
       AND changed_at = %(at)s::timestamptz AND user_id > %(after)s::text
     ORDER BY user_id LIMIT %(limit)s)
    UNION ALL
    (SELECT * FROM current_presence
     WHERE {audience} AND {matching}
       AND (%(at)s::timestamptz IS NULL OR changed_at < %(at)s::timestamptz)
     ORDER BY changed_at DESC, user_id LIMIT %(limit)s)
) AS page
ORDER BY changed_at DESC, user_id LIMIT %(limit)s

-- name: by_arrival
-- As by_change, of users online: they keep their places while they use the app.
SELECT {columns} FROM (
    (SELECT * FROM current_presence
     WHERE {audience} AND {matching}
       AND online_since = %(at)s::timestamptz AND user_id > %(after)s::text
     ORDER BY user_id LIMIT %(limit)s)
    UNION ALL
    (SELECT * FROM current_presence
     WHERE {audience} AND {matching}
       AND (%(at)s::timestamptz IS NULL OR online_since < %(at)s::timestamptz)
     ORDER BY online_since DESC, user_id LIMIT %(limit)s)
) AS page
ORDER BY online_since DESC, user_id LIMIT %(limit)s

-- name: by_activity
-- In no index, so that heartbeats stay cheap: the top of what matches. 'epoch': never active.
SELECT {columns} FROM current_presence
WHERE {audience} AND {matching}
  AND (%(at)s::timestamptz IS NULL
       OR coalesce(last_active, 'epoch') < %(at)s::timestamptz
       OR coalesce(last_active, 'epoch') = %(at)s::timestamptz AND user_id > %(after)s::text)
ORDER BY coalesce(last_active, 'epoch') DESC, user_id LIMIT %(limit)s

-- name: heard_last
-- The latest signs of life that are kept apart, not after the cursor's time: one scan of narrow rows.
SELECT user_id, last_active FROM signs_of_life
WHERE %(at)s::timestamptz IS NULL OR last_active <= %(at)s::timestamptz
ORDER BY last_active DESC LIMIT %(heard)s

-- name: heard_since
-- As by_activity, of those heard of after since: by the narrow rows that heard_last gave, or by presence itself.
SELECT {columns} FROM (
    SELECT unnest(%(heard_ids)s::text[]) COLLATE "C"
    UNION
    SELECT user_id FROM presence WHERE {audience} AND last_active > %(since)s::timestamptz
) AS heard (id)
CROSS JOIN LATERAL (SELECT * FROM current_presence AS c WHERE c.user_id = heard.id OFFSET 0) AS users
WHERE {audience} AND {matching}
  AND last_active > %(since)s::timestamptz
  AND (%(at)s::timestamptz IS NULL
       OR last_active < %(at)s::timestamptz
       OR last_active = %(at)s::timestamptz AND user_id > %(after)s::text)
ORDER BY last_active DESC, user_id LIMIT %(limit)s

-- name: by_user
-- A page by user id.
SELECT {columns} FROM current_presence
WHERE {audience} AND {matching} AND (%(after)s::text IS NULL OR user_id > %(after)s::text)
ORDER BY user_id LIMIT %(limit)s

-- name: user
-- One user with their devices.
SELECT {columns}, device, devices, signed_out,
       coalesce(timer @> '{"runs_on": true}', false) AS timer_runs_on
FROM current_presence WHERE user_id = %(user_id)s

-- name: other_users
-- Of each name the other users who began a session under it last, and have not logged out there: of
-- the latest 200 sessions at most eight. An index holds the beginnings.
SELECT wanted.name, others.user_id
FROM unnest(%(names)s::text[]) AS wanted (name)
CROSS JOIN LATERAL (
    SELECT recent.user_id, max(recent.at) AS at
    FROM (SELECT user_id, at FROM changes
          WHERE device = wanted.name AND reason = 'started' AND user_id <> %(user_id)s
          ORDER BY at DESC LIMIT 200) AS recent
    JOIN presence USING (user_id)
    WHERE CASE
        WHEN presence.devices IS NULL
        THEN presence.device = wanted.name AND NOT presence.signed_out
        ELSE presence.devices
             @> jsonb_build_array(jsonb_build_object('device', wanted.name, 'signed_out', false))
    END
    GROUP BY recent.user_id
    ORDER BY max(recent.at) DESC, recent.user_id LIMIT 8
) AS others
ORDER BY others.at DESC, others.user_id

-- name: lookup
-- Users by id.
SELECT {columns} FROM current_presence WHERE user_id = ANY(%(user_ids)s)

-- name: read_only
-- Whether a connection's transactions may write: on or off.
SELECT set_config('default_transaction_read_only', %(read_only)s, false)

-- name: keys
-- Those that count, and for a month those that did: whoever still uses one is told why not.
SELECT id, name, digest, scopes, extract(epoch FROM expires_at)::float8 AS expires_at,
       revoked_at IS NOT NULL AS revoked
FROM api_keys
WHERE coalesce(revoked_at, expires_at, 'infinity') > now() - interval '1 month'
ORDER BY revoked_at DESC NULLS FIRST, id DESC
LIMIT %(limit)s

-- name: key_used
-- A key was used.
UPDATE api_keys SET last_used_at = now() WHERE id = %(id)s

-- name: secret
-- What cursors and sessions are marked with.
SELECT secret FROM api_secret

-- name: progress
-- How far rollups are, and whose days they count.
SELECT max(through) FILTER (WHERE rollup = 'quarters') AS quarters,
       max(through) FILTER (WHERE rollup = 'days') AS days,
       max(through) FILTER (WHERE rollup = 'hours') AS hours,
       (SELECT time_zone FROM reporting_zone) AS time_zone,
       coalesce((SELECT min_group_size FROM small_groups), 0) AS min_group_size,
       (SELECT kept_from FROM retention_progress WHERE table_name = 'screen_minutes') AS minutes_from,
       to_regclass('members_away') IS NOT NULL AS is_of_a_federation
FROM rollup_progress

-- name: spans_kept_from
-- From when on spans are kept; no row: from the first on.
SELECT kept_from FROM retention_progress WHERE table_name = 'spans'
