-- What readers write themselves: notes on the time axis, and views of the dashboard that they keep.
-- Times are PostgreSQL's clock, `at` aside.

-- What somebody says happened then, such as a release (api/annotations). Its texts are staff's.
CREATE TABLE annotations (
    id         text COLLATE "C" PRIMARY KEY CHECK (id ~ '^[0-9a-f]{32}$'),
    at         timestamptz NOT NULL,
    kind       text NOT NULL CHECK (kind IN ('release', 'incident', 'campaign', 'note')),
    text       text NOT NULL CHECK (char_length(text) BETWEEN 1 AND 200),
    who_kind   text COLLATE "C" NOT NULL CHECK (who_kind IN ('token', 'api_key', 'single_sign_on')),
    who        text COLLATE "C" NOT NULL,  -- user of the token or the sign-on, name of the API key
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX annotations_by_time ON annotations (at, id);
REVOKE ALL ON annotations FROM PUBLIC;

-- An address of the dashboard under a name (api/views). No address names a user.
CREATE TABLE saved_views (
    id         text COLLATE "C" PRIMARY KEY CHECK (id ~ '^[0-9a-f]{32}$'),
    who_kind   text COLLATE "C" NOT NULL CHECK (who_kind IN ('token', 'api_key', 'single_sign_on')),
    who        text COLLATE "C" NOT NULL,
    name       text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 100),
    address    text NOT NULL CHECK (address ~ '^/' AND char_length(address) <= 4096),
    created_at timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz NOT NULL DEFAULT now(),
    used_at    timestamptz NOT NULL DEFAULT now()  -- opened or changed, to the day
);
CREATE INDEX saved_views_by_reader ON saved_views (who_kind, who);
CREATE INDEX saved_views_by_use ON saved_views (used_at);
REVOKE ALL ON saved_views FROM PUBLIC;
