-- What looking at alerts and telling of them reads and writes (schemas/alerts/queries.sql has what rules
-- are held against).

-- name: begin
-- as_of, alerts and points are of one moment.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ

-- name: own
-- Only one process looks at alerts: whether it is this one, until its transaction ends.
SELECT pg_try_advisory_xact_lock(%(key)s)

-- name: alerts
-- All rules, and how far each is.
SELECT id, rule, target, state FROM alerts ORDER BY id LIMIT %(most)s

-- name: advance
-- With the notices that came of it, in one transaction.
UPDATE alerts SET state = %(state)s::jsonb WHERE id = %(id)s

-- name: notice
-- Fixed before its first attempt: same id and bytes through retries.
INSERT INTO alert_notices (id, alert, kind, at, body)
VALUES (%(id)s, %(alert)s, %(kind)s, %(at)s, %(body)s)
ON CONFLICT (id) DO NOTHING

-- name: note
-- Where it fired, on charts; as far as there is room for notes.
INSERT INTO annotations (id, at, kind, text, who_kind, who)
SELECT %(id)s, %(at)s, 'alert', %(text)s, 'alert', %(alert)s
WHERE (SELECT count(*) FROM annotations) < %(most)s
  AND (SELECT count(*) FROM annotations
       WHERE (at AT TIME ZONE 'UTC')::date = (%(at)s::timestamptz AT TIME ZONE 'UTC')::date) < %(most_of_day)s
ON CONFLICT (id) DO NOTHING

-- name: claim
-- The oldest of each alert, for as long as an attempt may take: who is killed in it leaves it to others.
UPDATE alert_notices n
SET attempts = attempts + 1, next_at = now() + interval '1 second' *
    CASE a.target WHEN 'email' THEN %(mail_lease_seconds)s ELSE %(lease_seconds)s END
FROM alerts a
WHERE a.id = n.alert AND n.next_at <= now() AND n.delivered_at IS NULL AND n.given_up_at IS NULL
  AND n.id IN (
    SELECT id FROM (
        SELECT DISTINCT ON (alert) id, next_at FROM alert_notices
        WHERE delivered_at IS NULL AND given_up_at IS NULL
        ORDER BY alert, at, id
    ) AS oldest
    WHERE next_at <= now() ORDER BY next_at LIMIT %(most)s
  )
RETURNING n.id, n.alert, n.body, n.attempts, a.target, a.address, a.secret,
          CASE WHEN a.previous_until > now() THEN a.previous_secret END AS previous_secret,
          extract(epoch FROM now() - n.created_at)::float8 AS age_seconds

-- name: delivered
-- It is told.
UPDATE alert_notices SET delivered_at = now(), problem = NULL WHERE id = %(id)s

-- name: failed
-- Another attempt follows.
UPDATE alert_notices SET problem = %(problem)s, next_at = now() + %(pause_seconds)s * interval '1 second'
WHERE id = %(id)s

-- name: given_up
-- Nobody tells it any more.
UPDATE alert_notices SET given_up_at = now(), problem = %(problem)s WHERE id = %(id)s

-- name: forget
-- What was told or given up long ago.
DELETE FROM alert_notices WHERE created_at < now() - %(days)s * interval '1 day'
  AND (delivered_at IS NOT NULL OR given_up_at IS NOT NULL)
