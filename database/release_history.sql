-- page --
SELECT
    id, environment, kind, status, requested_by, git_sha, source, code_sha256, schema_version, lambda_version_before,
    lambda_version_after, api_url, verdicts, left(split_part(error, E'\n', 1), 500) AS error, started_at, finished_at
FROM releases
WHERE (%(environment)s::text IS NULL OR environment = %(environment)s::text)
    AND (%(before_at)s::timestamptz IS NULL OR (started_at, id) < (%(before_at)s::timestamptz, %(before_id)s::uuid))
ORDER BY started_at DESC, id DESC
LIMIT %(limit)s;
