-- What every sign of life changes, apart from what people look at (design, section 7; deploy/adr/0012).

-- What the latest heartbeat, connect or renewal of a user's only device changed, where it changed nothing else.
-- Narrow rows in no index but that of the key, with room beside them: every update is HOT. The row of a user whom
-- something else befell since is of no account, until the next sign of life writes it anew.
CREATE TABLE signs_of_life (
    user_id     text COLLATE "C" PRIMARY KEY,
    last_active timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    token       text,
    sockets     jsonb,
    log_offset  bigint NOT NULL
) WITH (fillfactor = 70);
REVOKE ALL ON signs_of_life FROM PUBLIC;

-- Users as they are: presence, but of what both tables have the one with the greater offset. This is the one place
-- that says which is to be believed. A reader that asks for none of these columns reads presence alone: the planner
-- leaves the other one out. Whoever adds a column to presence adds it here, at the end.
CREATE VIEW current_presence AS
SELECT p.user_id, p."partition", p.name, p.state, p.reason, p.screen, p.changed_at, p.online_since,
       CASE WHEN s.log_offset > p.log_offset THEN s.last_active ELSE p.last_active END AS last_active,
       p.device_count, p.device, p.app_version, p.device_info, p.platform,
       CASE WHEN s.log_offset > p.log_offset THEN s.token ELSE p.token END AS token,
       CASE WHEN s.log_offset > p.log_offset THEN s.expires_at ELSE p.expires_at END AS expires_at,
       p.signed_out, p.devices, p.sign_outs,
       CASE WHEN s.log_offset > p.log_offset THEN s.sockets ELSE p.sockets END AS sockets,
       p.ended_in_foreground,
       CASE WHEN s.log_offset > p.log_offset THEN s.log_offset ELSE p.log_offset END AS log_offset,
       p.stay, p.first_day, p.active_day, p.timer, p.running_timers
FROM presence p LEFT JOIN signs_of_life s USING (user_id);
REVOKE ALL ON current_presence FROM PUBLIC;

-- Where batches keep signs of life: apart, in the table above, or together with the rest, in presence. Together where
-- a processor of an earlier release has been: if it took a partition back it would read deadlines that have passed.
-- `rollcall migrate --signs-of-life` changes it. On the way back they are joining: batches keep them in presence, and
-- what was apart is not all there yet.
ALTER TABLE deployment ADD COLUMN signs_of_life text NOT NULL DEFAULT 'together'
    CHECK (signs_of_life IN ('apart', 'joining', 'together'));
ALTER TABLE deployment ALTER COLUMN signs_of_life SET DEFAULT 'apart';

-- The offset up to which a release that knows signs_of_life has stored. Where it is not next_offset, one that does
-- not has gone on with the partition.
ALTER TABLE stream_offsets ADD COLUMN signs_of_life_offset bigint;

-- Such a release stores nothing unless all are together. Its sessions have that name since the first one; operators
-- and their tools may advance a partition.
CREATE FUNCTION refuse_batch_of_earlier_release() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT signs_of_life <> 'together' FROM deployment) THEN
        RAISE EXCEPTION 'a processor of an earlier release: signs of life are kept apart, which it does not know'
            USING ERRCODE = 'RC002',
                  HINT = 'Start processors of this release, or run rollcall migrate --signs-of-life together.';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER refuse_batch_of_earlier_release BEFORE UPDATE ON stream_offsets FOR EACH ROW
    WHEN (NEW.next_offset > OLD.next_offset AND NEW.signs_of_life_offset IS DISTINCT FROM NEW.next_offset
          AND current_setting('application_name') = 'rollcall-processor')
    EXECUTE FUNCTION refuse_batch_of_earlier_release();
