-- name: kept
-- Where batches keep signs of life; no row: no processor has been here.
SELECT signs_of_life FROM deployment

-- name: fence
-- No batch is under way until the end of the transaction.
SELECT FROM stream_offsets ORDER BY "partition" FOR UPDATE

-- name: earlier_releases
-- Partitions that a processor of a release without signs_of_life was the last to store.
SELECT "partition" FROM stream_offsets
WHERE log_time IS NOT NULL AND signs_of_life_offset IS DISTINCT FROM next_offset
ORDER BY "partition"

-- name: keep
-- From the next batch on.
UPDATE deployment SET signs_of_life = %s

-- name: join
-- Of some users, by id, what is newer in signs_of_life goes to presence: up to whom, and of how many; no row: that
-- were all.
WITH step AS (
    SELECT user_id FROM signs_of_life WHERE user_id > %(after)s ORDER BY user_id LIMIT %(most)s
), joined AS (
    UPDATE presence p
    SET last_active = s.last_active, expires_at = s.expires_at, token = s.token, sockets = s.sockets,
        timer = coalesce(s.timer, p.timer), log_offset = s.log_offset
    FROM signs_of_life s JOIN step USING (user_id)
    WHERE p.user_id = s.user_id AND s.log_offset > p.log_offset
    RETURNING p.user_id
)
SELECT max(user_id), (SELECT count(*) FROM joined) FROM step HAVING count(*) > 0
