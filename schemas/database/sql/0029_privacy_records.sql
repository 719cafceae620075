-- Who asked for an opt-out or an erasure is in reads_audit as well, a user's own call as `own`: the row
-- has no id then. Rows are not looked at again: what is there obeys a stricter rule.
ALTER TABLE reads_audit DROP CONSTRAINT reads_audit_who_kind_check;
ALTER TABLE reads_audit ADD CONSTRAINT reads_audit_who_kind_check CHECK (
    who_kind IN ('token', 'api_key', 'single_sign_on') OR who_kind = 'own' AND who = ''
) NOT VALID;

-- Of one user the latest: for the door, and for who asks what is stored.
CREATE INDEX erasures_by_user ON erasures (user_hash, requested_at);

-- As before, but what is told is rows: of a partition up to 64 MiB they are counted, of a larger one they
-- are what PostgreSQL estimates (pg_class.reltuples), because to count them is to read them all. Counted
-- before the first is dropped: from then on everybody waits for the table.
DROP FUNCTION drop_daily_partitions(text, date, integer);
CREATE FUNCTION drop_daily_partitions(parent text, first_kept date, most integer)
    RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    "column" text;
    child record;
    past regclass[] := '{}';
    counted bigint;
    removed bigint := 0;
BEGIN
    SELECT a.attname INTO STRICT "column"
    FROM pg_partitioned_table p
    JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0]
    WHERE p.partrelid = to_regclass(parent);
    FOR child IN
        SELECT c.oid::regclass AS name, c.reltuples FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = to_regclass(parent) AND c.relname ~ '_[0-9]{8}$'
          AND to_date(right(c.relname, 8), 'YYYYMMDD') < first_kept
    LOOP
        past := past || child.name;
        IF pg_relation_size(child.name) <= 64 * 1024 * 1024 THEN
            EXECUTE format('SELECT count(*) FROM %s', child.name) INTO counted;
        ELSE
            counted := greatest(child.reltuples, 0);
        END IF;
        removed := removed + counted;
    END LOOP;
    FOR i IN 1 .. cardinality(past) LOOP
        EXECUTE format('DROP TABLE %s', past[i]);
    END LOOP;
    RETURN removed + delete_before(parent || '_default', "column", first_kept, most);
END
$$;
