-- name: lock
-- Whether nobody else migrates.
SELECT pg_try_advisory_lock(%s)

-- name: is_federation
-- Whether what a federation shows is before the tables (deploy/federation).
SELECT to_regclass('members_away') IS NOT NULL

-- name: wait_for_locks
-- How long a statement of the transaction waits for a lock.
SELECT set_config('lock_timeout', %s, true)

-- name: create_table
-- Which migrations were applied.
CREATE TABLE IF NOT EXISTS schema_migrations (
    name       text PRIMARY KEY,
    checksum   text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)

-- name: applied
-- All that were, in their order.
SELECT name, checksum FROM schema_migrations ORDER BY name

-- name: record
-- This one was.
INSERT INTO schema_migrations (name, checksum) VALUES (%s, %s)

-- name: analysts
-- Who may read the analytics schema, and whether what is about people as well.
SELECT r.rolname, EXISTS (
    SELECT FROM pg_class c, aclexplode(c.relacl) AS held
    WHERE c.oid = to_regclass('analytics.visits')
      AND held.grantee = allowed.grantee AND held.privilege_type = 'SELECT'
)
FROM pg_namespace n
CROSS JOIN aclexplode(n.nspacl) AS allowed
JOIN pg_roles r ON r.oid = allowed.grantee
WHERE n.nspname = 'analytics' AND allowed.privilege_type = 'USAGE'
  AND allowed.grantee <> n.nspowner

-- name: is_unfinished
-- Whether an attempt to build the index beside others was cut short.
SELECT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass(%s) AND NOT indisvalid)

-- name: role_exists
-- Whether the role is there.
SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = %s)

-- name: grant_analytics
-- What analysts may read, of people too or not.
SELECT grant_analytics(%s, %s)

-- name: grant_api
-- What the API does, and no more: it reads everything but the keys of sketches, notes when an API key was
-- used, keeps the audits of exports, of reads and of what managers do, the dashboard's sessions, readers' notes and saved
-- views, and what erasures were asked for. Its own rights on partitions are those on the tables that they
-- belong to.
GRANT USAGE ON SCHEMA public, analytics TO {role};
GRANT SELECT ON ALL TABLES IN SCHEMA public, analytics TO {role};
REVOKE ALL ON sketch_keys FROM {role};
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public, analytics TO {role};
GRANT UPDATE (last_used_at) ON api_keys TO {role};
GRANT INSERT (id, who, who_kind, format, filter, destination, resumes),
    UPDATE (ended_at, outcome, rows, as_of, problem) ON audience_exports TO {role};
GRANT INSERT (id, destination, name, push, calls_per_second, as_of, users, pages),
    UPDATE (users, pages, cancel_wanted_at, ended_at, problem, attempts, next_at, resumed_at, audit, sent_before)
    ON audience_deliveries TO {role};
GRANT INSERT ON audience_pages TO {role};
GRANT INSERT, UPDATE (calls, users) ON reads_audit TO {role};
GRANT INSERT (digest, owner, token, expires_at), UPDATE (used_at, expires_at), DELETE
    ON browser_sessions TO {role};
GRANT INSERT (id, at, kind, text, who_kind, who), DELETE ON annotations TO {role};
GRANT INSERT (id, who_kind, who, name, address), UPDATE (name, address, changed_at, used_at), DELETE
    ON saved_views TO {role};
GRANT INSERT (id, url, filter, created_by, secret), DELETE,
    UPDATE (secret, previous_secret, previous_until, disabled_at, disabled_why) ON webhooks TO {role};
GRANT INSERT (webhook, "partition", dead_letter, next_offset, until_offset) ON webhook_cursors TO {role};
GRANT UPDATE (replaying_since) ON webhook_dead_letters TO {role};
GRANT INSERT (id, rule, target, address, secret, created_by), DELETE ON alerts TO {role};
GRANT UPDATE (secret, previous_secret, previous_until) ON alerts TO {role};
GRANT INSERT (id, token_hash, name, created_by, expires_at), DELETE ON share_links TO {role};
GRANT INSERT (who_kind, who, kind, managed, action, details) ON managed_audit TO {role};
GRANT INSERT (erasure_id, user_hash, kind, "partition") ON erasures TO {role}

-- name: grant_notify
-- What notify does, and no more: it reads who is told, how far the log is and what product alerts measure, and keeps
-- its cursors, how far alerts were looked at, and what could not be delivered. About people it reads who was erased or
-- opted out, by hash, the pages of audiences that it sends, and whom live audiences told.
GRANT USAGE ON SCHEMA public TO {role};
GRANT SELECT ON webhooks, webhook_cursors, webhook_dead_letters, outages TO {role};
GRANT SELECT ("partition", next_offset, log_time, published_through, policy) ON stream_offsets TO {role};
GRANT SELECT (user_hash, erased_until, opted_out) ON privacy_flags TO {role};
GRANT SELECT (user_hash, erased_at) ON erasures TO {role};
GRANT SELECT (fingerprint) ON user_hash_key TO {role};
GRANT SELECT, INSERT, UPDATE, DELETE ON webhook_told TO {role};
GRANT SELECT, UPDATE, DELETE ON audience_pages TO {role};
GRANT SELECT ON audience_deliveries TO {role};
GRANT UPDATE (next_page, sent, left_out, attempts, problem, next_at, holder, held_until, ended_at)
    ON audience_deliveries TO {role};
GRANT SELECT (id, outcome), UPDATE (ended_at, outcome, rows, as_of, problem) ON audience_exports TO {role};
GRANT UPDATE (disabled_at, disabled_why) ON webhooks TO {role};
GRANT INSERT, UPDATE, DELETE ON webhook_cursors, webhook_dead_letters TO {role};
GRANT EXECUTE ON FUNCTION to_ms(timestamptz), min_group_size() TO {role};
GRANT SELECT ON deployment, clock_steps, concurrency_samples, concurrency_quarters, screen_samples, screen_transitions,
    transition_quarters, rollup_progress, alerts, alert_notices TO {role};
GRANT SELECT (ended_at, app_version) ON sessions TO {role};
GRANT UPDATE (state) ON alerts TO {role};
GRANT INSERT, UPDATE, DELETE ON alert_notices TO {role};
GRANT SELECT (id, at), INSERT ON annotations TO {role}

-- name: grant_federation
-- What a federation reads of a member, and no more: sums, samples and windows. No table in which anybody is named; the
-- sketches of users are under keys that it does not get.
GRANT USAGE ON SCHEMA public TO {role};
GRANT SELECT (name) ON schema_migrations TO {role};
GRANT SELECT (topic_id, partitions) ON deployment TO {role};
GRANT SELECT ("partition", next_offset, log_time, foreground, background, policy, graces, silence, live_screens_offset)
    ON stream_offsets TO {role};
GRANT SELECT ON clock_steps, outages, live_screens, concurrency_samples, screen_samples, screen_minutes, screen_quarters,
    screen_hours, screen_days, screen_hour_users, screen_version_hours, screen_transitions, transition_quarters,
    transition_days, rollup_progress, retention_progress, reporting_zone, small_groups TO {role}
