-- What the feed reads, once for all its viewers. What is read every second costs as much as the
-- partitions and a bounded number of changes do, not the fleet.

-- name: pulse
-- One row, also before there is a deployment. An outage of ticks only lasts (the earliest in any
-- partition, held for the longest), or the grace after an outage of either kind still gives time.
SELECT min((o.silence ->> 'outage_ms')::bigint) AS outage_ms,
       max((o.silence ->> 'held_ms')::bigint) AS held_ms,
       max(grace.until_ms) AS grace_ms,
       -- A federation has no users; somebody is known to its members.
       CASE WHEN to_regclass('members_away') IS NOT NULL THEN true
            ELSE EXISTS (SELECT FROM presence WHERE NOT canary) END AS anyone
FROM deployment d LEFT JOIN stream_offsets o ON o."partition" < d.partitions
LEFT JOIN LATERAL (
    SELECT max((given ->> 1)::bigint) AS until_ms FROM jsonb_array_elements(o.graces) AS given
    WHERE (given ->> 1)::bigint > to_ms(o.log_time)
) AS grace ON true

-- name: last_outage
-- Read while a grace runs: what it is the grace of. A row a partition and outage is few.
SELECT kind, min(started_at) AS started_at, max(ended_at) AS ended_at
FROM outages
WHERE ended_at >= (SELECT max(ended_at) FROM outages) - interval '1 minute'
GROUP BY kind ORDER BY max(ended_at) DESC LIMIT 1

-- name: changes
-- Changes after one instant up to another, the latest %(most)s of them: how many users came and went,
-- and a few of them in no order that anything has. A device that comes online brings its user, if
-- the user is online since then; who has come and gone since then is taken to have come.
WITH recent AS MATERIALIZED (
    SELECT at, "partition", log_offset, event_index, ordinal, user_id, device, reason,
           previous_state, state, previous_screen, screen, user_state, user_screen,
           app_version, platform
    FROM changes WHERE at > %(after)s AND at <= %(through)s
    ORDER BY at DESC LIMIT %(most)s
),
moved AS (
    SELECT count(*) AS total, min(at) AS first_at,
           count(*) FILTER (WHERE user_state = 'offline' AND previous_state <> 'offline')
               AS departures
    FROM recent
),
arrived AS (
    -- By index, one by one: a join of so many rows, planned as if each were likely, reads everybody.
    SELECT count(DISTINCT (user_id, at)) AS arrivals
    FROM recent r
    WHERE previous_state = 'offline' AND state <> 'offline'
      AND coalesce((SELECT online_since FROM presence p WHERE p.user_id = r.user_id), at) >= at
),
sample AS (
    SELECT * FROM recent
    ORDER BY hashint8extended(log_offset, event_index + ordinal::bigint * 1000 + "partition")
    LIMIT %(sample)s
)
SELECT total, first_at, departures, arrivals, s.at, s.user_id, p.name, s.device,
       s.reason::text AS reason, s.previous_state::text AS previous_state, s.state::text AS state,
       s.previous_screen, s.screen, s.user_state::text AS user_state, s.user_screen,
       before.user_state::text AS previous_user_state, before.user_screen AS previous_user_screen,
       s.app_version, s.platform
FROM moved CROSS JOIN arrived LEFT JOIN sample s ON true LEFT JOIN presence p USING (user_id)
LEFT JOIN LATERAL (
    -- What the user showed before it: of a day at most, so that few partitions are looked into.
    SELECT c.user_state, c.user_screen FROM changes c
    WHERE c.user_id = s.user_id AND c.at > s.at - interval '1 day' AND c.at <= s.at
      AND (c.log_offset, c.event_index, c.ordinal) < (s.log_offset, s.event_index, s.ordinal)
    ORDER BY c.at DESC, c.log_offset DESC, c.event_index DESC, c.ordinal DESC LIMIT 1
) AS before ON true
ORDER BY s.at, s."partition", s.log_offset, s.event_index, s.ordinal

-- name: one_moment
-- All that follows in the transaction is of one moment.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ
