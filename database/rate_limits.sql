-- count --
-- One more request in each bucket, unless it is full. No rows for an account that is not limited.
INSERT INTO rate_limits AS r (key, quota, window_s, level, at, allowed)
SELECT key, quota, window_s, 1, clock_timestamp(), true
FROM unnest(%(keys)s::bytea[], %(quotas)s::integer[], %(windows)s::integer[]) AS asked (key, quota, window_s)
WHERE %(user_id)s::uuid IS NULL OR NOT is_granted(%(user_id)s::uuid, 'api.unlimited')
ORDER BY key
ON CONFLICT (key) DO UPDATE SET
    quota = excluded.quota,
    window_s = excluded.window_s,
    at = excluded.at,
    (level, allowed) = (
        SELECT CASE WHEN left_over + 1 <= excluded.quota THEN left_over + 1 ELSE left_over END,
            left_over + 1 <= excluded.quota
        FROM (SELECT greatest(0, r.level - greatest(0, extract(epoch FROM excluded.at - r.at))
            * excluded.quota / excluded.window_s)) AS leaked (left_over)
    )
RETURNING key, level, allowed;

-- look --
SELECT key, left_over, left_over + 1 <= quota
FROM rate_limits, LATERAL (
    SELECT greatest(0, level - greatest(0, extract(epoch FROM clock_timestamp() - at)) * quota / window_s)
) AS leaked (left_over)
WHERE key = ANY (%(keys)s::bytea[])
    AND (%(user_id)s::uuid IS NULL OR NOT is_granted(%(user_id)s::uuid, 'api.unlimited'));

-- tidy --
DELETE FROM rate_limits WHERE at < now() - make_interval(secs => window_s);
