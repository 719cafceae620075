-- The audit of what managers keep: each statement that changes it writes its row.

-- name: managed
-- The newest first.
SELECT id, at, who_kind, who, kind, managed, action, details FROM managed_audit
WHERE (%(managed)s::text IS NULL OR managed = %(managed)s::text)
  AND (%(after)s::bigint IS NULL OR id < %(after)s::bigint)
ORDER BY id DESC LIMIT %(limit)s
