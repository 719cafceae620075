-- Timers that run on in the background (processor/timers.py).

ALTER TABLE presence
    -- What the beats of the only device since it was last in the background look like; NULL: not
    -- like those of a timer. {"beats", "period_ms", "runs_on"}, left out where 0 or false. Where
    -- devices is set each of them has its own.
    ADD COLUMN timer jsonb,
    -- Devices online whose timer runs on.
    ADD COLUMN running_timers smallint NOT NULL DEFAULT 0;

-- Few are, and whoever counts them reads no others.
CREATE INDEX presence_running_timers ON presence (user_id) WHERE running_timers > 0;
