-- executions --
-- With whose they are: the owner's, and in an organization its readers'.
SELECT
    e.id, e.user_id, r.organization_id, e.repository_id, e.parent_id, e.agent_type, e.issue_number, e.result_summary,
    e.quality_score, e.pr_number, e.error_message, e.updated_at
FROM agent_executions AS e
LEFT JOIN repositories AS r ON r.id = e.repository_id
WHERE e.id = ANY (%(ids)s::uuid[]);

-- steps --
-- The step that each execution has come to, and how many are done.
SELECT DISTINCT ON (execution_id)
    execution_id, number, name, status,
    count(*) FILTER (WHERE status = 'completed') OVER (PARTITION BY execution_id) AS completed,
    coalesce(completed_at, started_at) AS at
FROM execution_steps
WHERE execution_id = ANY (%(ids)s::uuid[])
ORDER BY execution_id, number DESC;

-- tasks --
SELECT
    t.id, t.user_id, r.organization_id, t.repository_id, t.name, t.status, t.priority, t.agent_type, t.execution_id,
    t.error_message, t.updated_at
FROM tasks AS t
LEFT JOIN repositories AS r ON r.id = t.repository_id
WHERE t.id = ANY (%(ids)s::uuid[]);

-- releases --
SELECT id, environment, status, error, coalesce(finished_at, started_at) AS at
FROM releases
WHERE id = ANY (%(ids)s::uuid[]);

-- invitations --
-- An address may be that of several accounts.
SELECT i.id, i.users, i.organization_id, o.name AS organization_name, i.role::text AS role, i.at
FROM (
    SELECT i.id, i.organization_id, i.role, i.created_at AS at, ARRAY(
        SELECT id FROM users AS u WHERE lower(u.email) = i.email OR u.github_id = i.github_id
    ) AS users
    FROM organization_invitations AS i
    WHERE i.id = ANY (%(ids)s::uuid[])
    UNION ALL
    SELECT id, organization_id, role, updated_at, ARRAY[user_id]
    FROM organization_members
    WHERE id = ANY (%(ids)s::uuid[]) AND status = 'invited'
) AS i
JOIN organizations AS o ON o.id = i.organization_id;

-- lines --
SELECT sequence, id, execution_id, log_level, message, timestamp, metadata
FROM execution_logs
WHERE execution_id = %(id)s AND sequence > %(since)s
ORDER BY sequence
LIMIT %(limit)s;

-- readers --
-- Where these users may read agents or tasks; without an organization everywhere.
SELECT DISTINCT user_id, permission_code, organization_id
FROM user_effective_permissions
WHERE user_id = ANY (%(users)s::uuid[]) AND permission_code IN ('agents.read', 'tasks.read');
