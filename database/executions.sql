-- create --
-- Nothing is returned if the repository is not the user's, or the user has used this key before.
INSERT INTO agent_executions
    (user_id, repository_id, agent_type, issue_number, status, priority, options, input, idempotency_key)
SELECT user_id, id, %(agent_type)s, %(issue_number)s, 'pending', %(priority)s, %(options)s, %(input)s, %(key)s
FROM repositories
WHERE id = %(repository_id)s AND user_id = %(user_id)s
ON CONFLICT DO NOTHING
RETURNING
    id, repository_id, issue_number, agent_type, status, priority, started_at, completed_at, result_summary,
    quality_score, pr_number, error_message, created_at, updated_at;

-- find_by_key --
SELECT
    id, repository_id, issue_number, agent_type, status, priority, started_at, completed_at, result_summary,
    quality_score, pr_number, error_message, created_at, updated_at
FROM agent_executions
WHERE user_id = %(user_id)s AND idempotency_key = %(key)s;

-- is_same_request --
SELECT repository_id = %(repository_id)s AND agent_type = %(agent_type)s AND priority = %(priority)s
    AND issue_number IS NOT DISTINCT FROM %(issue_number)s::integer
    AND options = %(options)s AND input = %(input)s AS same
FROM agent_executions
WHERE user_id = %(user_id)s AND idempotency_key = %(key)s;

-- get --
SELECT
    id, repository_id, issue_number, agent_type, status, priority, started_at, completed_at, result_summary,
    quality_score, pr_number, error_message, created_at, updated_at, options, input, result, attempt, max_attempts
FROM agent_executions
WHERE id = %(execution_id)s AND user_id = %(user_id)s;

-- page --
-- Newest first. `before` is the last row of the page before: its time, and its id because times can be equal.
SELECT
    id, repository_id, issue_number, agent_type, status, priority, started_at, completed_at, result_summary,
    quality_score, pr_number, error_message, created_at, updated_at
FROM agent_executions
WHERE user_id = %(user_id)s
    AND (%(status)s::text IS NULL OR status = %(status)s::text)
    AND (%(agent_type)s::text IS NULL OR agent_type = %(agent_type)s::text)
    AND (%(repository_id)s::uuid IS NULL OR repository_id = %(repository_id)s::uuid)
    AND (%(before_at)s::timestamptz IS NULL OR (created_at, id) < (%(before_at)s::timestamptz, %(before_id)s::uuid))
ORDER BY created_at DESC, id DESC
LIMIT %(limit)s;

-- logs --
SELECT l.sequence, l.id, l.execution_id, l.log_level, l.message, l.timestamp, l.metadata
FROM execution_logs AS l
WHERE l.execution_id = %(execution_id)s AND l.sequence > %(since)s
ORDER BY l.sequence
LIMIT %(limit)s;

-- is_owner --
SELECT EXISTS (SELECT FROM agent_executions WHERE id = %(execution_id)s AND user_id = %(user_id)s) AS owned;
