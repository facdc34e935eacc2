-- keep --
INSERT INTO load_runs (
    environment, profile, load, lambda_version, flow_run_id, partial, passed, requests, errors, per_second, p50_ms,
    p95_ms, p99_ms, figures, started_at
)
VALUES (
    %(environment)s, %(profile)s, %(load)s, %(lambda_version)s, %(flow_run_id)s, %(partial)s, %(passed)s,
    %(requests)s, %(errors)s, %(per_second)s, %(p50_ms)s, %(p95_ms)s, %(p99_ms)s, %(figures)s, %(started_at)s
)
RETURNING id;

-- last --
-- The same load only: another rate or another number of users has other latencies. A run that was cut short is no
-- measure for one that was not.
SELECT
    id, environment, profile, load, lambda_version, flow_run_id, partial, passed, requests, errors, per_second, p50_ms,
    p95_ms, p99_ms, figures, started_at
FROM load_runs
WHERE environment = %(environment)s AND profile = %(profile)s AND load = %(load)s AND NOT partial
ORDER BY started_at DESC
LIMIT %(most)s;

-- connections --
-- Of the whole server, since its limit is; without the one that asks, and without the server's own processes, which have
-- no user. `here` are those to this database.
SELECT
    count(*) FILTER (WHERE usesysid IS NOT NULL) AS connections,
    count(*) FILTER (WHERE usesysid IS NOT NULL AND datname = current_database()) AS here,
    current_setting('max_connections')::int AS most
FROM pg_stat_activity
WHERE pid <> pg_backend_pid();

-- cancel_waiting --
-- What a load test asked for and nobody has begun.
UPDATE agent_executions
SET status = 'cancelled', cancelled_at = now(), completed_at = now()
WHERE status = 'pending' AND user_id = (SELECT id FROM users WHERE github_id = %(tester)s);

-- forget_ended --
DELETE FROM agent_executions
WHERE status IN ('completed', 'failed', 'cancelled') AND user_id = (SELECT id FROM users WHERE github_id = %(tester)s);

-- lift_rate_limit --
INSERT INTO user_permissions (user_id, permission_id)
SELECT u.id, p.id
FROM users AS u, permissions AS p
WHERE u.github_id = %(tester)s AND p.code = 'api.unlimited'
ON CONFLICT (user_id, permission_id, organization_id) DO NOTHING;
