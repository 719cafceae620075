-- A delivery of an audience that failed is resumed where it stood, for a day: by a row of the audit of its own.

ALTER TABLE audience_exports
    DROP CONSTRAINT audience_exports_who_kind_check,
    ADD COLUMN resumes uuid;                              -- the delivery that went on with this row
ALTER TABLE audience_exports
    ADD CONSTRAINT audience_exports_who_kind_check
        CHECK (who_kind IN ('token', 'api_key', 'single_sign_on', 'command'));

CREATE OR REPLACE FUNCTION audience_export_ends_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.outcome <> 'running' OR NEW.outcome = 'running'
       OR (NEW.id, NEW.started_at, NEW.who, NEW.who_kind, NEW.format, NEW.filter, NEW.destination, NEW.resumes)
          IS DISTINCT FROM
          (OLD.id, OLD.started_at, OLD.who, OLD.who_kind, OLD.format, OLD.filter, OLD.destination, OLD.resumes)
    THEN
        RAISE EXCEPTION 'audience_exports is an audit: of a running export only its end can be written';
    END IF;
    RETURN NEW;
END
$$;

ALTER TABLE audience_deliveries
    ADD COLUMN resumed_at  timestamptz,                   -- the last time
    ADD COLUMN audit       uuid,                          -- the row of that in audience_exports
    ADD COLUMN sent_before bigint NOT NULL DEFAULT 0;     -- users of rows before it
