-- The audit of reads.

-- name: note
-- A row for each principal, call, subject and minute; what is there already is counted on.
INSERT INTO reads_audit AS r (minute, who_kind, who, call, subject, calls, users)
SELECT date_trunc('minute', now()), noted.*
FROM unnest(
    %(who_kinds)s::text[], %(whos)s::text[], %(calls)s::text[], %(subjects)s::bytea[],
    %(times)s::bigint[], %(users)s::bigint[]
) AS noted
ON CONFLICT (minute, who_kind, who, call, subject) DO UPDATE
SET calls = r.calls + EXCLUDED.calls, users = r.users + EXCLUDED.users

-- name: reads
-- The newest first.
SELECT minute, who_kind, who, call, encode(subject, 'hex') AS subject, calls, users
FROM reads_audit
WHERE (%(subject)s::bytea IS NULL OR subject = %(subject)s::bytea)
  AND (%(minute)s::timestamptz IS NULL
       OR (minute, who_kind, who, call, subject)
          < (%(minute)s::timestamptz, %(who_kind)s::text, %(who)s::text, %(call)s::text,
             decode(%(after)s::text, 'hex')))
ORDER BY minute DESC, who_kind DESC, who DESC, call DESC, reads_audit.subject DESC
LIMIT %(limit)s
