-- What the processes of the API share: their secret, and the dashboard's sessions.

-- One row: 244 bits at random. With it the API marks what it gives out and takes back (cursors, cookies
-- of sessions), so that nobody else can make one.
CREATE TABLE api_secret (
    one_row boolean PRIMARY KEY DEFAULT true CHECK (one_row),
    secret  bytea NOT NULL CHECK (octet_length(secret) = 32)
);
INSERT INTO api_secret (secret)
VALUES (sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())));
REVOKE ALL ON api_secret FROM PUBLIC;

-- The dashboard's sessions (api/browser_session.py). Times are PostgreSQL's clock.
CREATE TABLE browser_sessions (
    digest     bytea PRIMARY KEY CHECK (octet_length(digest) = 32),  -- of what the cookie holds
    owner      bytea NOT NULL CHECK (octet_length(owner) = 32),      -- digest of who logged in
    token      bytea NOT NULL,       -- encrypted: the key is made of the cookie, and stored nowhere
    used_at    timestamptz NOT NULL DEFAULT now(),  -- to a tenth of a session's life
    expires_at timestamptz NOT NULL  -- by then it must have been used again; never after the token
);
CREATE INDEX browser_sessions_by_owner ON browser_sessions (owner, used_at);
CREATE INDEX browser_sessions_by_end ON browser_sessions (expires_at);
REVOKE ALL ON browser_sessions FROM PUBLIC;

-- Of which kind whoever took an export is: a token may name a user `key:CRM`. NULL: exported before
-- this was kept.
ALTER TABLE audience_exports
    ADD COLUMN who_kind text CHECK (who_kind IN ('token', 'api_key', 'single_sign_on'));

CREATE OR REPLACE FUNCTION audience_export_ends_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.outcome <> 'running' OR NEW.outcome = 'running'
       OR (NEW.id, NEW.started_at, NEW.who, NEW.who_kind, NEW.format, NEW.filter)
          IS DISTINCT FROM (OLD.id, OLD.started_at, OLD.who, OLD.who_kind, OLD.format, OLD.filter)
    THEN
        RAISE EXCEPTION 'audience_exports is an audit: of a running export only its end can be written';
    END IF;
    RETURN NEW;
END
$$;
