-- steps --
-- The undo log of a release: what it changed that can be put back.
SELECT number, name, kind, resource, status, started_at, done_at, undone_at
FROM release_steps
WHERE release_id = %(release_id)s
ORDER BY number;

-- load --
-- The load test that a flow run ended with.
SELECT
    id, environment, profile, load, lambda_version, flow_run_id, partial, passed, requests, errors, per_second, p50_ms,
    p95_ms, p99_ms, figures, started_at
FROM load_runs
WHERE flow_run_id = %(flow_run_id)s
ORDER BY started_at DESC
LIMIT 1;

-- site --
-- How many files a publication has, and their bytes.
SELECT count(*) AS files, coalesce(sum((entry.value ->> 'size')::bigint), 0)::bigint AS bytes
FROM site_manifests
CROSS JOIN LATERAL jsonb_each(files) AS entry
WHERE id = %(manifest)s::uuid;

-- count --
SELECT count(*) FROM releases
WHERE environment = %(environment)s;
