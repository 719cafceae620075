-- The grid of a timer, too, is what a sign of life changes (deploy/adr/0012): one that does not beat in the period
-- that the policy has begins a new grid with each beat, and wrote a whole row of presence for it.
ALTER TABLE signs_of_life ADD COLUMN timer jsonb;

-- What is read of users: as before, but for timer. Where the narrow row has none it is as presence says.
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
       p.stay, p.first_day, p.active_day,
       CASE WHEN s.log_offset > p.log_offset AND s.timer IS NOT NULL THEN s.timer ELSE p.timer END AS timer,
       p.running_timers, p.canary
FROM presence p LEFT JOIN signs_of_life s USING (user_id);
