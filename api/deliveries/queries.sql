-- Deliveries of audiences as the API begins them; the rest is in schemas/deliveries. Notify sends them
-- (processor/targeting).

-- name: one_moment
-- All that follows in the transaction is of one moment, and may be written.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ WRITE

-- name: exists
-- Whether a delivery is there already.
SELECT EXISTS (SELECT FROM audience_deliveries WHERE id = %(id)s)

-- name: begin_audit
-- Who sends which list where.
INSERT INTO audience_exports (id, who, who_kind, format, filter, destination)
VALUES (%(id)s, %(who)s, %(who_kind)s, 'push', %(filter)s::jsonb, %(destination)s)

-- name: create
-- In the transaction of its audit and of its pages.
INSERT INTO audience_deliveries (id, destination, name, push, calls_per_second, as_of, users, pages)
VALUES (%(id)s, %(destination)s, %(name)s, %(push)s::jsonb, %(calls_per_second)s, %(as_of)s, 0, 0)

-- name: create_pages
-- Who is in which call, for good.
WITH numbered AS (
    SELECT user_id, (row_number() OVER () - 1) / %(users_per_call)s AS page
    FROM ({audience}) AS audience
), made AS (
    INSERT INTO audience_pages (delivery, page, user_ids)
    SELECT %(id)s, page, array_agg(user_id) FROM numbered GROUP BY page
    RETURNING cardinality(user_ids) AS users
)
UPDATE audience_deliveries
SET (users, pages) = (SELECT coalesce(sum(users), 0), count(*) FROM made)
WHERE id = %(id)s

-- name: destinations
-- Webhooks that take audiences.
SELECT id, url FROM webhooks
WHERE disabled_at IS NULL AND filter ->> 'of' = 'audience' ORDER BY created_at, id LIMIT %(most)s
