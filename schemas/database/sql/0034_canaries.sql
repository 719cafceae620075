-- Canaries: synthetic users whose state is known, and who are in no count (design, section 2). The processor marks
-- their rows; nothing else is stored of them.
ALTER TABLE presence ADD COLUMN canary boolean NOT NULL DEFAULT false;

-- What is read of users, with the new column behind the others.
CREATE OR REPLACE VIEW current_presence AS
SELECT p.user_id, p."partition", p.name, p.state, p.reason, p.screen, p.changed_at, p.online_since,
       CASE WHEN s.log_offset > p.log_offset THEN s.last_active ELSE p.last_active END AS last_active,
       p.device_count, p.device, p.app_version, p.device_info, p.platform,
       CASE WHEN s.log_offset > p.log_offset THEN s.token ELSE p.token END AS token,
       CASE WHEN s.log_offset > p.log_offset THEN s.expires_at ELSE p.expires_at END AS expires_at,
       p.signed_out, p.devices, p.sign_outs,
       CASE WHEN s.log_offset > p.log_offset THEN s.sockets ELSE p.sockets END AS sockets,
       p.ended_in_foreground,
       CASE WHEN s.log_offset > p.log_offset THEN s.log_offset ELSE p.log_offset END AS log_offset,
       p.stay, p.first_day, p.active_day, p.timer, p.running_timers, p.canary
FROM presence p LEFT JOIN signs_of_life s USING (user_id);
