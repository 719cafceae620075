-- Webhooks (processor/notify): who is told of changes, how far each is, and what could not be delivered.

CREATE TABLE webhooks (
    id              text COLLATE "C" PRIMARY KEY,
    url             text NOT NULL,
    filter          jsonb NOT NULL,             -- schemas/webhooks/filter.py
    created_at      timestamptz NOT NULL DEFAULT now(),
    created_by      text NOT NULL,
    secret          bytea NOT NULL,             -- encrypted under ROLLCALL_ENCRYPTION_KEY
    previous_secret bytea,                      -- signs too, until previous_until
    previous_until  timestamptz,
    disabled_at     timestamptz,
    disabled_why    text CHECK (disabled_why IN ('gone')),
    CHECK ((previous_secret IS NULL) = (previous_until IS NULL)),
    CHECK ((disabled_at IS NULL) = (disabled_why IS NULL))
);

-- Nobody but the owner; an API with a role of its own does what its calls do.
REVOKE ALL ON webhooks FROM PUBLIC;

-- Offsets are those of presence.changes, that may be delivered again and of which no people can be told.
CREATE TABLE webhook_dead_letters (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    webhook         text COLLATE "C" NOT NULL REFERENCES webhooks ON DELETE CASCADE,
    "partition"     integer NOT NULL,
    from_offset     bigint NOT NULL,
    next_offset     bigint NOT NULL,
    changes         bigint NOT NULL,            -- that were given up; those of a lost range are not known
    why             text NOT NULL CHECK (why IN ('retries', 'disabled', 'lost')),
    first_at        timestamptz NOT NULL DEFAULT now(),
    last_at         timestamptz NOT NULL DEFAULT now(),
    replaying_since timestamptz,
    CHECK (from_offset < next_offset)
);
CREATE INDEX webhook_dead_letters_of ON webhook_dead_letters (webhook, "partition", next_offset);

-- How far a webhook is in a partition, and the message that is on its way. dead_letter 0: what is new;
-- any other: the replay of that one, up to until_offset.
CREATE TABLE webhook_cursors (
    webhook             text COLLATE "C" NOT NULL REFERENCES webhooks ON DELETE CASCADE,
    "partition"         integer NOT NULL,
    dead_letter         bigint NOT NULL,
    next_offset         bigint NOT NULL,
    until_offset        bigint,
    delivered_through   bigint NOT NULL DEFAULT 0,
    message_id          text,
    body                bytea,                  -- the same bytes at each attempt
    changes             integer,
    message_next_offset bigint,
    oldest_at           timestamptz,            -- of its changes, log time
    fixed_at            timestamptz,
    attempts            integer NOT NULL DEFAULT 0,
    problem             text,                   -- of the last attempt
    PRIMARY KEY (webhook, "partition", dead_letter),
    CHECK ((dead_letter = 0) = (until_offset IS NULL)),
    CHECK (num_nulls(message_id, body, changes, message_next_offset, oldest_at, fixed_at) IN (0, 6))
);

REVOKE ALL ON webhook_cursors FROM PUBLIC;
