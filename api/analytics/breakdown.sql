-- Users by what they use. {users} and {value} stand for the parts named so.

-- name: breakdown
-- The 50 most frequent; place 51 is all others together.
WITH users AS MATERIALIZED ({users}),
counts AS (
    SELECT {value} AS value, sum(users)::bigint AS users
    FROM (SELECT app_version, platform, device_info, count(*) AS users FROM users
          GROUP BY app_version, platform, device_info) AS distinct_users
    GROUP BY 1
),
placed AS (
    SELECT value, users, least(row_number() OVER (ORDER BY users DESC, value COLLATE "C"), 51) AS place
    FROM counts
)
SELECT CASE WHEN place <= 50 THEN min(value) END AS value, place, sum(users)::bigint AS users,
       sum(sum(users)) OVER ()::bigint AS total
FROM placed GROUP BY place ORDER BY place

-- name: running_timers
-- Devices online whose app's timer runs on in the background, by the same values.
SELECT {value} AS value, count(*) AS devices
FROM (
    SELECT d.* FROM presence CROSS JOIN LATERAL (
        SELECT app_version, platform, device_info, timer WHERE devices IS NULL
        UNION ALL
        SELECT e.* FROM jsonb_to_recordset(devices) AS e (
            app_version text, platform text, device_info text, timer jsonb)
    ) AS d
    WHERE running_timers > 0 AND NOT canary AND d.timer @> '{"runs_on": true}'
) AS devices
GROUP BY 1

-- name: online_now
-- Users who are online, as they are now.
SELECT app_version, platform, device_info FROM presence WHERE state <> 'offline' AND NOT canary

-- name: active_in_days
-- Each user once, with what they used on their last active day of the range: two reads that are hashed, in place of one
-- in the order of users, which takes half as long again.
SELECT app_version, platform, device_info
FROM (
    SELECT user_id, max(day) AS day FROM user_days
    WHERE day >= %(day_from)s AND day < %(day_to)s
    GROUP BY user_id
) AS last
JOIN user_days USING (user_id, day)
WHERE day >= %(day_from)s AND day < %(day_to)s

-- name: app_version
-- By the version of the app.
app_version

-- name: device
-- By what the device calls itself.
device_info

-- name: platform
-- What the app says, in lower case; else by the first of these words in what it says of its device.
CASE
    WHEN platform <> '' THEN lower(platform)
    WHEN device_info ~* '(iphone|ipad|ipod|\mios\M)' THEN 'ios'
    WHEN device_info ~* '(android|pixel|galaxy|samsung|\msm-|xiaomi|redmi|oneplus|huawei|oppo|vivo)'
        THEN 'android'
    WHEN device_info ~* '(macos|mac os|macbook|imac|macintosh|darwin)' THEN 'macos'
    WHEN device_info ~* 'windows' THEN 'windows'
    WHEN device_info ~* '(linux|ubuntu|debian|fedora)' THEN 'linux'
    WHEN device_info ~* '(mozilla|chrome|safari|firefox|\mweb\M|browser)' THEN 'web'
END
