-- Users in the foreground by screen, kept by the processor's batches, so that nobody who asks where people are now
-- reads who is online (design, section 7).

-- Of each partition as many named screens as it has places for names; the rest is '(other)', no name '(none)'.
CREATE TABLE live_screens (
    "partition" integer NOT NULL,
    screen      text COLLATE "C" NOT NULL,
    foreground  bigint NOT NULL CHECK (foreground > 0),
    PRIMARY KEY ("partition", screen)
) WITH (fillfactor = 50);

-- The offset up to which live_screens counts. Where it is not next_offset, a release that knows nothing of them has
-- gone on with the partition: they are not believed, and the next processor that knows writes them anew.
ALTER TABLE stream_offsets ADD COLUMN live_screens_offset bigint;
