-- Another log under the same history (`rollcall offsets accept-loss --new-topic`). Design, section 6.

ALTER TABLE deployment
    -- Every offset of presence.events that is stored is a position: Kafka's offset in the topic that the
    -- database belongs to now, and this. A multiple of 10^12, so that positions of later topics are higher.
    ADD COLUMN log_base bigint NOT NULL DEFAULT 0 CHECK (log_base >= 0 AND log_base % 1000000000000 = 0),
    -- The topics that it belonged to before.
    ADD COLUMN former_topic_ids uuid[] NOT NULL DEFAULT '{}';
