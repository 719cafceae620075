-- Which screen names keep their places (processor/screen_names.py), by partition; written when that
-- changes, which is a few times a day for each name.
CREATE TABLE known_screens (
    "partition" integer PRIMARY KEY,
    state       jsonb NOT NULL
);

-- A checksum of the user who brought a name into the minute: each brings a few.
ALTER TABLE screen_names ADD brought_by bigint;
