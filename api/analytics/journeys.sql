-- Ways of people, as schemas/database/sql/0023_journeys.sql counts them.

-- name: funnel
SELECT value, step, screen, sessions, users, from_first, from_before, p50_ms, p90_ms
FROM analytics.funnel(%(steps)s::text[], %(from)s, %(to)s, %(by)s)

-- name: retention
SELECT first_week, new_users, weeks_later, active_users, share, complete
FROM analytics.retention(%(weeks)s::integer)
