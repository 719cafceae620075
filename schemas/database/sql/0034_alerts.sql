-- Product alerts (processor/alerts): their rules, how far each was looked at, and what is to be told.

CREATE TABLE alerts (
    id         text COLLATE "C" PRIMARY KEY CHECK (id ~ '^al_[0-9a-f]{16}$'),
    rule       jsonb NOT NULL,             -- schemas/alerts/rule.py
    target     text NOT NULL CHECK (target IN ('webhook', 'slack')),
    address    text NOT NULL,              -- the URL; of a Slack webhook, whose URL is a secret, its origin
    secret     bytea NOT NULL,             -- what signs, or the URL of Slack: under ROLLCALL_ENCRYPTION_KEY
    state      jsonb,                      -- schemas/alerts/evaluate.py; NULL until it was first looked at
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text NOT NULL
);
REVOKE ALL ON alerts FROM PUBLIC;

-- Numbers of many and the names of screens and versions; nobody can be told of.
CREATE TABLE alert_notices (
    id           text COLLATE "C" PRIMARY KEY,   -- of the alert, the instant and the kind
    alert        text COLLATE "C" NOT NULL REFERENCES alerts ON DELETE CASCADE,
    kind         text NOT NULL CHECK (kind IN ('fired', 'repeated', 'recovered')),
    at           timestamptz NOT NULL,           -- log time; all others PostgreSQL's clock
    body         bytea NOT NULL,                 -- the same bytes at each attempt
    created_at   timestamptz NOT NULL DEFAULT now(),
    attempts     integer NOT NULL DEFAULT 0,
    next_at      timestamptz NOT NULL DEFAULT now(),
    problem      text,                           -- of the last attempt
    delivered_at timestamptz,
    given_up_at  timestamptz,
    CHECK (delivered_at IS NULL OR given_up_at IS NULL)
);
CREATE INDEX alert_notices_waiting ON alert_notices (alert, at)
    WHERE delivered_at IS NULL AND given_up_at IS NULL;
CREATE INDEX alert_notices_by_age ON alert_notices (created_at);
REVOKE ALL ON alert_notices FROM PUBLIC;

-- That an alert fired is marked on charts.
ALTER TABLE annotations DROP CONSTRAINT annotations_kind_check, DROP CONSTRAINT annotations_who_kind_check;
ALTER TABLE annotations
    ADD CONSTRAINT annotations_kind_check
        CHECK (kind IN ('release', 'incident', 'campaign', 'note', 'alert')),
    ADD CONSTRAINT annotations_who_kind_check
        CHECK (who_kind IN ('token', 'api_key', 'single_sign_on', 'alert'));
