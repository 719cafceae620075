-- Records that were gone from Kafka before they were processed, and that somebody has accepted as
-- lost (`rollcall offsets accept-loss`). Design, section 6.

CREATE TABLE lost_ranges (
    "partition" integer NOT NULL,
    from_offset bigint NOT NULL,
    to_offset   bigint NOT NULL,     -- the first one that is not lost
    accepted_at timestamptz NOT NULL DEFAULT now(),  -- by PostgreSQL's clock
    PRIMARY KEY ("partition", from_offset),
    CHECK (from_offset < to_offset)
);
