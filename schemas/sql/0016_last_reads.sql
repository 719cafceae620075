-- Is this still the log that was read? Design, section 6.

ALTER TABLE stream_offsets
    -- The last record that was processed: {"offset", "timestamp_ms": the broker's time of it,
    -- "checksum": CRC-32 of its value}. NULL, or of another offset than next_offset - 1, where
    -- nothing is known of it: after an accepted loss, or as an older release wrote the row.
    ADD COLUMN last_read jsonb;
