-- Tables partitioned by UTC day: make the partitions of the days to come, drop those past retention.
-- By PostgreSQL's clock; a row of a day that has no partition goes to the DEFAULT one, which is
-- emptied of what is past retention as well.

CREATE FUNCTION maintain_daily_partitions(parent text, keep_days integer) RETURNS integer
    LANGUAGE plpgsql AS $$
DECLARE
    today date := (now() AT TIME ZONE 'UTC')::date;
    first_kept date := today - keep_days;
    day date;
    child text;
    dropped integer := 0;
BEGIN
    -- Tomorrow and the day after: today's rows may already be in the DEFAULT partition.
    FOR offset_days IN 1..2 LOOP
        day := today + offset_days;
        child := parent || '_' || to_char(day, 'YYYYMMDD');
        IF to_regclass(child) IS NULL THEN
            EXECUTE format(
                'CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
                child, parent,
                (day::timestamp AT TIME ZONE 'UTC'), ((day + 1)::timestamp AT TIME ZONE 'UTC')
            );
        END IF;
    END LOOP;
    FOR child IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = to_regclass(parent) AND c.relname ~ '_[0-9]{8}$'
          AND to_date(right(c.relname, 8), 'YYYYMMDD') < first_kept
    LOOP
        EXECUTE format('DROP TABLE %I', child);
        dropped := dropped + 1;
    END LOOP;
    EXECUTE format(
        'DELETE FROM %I WHERE at < %L', parent || '_default',
        (first_kept::timestamp AT TIME ZONE 'UTC')
    );
    RETURN dropped;
END
$$;

SELECT maintain_daily_partitions('changes', 14);
