-- summary --
-- What has ended is counted as it ends; what is open is little. It counts what the lists of executions and repositories
-- would show.
WITH counts AS (
    SELECT user_id, repository_id, status, executions, pull_requests FROM execution_counts
    UNION ALL
    SELECT user_id, repository_id, status, executions, pull_requests FROM execution_count_changes
    UNION ALL
    SELECT user_id, repository_id, status, 1, num_nonnulls(pr_number) FROM agent_executions
    WHERE status = 'running' OR status = 'pending'
), counted AS (
    SELECT c.status, c.executions, c.pull_requests
    FROM counts AS c
    LEFT JOIN repositories AS r ON r.id = c.repository_id
    WHERE CASE
        WHEN %(organization_id)s::uuid IS NOT NULL THEN r.organization_id = %(organization_id)s::uuid
        ELSE c.user_id = %(user_id)s AND (r.organization_id IS NULL
            OR r.organization_id IN (SELECT organizations_permitting(%(user_id)s, 'agents.read')))
    END
)
SELECT
    coalesce(sum(executions), 0)::bigint AS total_executions,
    coalesce(sum(executions) FILTER (WHERE status = 'running'), 0)::bigint AS running_executions,
    coalesce(sum(executions) FILTER (WHERE status = 'completed'), 0)::bigint AS completed_executions,
    coalesce(sum(executions) FILTER (WHERE status = 'failed'), 0)::bigint AS failed_executions,
    coalesce(sum(executions) FILTER (WHERE status = 'pending'), 0)::bigint AS pending_executions,
    (SELECT count(*) FROM repositories
     WHERE CASE
         WHEN %(organization_id)s::uuid IS NOT NULL THEN organization_id = %(organization_id)s::uuid
         ELSE user_id = %(user_id)s AND (organization_id IS NULL
             OR organization_id IN (SELECT organizations_permitting(%(user_id)s, 'repositories.read')))
     END) AS total_repositories,
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
        date_trunc('hour', e.created_at) AS hour,
        count(*) FILTER (WHERE e.status = 'completed') AS completed,
        count(*) FILTER (WHERE e.status = 'failed') AS failed,
        count(*) FILTER (WHERE e.status = 'cancelled') AS cancelled,
        count(*) FILTER (WHERE e.status IN ('pending', 'running')) AS open
    FROM agent_executions AS e
    LEFT JOIN repositories AS r ON r.id = e.repository_id
    WHERE e.created_at >= date_trunc('hour', now()) - interval '23 hours'
        AND CASE WHEN %(places)s::uuid[] IS NULL THEN e.user_id = %(user_id)s
            ELSE e.repository_id = ANY (%(places)s::uuid[]) END
        AND (%(places)s::uuid[] IS NOT NULL OR r.organization_id IS NULL
            OR r.organization_id IN (SELECT organizations_permitting(%(user_id)s, 'agents.read')))
    GROUP BY 1
) AS counted USING (hour)
ORDER BY hour;

-- agents --
-- Those of the list, in its order, then others that rows name: of what the user has asked for and may see.
WITH readable AS MATERIALIZED (
    SELECT organizations_permitting(%(user_id)s, 'agents.read') AS organization_id
), open AS (
    SELECT e.agent_type, count(*) FILTER (WHERE e.status = 'running') AS running,
        count(*) FILTER (WHERE e.status = 'pending') AS pending
    FROM agent_executions AS e
    LEFT JOIN repositories AS r ON r.id = e.repository_id
    WHERE e.user_id = %(user_id)s AND (e.status = 'running' OR e.status = 'pending')
        AND (r.organization_id IS NULL OR r.organization_id IN (SELECT organization_id FROM readable))
    GROUP BY e.agent_type
), day AS (
    SELECT e.agent_type, count(*) FILTER (WHERE e.status = 'completed') AS completed,
        count(*) FILTER (WHERE e.status = 'failed') AS failed
    FROM agent_executions AS e
    LEFT JOIN repositories AS r ON r.id = e.repository_id
    WHERE e.user_id = %(user_id)s AND e.created_at >= date_trunc('hour', now()) - interval '23 hours'
        AND (r.organization_id IS NULL OR r.organization_id IN (SELECT organization_id FROM readable))
    GROUP BY e.agent_type
)
SELECT agent_type, coalesce(running, 0) AS running, coalesce(pending, 0) AS pending,
    coalesce(completed, 0) AS completed, coalesce(failed, 0) AS failed, last_id, last_status, last_at
FROM unnest(%(agents)s::text[]) WITH ORDINALITY AS known (agent_type, place)
FULL JOIN open USING (agent_type)
FULL JOIN day USING (agent_type)
LEFT JOIN LATERAL (
    SELECT e.id AS last_id, e.status AS last_status, e.created_at AS last_at
    FROM agent_executions AS e
    LEFT JOIN repositories AS r ON r.id = e.repository_id
    WHERE e.user_id = %(user_id)s AND e.agent_type = coalesce(known.agent_type, open.agent_type, day.agent_type)
        AND (r.organization_id IS NULL OR r.organization_id IN (SELECT organization_id FROM readable))
    ORDER BY e.created_at DESC, e.id DESC
    LIMIT 1
) AS last ON TRUE
ORDER BY place, agent_type;

-- agents_of_organization --
-- The same of all in an organization, in one pass over what is open or of the last 24 hours.
WITH counted AS (
    SELECT agent_type, count(*) FILTER (WHERE status = 'running') AS running,
        count(*) FILTER (WHERE status = 'pending') AS pending,
        count(*) FILTER (WHERE status = 'completed') AS completed, count(*) FILTER (WHERE status = 'failed') AS failed,
        max(created_at) AS last_at
    FROM agent_executions
    WHERE repository_id = ANY (%(places)s::uuid[])
        AND (status = 'running' OR status = 'pending' OR created_at >= date_trunc('hour', now()) - interval '23 hours')
    GROUP BY agent_type
)
SELECT agent_type, coalesce(running, 0) AS running, coalesce(pending, 0) AS pending,
    coalesce(completed, 0) AS completed, coalesce(failed, 0) AS failed, last_id, last_status, last_at
FROM unnest(%(agents)s::text[]) WITH ORDINALITY AS known (agent_type, place)
FULL JOIN counted USING (agent_type)
LEFT JOIN LATERAL (
    SELECT e.id AS last_id, e.status AS last_status
    FROM agent_executions AS e
    WHERE e.created_at = counted.last_at AND e.agent_type = counted.agent_type
        AND e.repository_id = ANY (%(places)s::uuid[])
    ORDER BY e.id DESC
    LIMIT 1
) AS last ON TRUE
ORDER BY place, agent_type;
