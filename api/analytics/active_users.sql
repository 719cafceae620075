-- Active users by day of the reporting zone: rollups as far as they are made, user_days after them.

-- name: active_users
-- Daily, weekly and monthly active users by day: rolled up, else from the users' days.
WITH known AS (
    SELECT day, active, new, weekly_active, monthly_active FROM active_user_days
    WHERE day >= %(day_from)s AND day < %(rolled_to)s
    UNION ALL
    SELECT day, count(*), count(*) FILTER (WHERE is_new), NULL, NULL FROM user_days
    WHERE day >= %(rolled_to)s AND day < %(day_to)s
    GROUP BY day
),
-- Nothing is said of days before the first of which anything is kept.
first_day AS (
    SELECT least((SELECT min(day) FROM active_user_days), (SELECT min(day) FROM user_days)) AS day
)
SELECT every.day::date AS day, coalesce(active, 0) AS active, coalesce(new, 0) AS new,
       weekly_active, monthly_active
FROM first_day, generate_series(greatest(%(day_from)s::date, first_day.day)::timestamp,
                                %(last_day)s::timestamp, '1 day') AS every (day)
LEFT JOIN known ON known.day = every.day::date
WHERE first_day.day IS NOT NULL
ORDER BY day
