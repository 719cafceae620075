-- from_ms adds nothing that depends on the session's time zone, so that the planner puts its body in the place of each
-- call: what was a call of a function in SQL for each time of each row. Exact, as a double of seconds is to less than half
-- a microsecond, until the year 2242.
CREATE OR REPLACE FUNCTION from_ms(ms bigint) RETURNS timestamptz
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN to_timestamp(ms / 1000e0);
