-- Audiences on their way to a push provider (processor/targeting), and whom a live audience has told.

-- A delivery is an export that takes no file: the same audit. Where it went is written with its beginning.
ALTER TABLE audience_exports
    DROP CONSTRAINT audience_exports_format_check,
    ADD COLUMN destination text COLLATE "C";         -- onesignal, or the id of a webhook
ALTER TABLE audience_exports
    ADD CONSTRAINT audience_exports_format_check CHECK (format IN ('csv', 'ndjson', 'push')),
    ADD CONSTRAINT audience_exports_destination_check CHECK ((format = 'push') = (destination IS NOT NULL));

CREATE OR REPLACE FUNCTION audience_export_ends_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.outcome <> 'running' OR NEW.outcome = 'running'
       OR (NEW.id, NEW.started_at, NEW.who, NEW.who_kind, NEW.format, NEW.filter, NEW.destination)
          IS DISTINCT FROM
          (OLD.id, OLD.started_at, OLD.who, OLD.who_kind, OLD.format, OLD.filter, OLD.destination)
    THEN
        RAISE EXCEPTION 'audience_exports is an audit: of a running export only its end can be written';
    END IF;
    RETURN NEW;
END
$$;

-- What is to be sent, and how far that is. Its pages are made with it: the n-th call has the users of the
-- n-th page, whoever makes it and how often.
CREATE TABLE audience_deliveries (
    id               uuid PRIMARY KEY REFERENCES audience_exports ON DELETE CASCADE,
    destination      text COLLATE "C" NOT NULL,
    name             text NOT NULL,
    push             jsonb,                           -- schemas/webhooks/push.py
    calls_per_second real NOT NULL CHECK (calls_per_second > 0),
    created_at       timestamptz NOT NULL DEFAULT now(),  -- PostgreSQL's clock, as all but as_of
    as_of            timestamptz NOT NULL,            -- log time
    users            bigint NOT NULL,
    pages            integer NOT NULL,
    next_page        integer NOT NULL DEFAULT 0,
    sent             bigint NOT NULL DEFAULT 0,       -- users in calls that were accepted
    left_out         bigint NOT NULL DEFAULT 0,       -- users who opted out or were erased meanwhile
    attempts         integer NOT NULL DEFAULT 0,      -- of the next page, that failed
    problem          text,                            -- of the last of them
    next_at          timestamptz NOT NULL DEFAULT now(),
    holder           uuid,                            -- the process that sends, until held_until
    held_until       timestamptz,
    cancel_wanted_at timestamptz,
    ended_at         timestamptz
);
CREATE INDEX audience_deliveries_running ON audience_deliveries (destination, created_at, id)
    WHERE ended_at IS NULL;
REVOKE ALL ON audience_deliveries FROM PUBLIC;

-- Users who are still to be sent: a page goes when it was sent, all of them when the delivery ends.
CREATE TABLE audience_pages (
    delivery uuid NOT NULL REFERENCES audience_deliveries ON DELETE CASCADE,
    page     integer NOT NULL,
    user_ids text[] NOT NULL,
    PRIMARY KEY (delivery, page)
);
REVOKE ALL ON audience_pages FROM PUBLIC;

-- Whom a live audience has told, as long as it is not to tell them again. dead_letter as in webhook_cursors.
CREATE TABLE webhook_told (
    webhook     text COLLATE "C" NOT NULL REFERENCES webhooks ON DELETE CASCADE,
    user_id     text COLLATE "C" NOT NULL,
    dead_letter bigint NOT NULL,
    "partition" integer NOT NULL,
    told        text COLLATE "C" NOT NULL,            -- id of the timer that was told
    at          timestamptz NOT NULL,                 -- log time, as until
    until       timestamptz NOT NULL,
    PRIMARY KEY (webhook, user_id, dead_letter)
);
CREATE INDEX webhook_told_by_end ON webhook_told (webhook, "partition", until);
REVOKE ALL ON webhook_told FROM PUBLIC;

-- Erasures that were asked for and not done yet: nobody in them is sent.
CREATE INDEX erasures_asked_for ON erasures (user_hash) WHERE erased_at IS NULL;
