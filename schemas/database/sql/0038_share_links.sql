-- Links by which somebody without a login sees the numbers of the Live page (api/sharing): of each the hash of its token,
-- which its link alone has. Times are PostgreSQL's clock.

CREATE TABLE share_links (
    id         text COLLATE "C" PRIMARY KEY CHECK (id ~ '^sl_[0-9a-f]{16}$'),
    token_hash bytea NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),  -- SHA-256
    name       text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 100),    -- whoever has the link sees it
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);
CREATE INDEX share_links_by_end ON share_links (expires_at);
REVOKE ALL ON share_links FROM PUBLIC;
