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

-- name: online_now
SELECT app_version, platform, device_info FROM presence WHERE state <> 'offline'

-- name: active_in_days
-- Each user once, with what they used on their last active day of the range.
SELECT DISTINCT ON (user_id) app_version, platform, device_info
FROM user_days
WHERE day >= %(day_from)s AND day < %(day_to)s
ORDER BY user_id, day DESC

-- name: app_version
app_version

-- name: device
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
