-- What `rollcall audit` found, a row a run: the latest 400. No user is named here; differences are printed where the
-- audit runs. Times are PostgreSQL's clock unless a comment says otherwise.

CREATE TABLE audits (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    finished_at     timestamptz NOT NULL DEFAULT now(),
    as_of           timestamptz,              -- log time up to which every partition was compared
    users           bigint NOT NULL,
    percent_in_full double precision NOT NULL,  -- users of whom the whole log was read
    rows_compared   bigint NOT NULL,
    differences     bigint NOT NULL
);
