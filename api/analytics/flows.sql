-- Transitions from one view to the next: rollups as far as they are made, what the processor writes
-- after them (api/periods/rollups.py says which part of a range each answers). {windows} and {matching}
-- stand for the parts named so.

-- name: windows
-- Transitions of a range, each part of it from where it is kept.
SELECT from_screen, to_screen, transitions FROM transition_days
WHERE day >= %(day_from)s AND day < %(day_to)s
UNION ALL
SELECT from_screen, to_screen, transitions FROM transition_quarters
WHERE quarter >= %(quarter_from)s AND quarter < %(quarter_to)s
   OR quarter >= %(later_quarter_from)s AND quarter < %(later_quarter_to)s
UNION ALL
SELECT from_screen, to_screen, transitions FROM screen_transitions
WHERE quarter >= %(live_from)s AND quarter < %(live_to)s

-- name: matching
-- Transitions from, to or at the screens that are asked for.
(%(from_screen)s::text IS NULL OR from_screen = %(from_screen)s::text)
AND (%(to_screen)s::text IS NULL OR to_screen = %(to_screen)s::text)
AND (%(screen)s::text IS NULL OR %(screen)s::text IN (from_screen, to_screen))

-- name: flows
-- Shares are of all transitions out of, and into, the screen: so the filters come last.
WITH windows AS ({windows}),
flows AS (
    SELECT from_screen, to_screen, sum(transitions)::bigint AS transitions,
           sum(sum(transitions)) OVER (PARTITION BY from_screen)::bigint AS from_transitions,
           sum(sum(transitions)) OVER (PARTITION BY to_screen)::bigint AS to_transitions
    FROM windows GROUP BY from_screen, to_screen
)
SELECT from_screen, to_screen, transitions, from_transitions, to_transitions
FROM flows
WHERE {matching}
ORDER BY transitions DESC, from_screen, to_screen
LIMIT %(limit)s

-- name: top_flows
-- Of the screens with a transition that matches, all but the `top` are (other). Those asked for keep
-- their names, and (start) and (end) are no screens.
WITH pairs AS (
    SELECT from_screen, to_screen, sum(transitions) AS transitions,
           coalesce({matching}, false) AS matches
    FROM ({windows}) AS windows GROUP BY from_screen, to_screen
),
folded AS (
    SELECT screen FROM (
        SELECT from_screen AS screen, transitions FROM pairs WHERE matches
        UNION ALL SELECT to_screen, transitions FROM pairs WHERE matches
    ) AS ends
    WHERE screen <> ALL (array_remove(
        ARRAY['(start)', '(end)', '(other)', %(from_screen)s, %(to_screen)s, %(screen)s], NULL
    ))
    GROUP BY screen
    ORDER BY sum(transitions) DESC, screen
    OFFSET %(top)s
),
named AS (
    SELECT CASE WHEN from_screen IN (SELECT screen FROM folded) THEN '(other)' ELSE from_screen
           END AS from_screen,
           CASE WHEN to_screen IN (SELECT screen FROM folded) THEN '(other)' ELSE to_screen
           END AS to_screen,
           transitions, matches
    FROM pairs
),
flows AS (
    SELECT from_screen, to_screen,
           sum(transitions) FILTER (WHERE matches)::bigint AS transitions,
           sum(sum(transitions)) OVER (PARTITION BY from_screen)::bigint AS from_transitions,
           sum(sum(transitions)) OVER (PARTITION BY to_screen)::bigint AS to_transitions
    FROM named GROUP BY from_screen, to_screen
)
SELECT from_screen, to_screen, transitions, from_transitions, to_transitions,
       (SELECT count(*) FROM folded) AS folded
FROM flows
WHERE transitions IS NOT NULL
ORDER BY transitions DESC, from_screen, to_screen
LIMIT %(limit)s
