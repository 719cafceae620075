-- Who asked for an opt-out or an erasure is in reads_audit as well, a user's own call as `own`: the row
-- has no id then. Rows are not looked at again: what is there obeys a stricter rule.
ALTER TABLE reads_audit DROP CONSTRAINT reads_audit_who_kind_check;
ALTER TABLE reads_audit ADD CONSTRAINT reads_audit_who_kind_check CHECK (
    who_kind IN ('token', 'api_key', 'single_sign_on') OR who_kind = 'own' AND who = ''
) NOT VALID;
