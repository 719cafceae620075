-- What a federation reads of one member, by the name of the view that puts the members' rows under each other
-- (deploy/federation/views.py). {member} is the schema of the member's foreign tables, {name} its name. {here} is
-- whether it answers: true or false before the plan is made, so that a member that is away is not in the plan.
-- {ordinal} is its place among those that answer, from 0: to the API a member is a partition.
-- A query that groups has {here} in HAVING alone: what a reader asks for comes there too, and is false together with it;
-- two conditions that are false, one before and one after grouping, the planner does not see through.

-- name: stream_offsets
-- A member as one partition: complete up to the least of its own, the longest of its policies and graces.
SELECT {ordinal} AS "partition",
       0::bigint AS next_offset,
       CASE WHEN count(log_time) = (SELECT partitions FROM {member}.deployment WHERE {here}) THEN min(log_time) END AS log_time,
       sum(foreground)::bigint AS foreground,
       sum(background)::bigint AS background,
       jsonb_build_object('offline_after_ms', max((policy ->> 'offline_after_ms')::bigint)) AS policy,
       CASE WHEN max(grace_ms) IS NULL THEN '[]'
            ELSE jsonb_build_array(jsonb_build_array(0, max(grace_ms))) END AS graces,
       CASE WHEN min(silence ->> 'outage_ms') IS NOT NULL THEN jsonb_build_object(
           'outage_ms', min((silence ->> 'outage_ms')::bigint), 'held_ms', max((silence ->> 'held_ms')::bigint)
       ) END AS silence,
       0::bigint AS live_screens_offset
FROM {member}.stream_offsets CROSS JOIN LATERAL (
    SELECT max((given ->> 1)::bigint) AS grace_ms FROM jsonb_array_elements(graces) AS given
    WHERE (given ->> 1)::bigint > public.to_ms(log_time)
) AS grace
HAVING count(*) > 0 AND {here}

-- name: clock_steps
-- Those that a partition of the member has not caught up with.
SELECT {ordinal} AS "partition", s.log_offset, s.from_time, s.to_time
FROM {member}.clock_steps s JOIN {member}.stream_offsets o USING ("partition")
WHERE s.from_time > o.log_time AND {here}

-- name: outages
-- Silences that were ours.
SELECT {ordinal} AS "partition", kind, started_at, ended_at FROM {member}.outages WHERE {here}

-- name: live_screens
-- By screen; of a partition that a release before goes on with, which does not count them, all are '(other)'.
SELECT {ordinal} AS "partition", screen, sum(foreground)::bigint AS foreground FROM (
    SELECT l.screen, l.foreground
    FROM {member}.live_screens l JOIN {member}.stream_offsets o USING ("partition")
    WHERE o.live_screens_offset = o.next_offset AND {here}
    UNION ALL
    SELECT '(other)', foreground FROM {member}.stream_offsets
    WHERE live_screens_offset IS DISTINCT FROM next_offset AND foreground > 0 AND {here}
) AS counted
GROUP BY screen

-- name: concurrency_samples
-- Instants that every partition of the member has; added up there.
SELECT at, {ordinal} AS "partition", sum(foreground)::integer AS foreground, sum(background)::integer AS background
FROM {member}.concurrency_samples
GROUP BY at HAVING count(*) = (SELECT partitions FROM {member}.deployment WHERE {here}) AND {here}

-- name: screen_samples
-- Users by screen and minute; added up there.
SELECT at, {ordinal} AS "partition", screen, sum(foreground)::integer AS foreground
FROM {member}.screen_samples
GROUP BY at, screen HAVING {here}

-- name: screen_minutes
-- Windows that are not rolled up yet.
SELECT minute, {ordinal} AS "partition", screen, views, visits, dwell_ms, silent_dwell_ms, dwell_histogram, exits, bounces
FROM {member}.screen_minutes WHERE {here}

-- name: screen_quarters
-- Windows by quarter-hour.
SELECT * FROM {member}.screen_quarters WHERE {here}

-- name: screen_hours
-- Windows by hour.
SELECT * FROM {member}.screen_hours WHERE {here}

-- name: screen_days
-- Windows by day, with sketches of users: each member's are under its own keys, so that merged they add up.
SELECT * FROM {member}.screen_days WHERE {here}

-- name: screen_hour_users
-- Sketches by hour, likewise.
SELECT * FROM {member}.screen_hour_users WHERE {here}

-- name: screen_version_hours
-- Engagement by version and platform.
SELECT * FROM {member}.screen_version_hours WHERE {here}

-- name: screen_transitions
-- Transitions that are not rolled up yet.
SELECT quarter, {ordinal} AS "partition", from_screen, to_screen, transitions
FROM {member}.screen_transitions WHERE {here}

-- name: transition_quarters
-- Transitions by quarter-hour.
SELECT * FROM {member}.transition_quarters WHERE {here}

-- name: transition_days
-- Transitions by day.
SELECT * FROM {member}.transition_days WHERE {here}

-- name: reporting_zones
-- The zone of the member's days.
SELECT time_zone, since FROM {member}.reporting_zone WHERE {here}

-- name: rollup_progress
-- How far its rollups are.
SELECT rollup, through FROM {member}.rollup_progress WHERE {here}

-- name: retention_progress
-- From when on it keeps what.
SELECT table_name, kept_from FROM {member}.retention_progress WHERE {here}

-- name: small_groups
-- The least size of a group there.
SELECT min_group_size FROM {member}.small_groups WHERE {here}

-- name: members_away
-- Its name while it is away: as the plan of the same statement has it.
SELECT {name} AS name WHERE NOT {here}

-- name: member_states
-- What is known of it.
SELECT m.id AS place, m.name, m.here, m.problem, m.since,
       (SELECT max(name) FROM {member}.schema_migrations WHERE {here}) AS migration,
       (SELECT log_time FROM federation.stream_offsets WHERE "partition" = {ordinal} AND {here}) AS as_of
FROM federation.member m WHERE m.name = {name}
