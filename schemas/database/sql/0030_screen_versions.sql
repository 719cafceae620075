-- Engagement by screen, version and platform.

-- Made by maintenance from spans and sessions, for each hour that is over. All counts are where the
-- visit or session ends, views too: spans are of visits that are over. Of an hour the 200 screens, 10
-- versions and 10 platforms with the most visits count as themselves, the rest as '(other)'.
CREATE TABLE screen_version_hours (
    hour            timestamptz NOT NULL,
    dwell_ms        bigint NOT NULL,
    silent_dwell_ms bigint NOT NULL,
    views           integer NOT NULL,
    visits          integer NOT NULL,
    exits           integer NOT NULL,
    bounces         integer NOT NULL,
    users           integer NOT NULL,      -- exactly, of this row
    screen          text COLLATE "C" NOT NULL,
    app_version     text COLLATE "C" NOT NULL,
    platform        text COLLATE "C" NOT NULL,  -- in lower case
    dwell_histogram integer[] NOT NULL,
    PRIMARY KEY (hour, screen, app_version, platform)
);

-- It begins with the hours that are not rolled up yet.
INSERT INTO retention_progress (table_name, kept_from)
SELECT 'screen_version_hours', through FROM rollup_progress WHERE rollup = 'hours';
