-- Who was online at an instant (design, section 7): spans that hold it and open ones. Those that hold
-- it end before %(until)s: a span is open for 24 h, and what the next sign of life is late, at most. Of canaries
-- nothing is kept.
-- {who}, {not_passed_again} and {matching} stand for the parts named so.

-- name: devices_at
-- The devices that were online, as they told of themselves by then.
SELECT user_id, CASE WHEN told IS NULL THEN name ELSE told ->> 1 END AS name, device, state, screen,
       changed_at, online_since, session_start,
       CASE WHEN told IS NULL THEN app_version ELSE told ->> 2 END AS app_version,
       CASE WHEN told IS NULL THEN device_info ELSE told ->> 3 END AS device_info,
       CASE WHEN told IS NULL THEN platform ELSE told ->> 4 END AS platform
FROM (SELECT *, CASE WHEN told_before IS NOT NULL THEN told_at(told_before, %(at)s) END AS told
      FROM ({spans_at}) AS spans) AS devices

-- name: spans_at
-- Each in its span: one that ended soon after, a long one (the index spans_long has these), or an
-- open one.
SELECT user_id, name, device, state, screen, changed_at, online_since, session_start,
       app_version, device_info, platform, told_before
FROM spans
WHERE started_at <= %(at)s AND shown_until > %(at)s
  AND shown_until <= %(at)s + interval '30 minutes' AND {who} AND {not_passed_again}
UNION ALL
SELECT user_id, name, device, state, screen, changed_at, online_since, session_start,
       app_version, device_info, platform, told_before
FROM spans
WHERE started_at <= %(at)s AND shown_until > %(at)s + interval '30 minutes'
  AND shown_until < %(until)s AND shown_until - started_at > interval '30 minutes' AND {who}
  AND {not_passed_again}
UNION ALL
SELECT user_id, name, device, state, screen, changed_at, online_since, online_since,
       app_version, device_info, platform, stay -> 'told_before'
FROM presence
WHERE state <> 'offline' AND devices IS NULL AND NOT canary
  AND coalesce(from_ms((stay ->> 'since_ms')::bigint), changed_at) <= %(at)s AND {who}
UNION ALL
SELECT user_id, name, d.device, d.state::presence_state, d.screen, from_ms(d.changed_ms),
       online_since, from_ms(d.online_since_ms), d.app_version, d.device_info, d.platform,
       d.stay -> 'told_before'
FROM presence CROSS JOIN LATERAL jsonb_to_recordset(devices) AS d (
    device text, state text, screen text, changed_ms bigint, online_since_ms bigint,
    app_version text, device_info text, platform text, stay jsonb)
WHERE presence.state <> 'offline' AND devices IS NOT NULL AND NOT canary AND d.state <> 'offline'
  AND from_ms(coalesce((d.stay ->> 'since_ms')::bigint, d.changed_ms)) <= %(at)s AND {who}

-- name: not_passed_again
-- Where log time stepped back and passed the instant again, what ended before the step is not the
-- last that was then.
NOT EXISTS (
    SELECT FROM clock_steps c
    WHERE c."partition" = spans."partition" AND c.log_offset > spans.log_offset
      AND c.to_time <= %(at)s
)

-- name: users_at
-- The users, each as the device shows them that gives their state and screen (design, section 2).
SELECT DISTINCT ON (user_id) *, count(*) OVER (PARTITION BY user_id)::smallint AS device_count
FROM ({devices_at}) AS devices
ORDER BY user_id, state DESC, changed_at DESC, device COLLATE "C"

-- name: everybody
-- All users.
true

-- name: those_after
-- Those of the next page.
(%(after)s::text IS NULL OR user_id > %(after)s::text)

-- name: this_one
-- One user.
user_id = %(user_id)s

-- name: last_shown_change
-- Of what the user shows: a change of another device leaves both as they are. Within what the user
-- has done since they came online, or all that is kept of who is offline; the last thousand of it.
SELECT at, reason FROM (
    SELECT at, reason, log_offset, event_index, ordinal,
           (user_state, user_screen) IS DISTINCT FROM
           (lag(user_state) OVER log, lag(user_screen) OVER log) AS is_shown
    FROM (SELECT * FROM changes
          WHERE changes.user_id = users.user_id AND changes.at <= %(at)s
            AND (users.online_since IS NULL OR changes.at >= users.online_since)
          ORDER BY changes.at DESC LIMIT 1000) AS recent
    WINDOW log AS (ORDER BY log_offset, event_index, ordinal)
) AS steps
WHERE is_shown ORDER BY log_offset DESC, event_index DESC, ordinal DESC LIMIT 1

-- name: list_at
-- A page of those who were online, by user id.
SELECT users.user_id, name, state::text AS state, change.reason::text AS reason, screen,
       coalesce(change.at, changed_at) AS changed_at, online_since,
       NULL::timestamptz AS last_active, device_count, app_version, device_info, platform,
       false AS canary
FROM (SELECT * FROM ({users_at}) AS every WHERE {matching}
      ORDER BY user_id LIMIT %(limit)s) AS users
LEFT JOIN LATERAL ({last_shown_change}) AS change ON true
ORDER BY users.user_id

-- name: count_at
-- All that list_at has on its pages.
SELECT count(*) FROM ({users_at}) AS every WHERE {matching}

-- name: user_at
-- One row if the user is known; of one who was offline what their last span said.
SELECT users.user_id, users.name, users.state::text AS state, change.reason::text AS reason,
       users.screen, coalesce(change.at, users.changed_at) AS changed_at, users.online_since,
       NULL::timestamptz AS last_active, users.device_count, users.app_version, users.device_info,
       users.platform, coalesce((SELECT canary FROM presence WHERE user_id = %(user_id)s), false)
           AS canary,
       NULL::text AS device, NULL::boolean AS timer_runs_on,
       NULL::boolean AS signed_out,
       coalesce((SELECT jsonb_agg(jsonb_build_object(
                     'device', d.device, 'state', d.state, 'reason', (
                         SELECT reason FROM changes
                         WHERE changes.user_id = d.user_id AND changes.device = d.device
                           AND changes.at <= %(at)s AND changes.at >= d.session_start
                         ORDER BY log_offset DESC, event_index DESC, ordinal DESC
                         LIMIT 1),
                     'screen', d.screen, 'app_version', d.app_version,
                     'device_info', d.device_info, 'platform', d.platform,
                     'online_since_ms', to_ms(d.session_start),
                     'changed_ms', to_ms(d.changed_at)))
                 FROM ({devices_at}) AS d), '[]') AS devices
FROM (
    (SELECT 0 AS place, user_id, name, state, screen, changed_at, online_since, app_version,
            device_info, platform, device_count
     FROM ({users_at}) AS shown)
    UNION ALL
    (SELECT 1, presence.user_id, ended.name, 'offline', NULL, ended.shown_until, NULL,
            ended.app_version, ended.device_info, ended.platform, 0
     FROM presence LEFT JOIN LATERAL (
         SELECT * FROM spans
         WHERE spans.user_id = presence.user_id AND shown_until <= %(at)s
         ORDER BY shown_until DESC, device COLLATE "C",
                  log_offset DESC, event_index DESC, ordinal DESC LIMIT 1) AS ended ON true
     WHERE presence.user_id = %(user_id)s)
    ORDER BY place LIMIT 1
) AS users
LEFT JOIN LATERAL ({last_shown_change}) AS change ON true
