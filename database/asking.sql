-- add_children --
-- For the parent's user and repository. One key, one child: asked again, the first one's id. The lock keeps the parent
-- from ending in between: its end cancels the children that are there.
WITH parent AS (
    SELECT id, user_id, repository_id, priority, options
    FROM agent_executions
    WHERE id = %(parent)s AND status = 'running' AND cancel_requested_at IS NULL
    FOR SHARE
), asked AS (
    INSERT INTO agent_executions
        (user_id, repository_id, agent_type, issue_number, status, priority, input, options, parent_id, max_attempts,
         idempotency_key)
    SELECT p.user_id, p.repository_id, c.agent_type, c.issue_number, 'pending', coalesce(c.priority, p.priority),
        c.input, p.options, p.id, c.max_attempts, c.key
    FROM parent AS p,
        jsonb_to_recordset(%(children)s) AS c
            (key TEXT, agent_type TEXT, issue_number INTEGER, priority TEXT, input JSONB, max_attempts INTEGER)
    ON CONFLICT (user_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
    RETURNING id, idempotency_key
)
SELECT id, idempotency_key FROM asked
UNION ALL
SELECT e.id, e.idempotency_key
FROM agent_executions AS e
WHERE e.parent_id = %(parent)s AND e.idempotency_key = ANY (%(keys)s);

-- look --
SELECT id, agent_type, status, result, result_summary, quality_score, pr_number, error_message
FROM agent_executions
WHERE id = ANY (%(ids)s);

-- user --
-- The account that owns what nobody signed in for: runs that are started in the Prefect UI, where everything can be.
WITH made AS (
    INSERT INTO users (github_id, email, name, access_token)
    VALUES (-1, 'prefect@localhost', 'prefect', 'none')
    ON CONFLICT (github_id) DO NOTHING
    RETURNING id
)
INSERT INTO user_permissions (user_id, permission_id)
SELECT made.id, p.id FROM made, permissions AS p WHERE p.code IN ('agents.manage', 'deployments.execute');

-- repository --
-- The oldest of this name that is active, whoever registered it.
SELECT id, user_id FROM repositories
WHERE lower(full_name) = lower(%(full_name)s) AND is_active IS NOT FALSE
ORDER BY created_at, id
LIMIT 1;

-- system_user --
SELECT id FROM users WHERE github_id = -1;

-- ask --
INSERT INTO agent_executions
    (user_id, repository_id, agent_type, issue_number, status, priority, input, max_attempts, idempotency_key)
VALUES
    (%(user_id)s, %(repository_id)s, %(agent_type)s, %(issue_number)s, 'pending', %(priority)s, %(input)s,
     %(max_attempts)s, %(key)s)
ON CONFLICT (user_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
RETURNING id;

-- asked --
SELECT id FROM agent_executions WHERE user_id = %(user_id)s AND idempotency_key = %(key)s;

-- standing --
SELECT
    id, agent_type, status, flow_run_id, attempt, dispatch, lease_owner, lease_expires_at < now() AS lease_expired,
    cancel_requested_at IS NOT NULL AS cancel_requested, completed_at, error_message
FROM agent_executions
WHERE id = ANY (%(ids)s);
