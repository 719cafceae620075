-- Who looked at whom (api/reads): a row for each principal, call, subject and minute, written before
-- the answer is sent, by the API's processes together. Times are PostgreSQL's clock. No user id of a
-- subject is here: a subject is HMAC-SHA256 under ROLLCALL_USER_HASH_KEY.

CREATE TABLE reads_audit (
    minute   timestamptz NOT NULL,             -- in which the calls were answered
    who_kind text COLLATE "C" NOT NULL CHECK (who_kind IN ('token', 'api_key', 'single_sign_on')),
    who      text COLLATE "C" NOT NULL,        -- user of the token or the sign-on, name of the API key
    call     text COLLATE "C" NOT NULL,
    subject  bytea NOT NULL CHECK (octet_length(subject) = 32),  -- of the user, or of a list's filter
    calls    bigint NOT NULL,                  -- how many in the minute
    users    bigint NOT NULL,                  -- how many users they showed, each as often as shown
    PRIMARY KEY (minute, who_kind, who, call, subject)
) PARTITION BY RANGE (minute);
CREATE TABLE reads_audit_default PARTITION OF reads_audit DEFAULT;
CREATE INDEX reads_audit_by_subject ON reads_audit (subject, minute);

-- Nobody but the owner. An API with a role of its own adds rows and counts in them; it removes none.
REVOKE ALL ON reads_audit FROM PUBLIC;

SELECT make_daily_partitions('reads_audit');
