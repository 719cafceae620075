-- Every list of users that left Rollcall (api/audiences): written before the first of them is sent, so
-- that none leaves without its row. Times are PostgreSQL's clock, but as_of, which is log time.

CREATE TABLE audience_exports (
    id         uuid PRIMARY KEY,
    started_at timestamptz NOT NULL DEFAULT now(),
    ended_at   timestamptz,
    who        text NOT NULL,                  -- user of the token, or key:name
    format     text NOT NULL CHECK (format IN ('csv', 'ndjson')),
    filter     jsonb NOT NULL,                 -- of excluded users only how many: no user id is here
    outcome    text NOT NULL DEFAULT 'running'
        CHECK (outcome IN ('running', 'completed', 'cancelled', 'failed')),
    rows       bigint NOT NULL DEFAULT 0,      -- users handed to the connection
    as_of      timestamptz,
    problem    text,                           -- why it failed
    CHECK ((outcome = 'running') = (ended_at IS NULL))
);
CREATE INDEX audience_exports_by_start ON audience_exports (started_at DESC, id DESC);

-- An audit is written once: a row gets its end, and no row is changed again.
CREATE FUNCTION audience_export_ends_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.outcome <> 'running' OR NEW.outcome = 'running'
       OR (NEW.id, NEW.started_at, NEW.who, NEW.format, NEW.filter)
          IS DISTINCT FROM (OLD.id, OLD.started_at, OLD.who, OLD.format, OLD.filter)
    THEN
        RAISE EXCEPTION 'audience_exports is an audit: of a running export only its end can be written';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER audience_export_ends_once BEFORE UPDATE ON audience_exports
    FOR EACH ROW EXECUTE FUNCTION audience_export_ends_once();

-- Nobody but the owner. An API with a role of its own needs no more of it than
-- SELECT, INSERT (id, who, format, filter), UPDATE (ended_at, outcome, rows, as_of, problem).
REVOKE ALL ON audience_exports FROM PUBLIC;
