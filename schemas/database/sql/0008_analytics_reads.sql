-- What the API reads analytics by.

-- One screen over a long range.
CREATE INDEX screen_quarters_by_screen ON screen_quarters (screen, quarter);
CREATE INDEX screen_hour_users_by_screen ON screen_hour_users (screen, hour);
CREATE INDEX screen_samples_by_screen ON screen_samples (screen, at);

-- An instant: what it finds in a short span ends soon after it, and long ones are few.
CREATE INDEX spans_long ON spans (shown_until)
    WHERE shown_until - started_at > interval '30 minutes';
