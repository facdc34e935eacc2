-- summary --
-- What has ended is counted as it ends; what is open is little. Rows are the user's, or those in an organization.
WITH places AS MATERIALIZED (
    SELECT id FROM repositories WHERE organization_id = %(organization_id)s::uuid
), ended AS (
    SELECT user_id, repository_id, status, executions, pull_requests FROM execution_counts
    UNION ALL
    SELECT user_id, repository_id, status, executions, pull_requests FROM execution_count_changes
), counted AS (
    SELECT status, executions, pull_requests FROM ended
    WHERE CASE WHEN %(organization_id)s::uuid IS NULL THEN user_id = %(user_id)s
        ELSE repository_id IN (SELECT id FROM places) END
    UNION ALL
    SELECT status, 1, num_nonnulls(pr_number) FROM agent_executions
    WHERE (status = 'running' OR status = 'pending')
        AND CASE WHEN %(organization_id)s::uuid IS NULL THEN user_id = %(user_id)s
            ELSE repository_id IN (SELECT id FROM places) END
)
SELECT
    coalesce(sum(executions), 0)::bigint AS total_executions,
    coalesce(sum(executions) FILTER (WHERE status = 'running'), 0)::bigint AS running_executions,
    coalesce(sum(executions) FILTER (WHERE status = 'completed'), 0)::bigint AS completed_executions,
    coalesce(sum(executions) FILTER (WHERE status = 'failed'), 0)::bigint AS failed_executions,
    coalesce(sum(executions) FILTER (WHERE status = 'pending'), 0)::bigint AS pending_executions,
    (SELECT count(*) FROM repositories
     WHERE CASE WHEN %(organization_id)s::uuid IS NULL THEN user_id = %(user_id)s
         ELSE organization_id = %(organization_id)s::uuid END) AS total_repositories,
    coalesce(sum(pull_requests), 0)::bigint AS total_prs_created
FROM counted;

-- recent --
SELECT
    e.id, e.repository_id, e.issue_number, e.agent_type, e.status, e.priority, e.started_at, e.completed_at,
    e.result_summary, e.quality_score, e.pr_number, e.error_message, e.created_at, e.updated_at,
    r.owner AS repository_owner, r.name AS repository_name
FROM agent_executions AS e
LEFT JOIN repositories AS r ON r.id = e.repository_id
WHERE e.user_id = %(user_id)s
    AND (r.organization_id IS NULL
        OR r.organization_id IN (SELECT organizations_permitting(%(user_id)s, 'agents.read')))
ORDER BY e.created_at DESC, e.id DESC
LIMIT %(limit)s;

-- recent_of_organization --
-- The newest of each of its repositories, and of these the newest: found in the index, and only then read.
SELECT
    e.id, e.repository_id, e.issue_number, e.agent_type, e.status, e.priority, e.started_at, e.completed_at,
    e.result_summary, e.quality_score, e.pr_number, e.error_message, e.created_at, e.updated_at,
    r.owner AS repository_owner, r.name AS repository_name
FROM (
    SELECT found.id
    FROM repositories AS own
    CROSS JOIN LATERAL (
        SELECT id, created_at FROM agent_executions
        WHERE repository_id = own.id
        ORDER BY created_at DESC, id DESC
        LIMIT %(limit)s
    ) AS found
    WHERE own.organization_id = %(organization_id)s
    ORDER BY found.created_at DESC, found.id DESC
    LIMIT %(limit)s
) AS newest
JOIN agent_executions AS e ON e.id = newest.id
JOIN repositories AS r ON r.id = e.repository_id
ORDER BY e.created_at DESC, e.id DESC;

-- hours --
-- Counted by hour first: to sort thousands of rows takes longer than to count them.
SELECT
    hour AS start, coalesce(completed, 0) AS completed, coalesce(failed, 0) AS failed,
    coalesce(cancelled, 0) AS cancelled, coalesce(open, 0) AS open
FROM generate_series(date_trunc('hour', now()) - interval '23 hours', now(), interval '1 hour') AS hour
LEFT JOIN (
    SELECT
        date_trunc('hour', created_at) AS hour,
        count(*) FILTER (WHERE status = 'completed') AS completed,
        count(*) FILTER (WHERE status = 'failed') AS failed,
        count(*) FILTER (WHERE status = 'cancelled') AS cancelled,
        count(*) FILTER (WHERE status IN ('pending', 'running')) AS open
    FROM agent_executions
    WHERE user_id = %(user_id)s AND created_at >= date_trunc('hour', now()) - interval '23 hours'
    GROUP BY 1
) AS counted USING (hour)
ORDER BY hour;

-- agents --
-- Those of the list, in its order, then others that rows name.
WITH open AS (
    SELECT agent_type, count(*) FILTER (WHERE status = 'running') AS running,
        count(*) FILTER (WHERE status = 'pending') AS pending
    FROM agent_executions
    WHERE user_id = %(user_id)s AND (status = 'running' OR status = 'pending')
    GROUP BY agent_type
), day AS (
    SELECT agent_type, count(*) FILTER (WHERE status = 'completed') AS completed,
        count(*) FILTER (WHERE status = 'failed') AS failed
    FROM agent_executions
    WHERE user_id = %(user_id)s AND created_at >= date_trunc('hour', now()) - interval '23 hours'
    GROUP BY agent_type
)
SELECT agent_type, coalesce(running, 0) AS running, coalesce(pending, 0) AS pending,
    coalesce(completed, 0) AS completed, coalesce(failed, 0) AS failed, last_id, last_status, last_at
FROM unnest(%(agents)s::text[]) WITH ORDINALITY AS known (agent_type, place)
FULL JOIN open USING (agent_type)
FULL JOIN day USING (agent_type)
LEFT JOIN LATERAL (
    SELECT id AS last_id, status AS last_status, created_at AS last_at
    FROM agent_executions AS e
    WHERE e.user_id = %(user_id)s AND e.agent_type = coalesce(known.agent_type, open.agent_type, day.agent_type)
    ORDER BY created_at DESC, id DESC
    LIMIT 1
) AS last ON TRUE
ORDER BY place, agent_type;
