-- Sockets (design, section 4): what a device knows of its connections, and which of them a change
-- signed out. To be applied while no processor runs.

ALTER TABLE presence
    -- NULL without a socket in this session, else {"connections": [[id, forgotten at ms], …] (the
    -- least recently seen first), "http_expires_ms", "lost": {"at_ms", "silent_ms",
    -- "silence_expires_ms"}}; lost while the grace after the last socket runs.
    ADD COLUMN sockets jsonb,
    -- Of the last session, while offline.
    ADD COLUMN ended_in_foreground boolean NOT NULL DEFAULT false,
    -- The last record that changed the row: graces of outages that ended after it are its too.
    ADD COLUMN log_offset bigint NOT NULL DEFAULT 0;

-- NULL for none: the usual change signs nobody out.
ALTER TABLE changes ADD COLUMN connections jsonb;

-- Graces were kept with the log time of the outage's end, and are now kept with its offset. Those
-- that run are given to the rows that they were for; so no row is older than a grace.
CREATE FUNCTION pg_temp.graced_ms(of_partition integer, set_at_ms bigint, deadline_ms bigint)
    RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT greatest(deadline_ms, max((grace ->> 1)::bigint))
    FROM stream_offsets, jsonb_array_elements(graces) grace
    WHERE "partition" = of_partition AND set_at_ms < (grace ->> 0)::bigint
$$;

UPDATE presence SET
    expires_at = from_ms(pg_temp.graced_ms("partition", to_ms(last_active), to_ms(expires_at)))
WHERE state <> 'offline' AND devices IS NULL
  AND "partition" IN (SELECT "partition" FROM stream_offsets WHERE graces <> '[]');

UPDATE presence SET
    devices = (
        SELECT jsonb_agg(
            CASE WHEN d ->> 'state' = 'offline' THEN d
            ELSE d || jsonb_build_object('expires_ms', pg_temp.graced_ms(
                "partition", (d ->> 'last_active_ms')::bigint, (d ->> 'expires_ms')::bigint
            )) END ORDER BY place
        )
        FROM jsonb_array_elements(devices) WITH ORDINALITY remembered (d, place)
    )
WHERE state <> 'offline' AND devices IS NOT NULL
  AND "partition" IN (SELECT "partition" FROM stream_offsets WHERE graces <> '[]');

UPDATE stream_offsets SET graces = '[]';

COMMENT ON COLUMN stream_offsets.graces IS '[[offset of the outage''s end, online until at least in ms], …]';
