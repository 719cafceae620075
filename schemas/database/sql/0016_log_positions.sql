-- Is this still the log that was read? Design, section 6.

ALTER TABLE stream_offsets
    -- The last record that was processed: {"offset", "timestamp_ms": the broker's time of it,
    -- "checksum": CRC-32 of its value}. NULL, or of another offset than next_offset - 1, where
    -- nothing is known of it: after an accepted loss, or as an older release wrote the row.
    ADD COLUMN last_read jsonb;

-- The broker's clock was ahead and was put right: log time stepped back (design, section 2). The
-- latest 64 of each partition.
CREATE TABLE clock_steps (
    "partition" integer NOT NULL,
    log_offset  bigint NOT NULL,        -- of the record with which it did
    from_time   timestamptz NOT NULL,
    to_time     timestamptz NOT NULL,
    PRIMARY KEY ("partition", log_offset),
    CHECK (to_time < from_time)
);
