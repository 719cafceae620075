-- The outage in which clients cannot reach us (promise 3): it is seen while it runs.

ALTER TABLE outages
    ALTER COLUMN ended_at DROP NOT NULL,  -- NULL while it lasts
    DROP CONSTRAINT outages_pkey,
    -- A jump may begin with the record at which an outage of ticks only began.
    ADD PRIMARY KEY ("partition", started_at, kind);

-- {"since_ms": the last client event, "foreground": devices in the foreground then, "outage_ms":
-- since when that is an outage (null if it is none), "held_ms": nobody goes offline in it before}.
-- NULL until the first client event.
ALTER TABLE stream_offsets ADD COLUMN silence jsonb;
