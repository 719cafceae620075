-- Who made, changed and ended what tells others of users or their numbers: webhooks, product alerts, share links and
-- deliveries of audiences. A row is written by the statement that does it. Times are PostgreSQL's clock.

CREATE TABLE managed_audit (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at       timestamptz NOT NULL DEFAULT now(),
    who_kind text COLLATE "C" NOT NULL CHECK (who_kind IN ('token', 'api_key', 'single_sign_on', 'command')),
    who      text NOT NULL,                        -- user of the token or the sign-on, name of the API key, user of the shell
    kind     text COLLATE "C" NOT NULL CHECK (kind IN ('webhook', 'alert', 'share_link', 'delivery')),
    managed  text COLLATE "C" NOT NULL,            -- its id
    action   text COLLATE "C" NOT NULL
        CHECK (action IN ('made', 'rotated', 'enabled', 'replayed', 'resumed', 'cancelled', 'ended')),
    details  jsonb NOT NULL DEFAULT '{}'           -- where to, what of; no secret and no path of a URL
);
CREATE INDEX managed_audit_by_age ON managed_audit (at);

-- Nobody but the owner. An API with a role of its own adds rows; it changes and removes none.
REVOKE ALL ON managed_audit FROM PUBLIC;

CREATE FUNCTION managed_audit_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'managed_audit is an audit: no row of it can be changed';
END
$$;
CREATE TRIGGER managed_audit_stays BEFORE UPDATE ON managed_audit
    FOR EACH ROW EXECUTE FUNCTION managed_audit_stays();
