-- Sketches of users hold HMACs of their ids (schemas/measures/sketches.py), under a key for each UTC
-- month. Maintenance makes the key of a month with its first sketch, and destroys it once changes of
-- that month have gone, of which its sketches could be made again: from then on a sketch tells how
-- many, and nobody can ask it for a person.

-- One row a key that still lives. Its page is cleaned soon after: without this so small a table never
-- would be.
CREATE TABLE sketch_keys (
    month date PRIMARY KEY CHECK (month = date_trunc('month', month::timestamp)::date),
    key   bytea NOT NULL CHECK (octet_length(key) = 32)
) WITH (autovacuum_vacuum_threshold = 0, autovacuum_vacuum_scale_factor = 0);

-- Nobody but the owner: the API and analysts, who read sketches or what is made of them, never do.
REVOKE ALL ON sketch_keys FROM PUBLIC;

-- Whose key a sketch is under, by its month. NULL: it holds ids without a key, as the release before
-- makes them; maintenance drops it with its changes, and the number of users stays. An hour's sketch
-- is then that of nobody, which the release before can read.
ALTER TABLE screen_hour_users ADD sketch_month date;
-- A day whose users are in sketches under several keys has no sketch of its own, and bounds: users is
-- the least, users_at_most the most. NULL: as many as users.
ALTER TABLE screen_days ADD sketch_month date, ADD users_at_most bigint;

CREATE OR REPLACE VIEW analytics.screen_engagement_daily AS
SELECT
    day,
    screen,
    views,
    visits,
    CASE WHEN users_at_most IS NULL THEN users END AS users,
    dwell_ms,
    dwell_ms::double precision / nullif(visits, 0) AS mean_dwell_ms,
    analytics.percentile_ms(dwell_histogram, 0.5) AS p50_dwell_ms,
    analytics.percentile_ms(dwell_histogram, 0.9) AS p90_dwell_ms,
    analytics.percentile_ms(dwell_histogram, 0.95) AS p95_dwell_ms,
    silent_dwell_ms,
    silent_dwell_ms::double precision / nullif(dwell_ms, 0) AS silent_share,
    exits,
    bounces,
    dwell_histogram,
    users AS users_at_least,
    coalesce(users_at_most, users) AS users_at_most
FROM screen_days
WHERE day < (
    SELECT (through AT TIME ZONE time_zone)::date
    FROM rollup_progress, reporting_zone WHERE rollup = 'days'
);
COMMENT ON COLUMN analytics.screen_engagement_daily.users IS
    'Different users who began a visit on the screen on the day: estimate of a HyperLogLog sketch with a relative standard error of 1.6 % (95 % of estimates within 3.3 %); all but exact up to a few hundred. NULL where users_at_least and users_at_most differ: a day that another reporting zone made anew when nobody could count its users any more. Not additive.';
COMMENT ON COLUMN analytics.screen_engagement_daily.users_at_least IS
    'At least so many different users, within the error of users; equal to it where that is known. Not additive.';
COMMENT ON COLUMN analytics.screen_engagement_daily.users_at_most IS
    'At most so many different users, within the error of users; equal to it where that is known. Not additive.';
