-- Deliveries of audiences as they are shown, cancelled and resumed, by the API and by `rollcall deliveries`.
-- Each is one statement, with its row of the audit.

-- name: deliveries
-- Newest first. The row of the audit is that of the last time that it was resumed.
SELECT d.id::text AS id, d.destination, d.name, d.push, e.who, e.who_kind, d.created_at, d.as_of,
       d.ended_at, d.users, d.sent,
       CASE WHEN a.outcome = 'completed' THEN d.users - d.sent ELSE d.left_out END AS left_out,
       CASE WHEN d.ended_at IS NOT NULL THEN a.outcome
            WHEN d.cancel_wanted_at IS NOT NULL THEN 'cancelling'
            WHEN d.attempts > 0 THEN 'failing' ELSE 'running' END AS state,
       d.problem, d.resumed_at,
       CASE WHEN a.outcome = 'failed' THEN least(
           d.ended_at + %(hours)s * interval '1 hour', d.created_at + %(in_all_hours)s * interval '1 hour'
       ) END AS resumable_until
FROM audience_deliveries d
JOIN audience_exports e USING (id)
JOIN audience_exports a ON a.id = coalesce(d.audit, d.id)
WHERE %(id)s::uuid IS NULL OR d.id = %(id)s::uuid
ORDER BY d.created_at DESC, d.id DESC LIMIT %(most)s

-- name: running
-- How many are on their way.
SELECT count(*) FROM audience_deliveries WHERE ended_at IS NULL

-- name: cancel
-- Notify ends it before its next call.
WITH cancelled AS (
    UPDATE audience_deliveries SET cancel_wanted_at = now()
    WHERE id = %(id)s AND ended_at IS NULL AND cancel_wanted_at IS NULL
    RETURNING id, sent
)
INSERT INTO managed_audit (who_kind, who, kind, managed, action, details)
SELECT %(who_kind)s, %(who)s, 'delivery', id::text, 'cancelled', jsonb_build_object('sent', sent)
FROM cancelled

-- name: resume
-- Where it stood. No row: it did not fail, or too long ago, or somebody else resumed it.
WITH failed AS (
    SELECT d.id, d.sent, d.destination, a.filter
    FROM audience_deliveries d JOIN audience_exports a ON a.id = coalesce(d.audit, d.id)
    WHERE d.id = %(id)s AND a.outcome = 'failed'
      AND d.ended_at > now() - %(hours)s * interval '1 hour'
      AND d.created_at > now() - %(in_all_hours)s * interval '1 hour'
    FOR UPDATE OF d
), begun AS (
    INSERT INTO audience_exports (id, who, who_kind, format, filter, destination, resumes)
    SELECT %(audit)s, %(who)s, %(who_kind)s, 'push', filter, destination, id FROM failed
), noted AS (
    INSERT INTO managed_audit (who_kind, who, kind, managed, action, details)
    SELECT %(who_kind)s, %(who)s, 'delivery', id::text, 'resumed',
           jsonb_build_object('to', destination, 'sent', sent)
    FROM failed
)
UPDATE audience_deliveries d
SET ended_at = NULL, problem = NULL, attempts = 0, next_at = now(), cancel_wanted_at = NULL,
    resumed_at = now(), audit = %(audit)s, sent_before = d.sent
FROM failed WHERE d.id = failed.id
RETURNING d.id

-- name: reachable
-- Whether it can go where it went.
SELECT destination = 'onesignal' OR EXISTS (
    SELECT FROM webhooks WHERE id = destination AND disabled_at IS NULL AND filter ->> 'of' = 'audience'
)
FROM audience_deliveries WHERE id = %(id)s
