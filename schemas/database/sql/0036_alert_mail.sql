-- Product alerts tell by e-mail, too; and their secrets are turned over as those of webhooks.

ALTER TABLE alerts DROP CONSTRAINT alerts_target_check;
ALTER TABLE alerts
    ADD CONSTRAINT alerts_target_check CHECK (target IN ('webhook', 'slack', 'email')),
    ADD COLUMN previous_secret bytea,          -- signs too, until previous_until
    ADD COLUMN previous_until timestamptz,
    ADD CONSTRAINT alerts_previous_check CHECK ((previous_secret IS NULL) = (previous_until IS NULL));
