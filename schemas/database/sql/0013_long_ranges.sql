-- Rollups for long ranges.

-- Engagement by the hour: what days of another zone than the reporting zone's, and series by the
-- hour, are made of. Made of quarter-hours, with them: the hour that is not over has those so far.
CREATE TABLE screen_hours (
    hour            timestamptz NOT NULL,
    screen          text COLLATE "C" NOT NULL,
    views           bigint NOT NULL,
    visits          bigint NOT NULL,
    dwell_ms        bigint NOT NULL,
    silent_dwell_ms bigint NOT NULL,
    dwell_histogram bigint[] NOT NULL,
    exits           bigint NOT NULL,
    bounces         bigint NOT NULL,
    PRIMARY KEY (hour, screen)
);
CREATE INDEX screen_hours_by_screen ON screen_hours (screen, hour);

INSERT INTO screen_hours (
    hour, screen, views, visits, dwell_ms, silent_dwell_ms, dwell_histogram, exits, bounces
)
SELECT date_bin('1 hour', quarter, timestamptz 'epoch'), screen, sum(views), sum(visits),
       sum(dwell_ms), sum(silent_dwell_ms), analytics.merge_histograms(dwell_histogram),
       sum(exits), sum(bounces)
FROM screen_quarters
GROUP BY 1, 2;
