-- API keys: `rollcall key`. Times are PostgreSQL's clock.

CREATE TABLE api_keys (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name         text NOT NULL CHECK (name <> ''),
    digest       bytea NOT NULL UNIQUE CHECK (octet_length(digest) = 32),  -- SHA-256, never the key
    scopes       text[] NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz,
    last_used_at timestamptz,                  -- at most a minute old, by each process that sees it
    revoked_at   timestamptz
);

-- The name of a revoked key is free again.
CREATE UNIQUE INDEX api_keys_unrevoked_name ON api_keys (name) WHERE revoked_at IS NULL;
