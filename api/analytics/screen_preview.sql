-- What rules would make of the names that have arrived (api/analytics/screen_preview.py). Visits, because
-- windows and rollups have only the names that count as themselves. {recent} stands for the part named so.

-- name: one_moment
-- Both reads of a preview are of one moment.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ

-- name: recent
-- By the primary key, backwards: so many rows are read, however many there are.
SELECT screen, user_id, shown_until FROM spans
WHERE state = 'foreground' AND screen IS NOT NULL
ORDER BY shown_until DESC LIMIT %(visits)s

-- name: arrived
-- Most visited first; how many names and visits there are in all.
WITH recent AS ({recent})
SELECT screen, count(*) AS visits, count(*) OVER () AS names, sum(count(*)) OVER ()::bigint AS visits_total,
       min(min(shown_until)) OVER () AS since
FROM recent GROUP BY screen
ORDER BY count(*) DESC, screen COLLATE "C" LIMIT %(names)s

-- name: becomes
-- What names[n] becomes is becomes[n].
WITH recent AS ({recent})
SELECT folded.becomes AS screen, count(DISTINCT recent.screen) AS names, count(*) AS visits,
       count(DISTINCT recent.user_id) AS users
FROM recent
JOIN unnest(%(arrived)s::text[], %(becomes)s::text[]) AS folded (arrived, becomes)
  ON folded.arrived = recent.screen
GROUP BY folded.becomes
ORDER BY count(DISTINCT recent.screen) DESC, count(*) DESC, folded.becomes COLLATE "C"
