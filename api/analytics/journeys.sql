-- Ways of people, as schemas/database/sql/0023_journeys.sql counts them.

-- name: funnel
-- Sessions that came from screen to screen, as analysts' SQL has them.
SELECT value, step, screen, sessions, users, from_first, from_before, p50_ms, p90_ms
FROM analytics.funnel(%(steps)s::text[], %(from)s, %(to)s, %(by)s)

-- name: retention
-- Who came back in which week after their first, as analysts' SQL has it.
SELECT first_week, new_users, weeks_later, active_users, share, complete
FROM analytics.retention(%(weeks)s::integer)
