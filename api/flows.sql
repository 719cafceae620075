-- Transitions from one view to the next: rollups as far as they are made, what the processor writes
-- after them (api/rollups.py says which part of a range each answers).

-- name: flows
-- Shares are of all transitions out of, and into, the screen: so the filters come last.
WITH windows AS (
    SELECT from_screen, to_screen, transitions FROM transition_days
    WHERE day >= %(day_from)s AND day < %(day_to)s
    UNION ALL
    SELECT from_screen, to_screen, transitions FROM transition_quarters
    WHERE quarter >= %(quarter_from)s AND quarter < %(quarter_to)s
       OR quarter >= %(later_quarter_from)s AND quarter < %(later_quarter_to)s
    UNION ALL
    SELECT from_screen, to_screen, transitions FROM screen_transitions
    WHERE quarter >= %(live_from)s AND quarter < %(live_to)s
),
flows AS (
    SELECT from_screen, to_screen, sum(transitions)::bigint AS transitions,
           sum(sum(transitions)) OVER (PARTITION BY from_screen)::bigint AS from_transitions,
           sum(sum(transitions)) OVER (PARTITION BY to_screen)::bigint AS to_transitions
    FROM windows GROUP BY from_screen, to_screen
)
SELECT from_screen, to_screen, transitions, from_transitions, to_transitions
FROM flows
WHERE (%(from_screen)s::text IS NULL OR from_screen = %(from_screen)s::text)
  AND (%(to_screen)s::text IS NULL OR to_screen = %(to_screen)s::text)
  AND (%(screen)s::text IS NULL OR %(screen)s::text IN (from_screen, to_screen))
ORDER BY transitions DESC, from_screen, to_screen
LIMIT %(limit)s
