-- counts --
SELECT count(*) FILTER (WHERE status = 'pending'), count(*) FILTER (WHERE status = 'running')
FROM agent_executions
WHERE status IN ('pending', 'running');

-- stalled --
-- No sign of life for so long: a heartbeat of what runs, a taker for what might be taken. What waits for its children
-- has a heartbeat like the others.
SELECT id, agent_type, status
FROM agent_executions
WHERE (status = 'running' AND coalesce(heartbeat_at, started_at) < now() - make_interval(secs => %(after_s)s))
    OR (
        status = 'pending' AND greatest(created_at, run_after) < now() - make_interval(secs => %(after_s)s)
        AND (dispatched_until IS NULL OR dispatched_until < now())
    )
ORDER BY created_at, id
LIMIT %(limit)s;

-- wake --
SELECT pg_notify('agent_executions', '');

-- ready_tasks --
-- Planned by people, for an agent, and all that they depend on is done; not where the repository was deactivated. A
-- coordinator starts those of its own plan.
SELECT t.id, t.agent_type, t.name, t.description
FROM tasks AS t
WHERE t.status = 'pending' AND t.execution_id IS NULL AND t.agent_type = ANY (%(known)s)
    AND t.coordinator_id IS NULL
    AND t.created_at < now() - make_interval(secs => %(after_s)s)
    AND NOT EXISTS (
        SELECT FROM task_dependencies AS d JOIN tasks AS before ON before.id = d.depends_on_task_id
        WHERE d.task_id = t.id AND before.status <> 'completed'
    )
    AND NOT EXISTS (SELECT FROM repositories AS r WHERE r.id = t.repository_id AND r.is_active IS FALSE)
ORDER BY t.priority, t.created_at, t.id
LIMIT %(limit)s;

-- supply --
-- The execution of a task, made once: the key is the task's.
WITH asked AS (
    INSERT INTO agent_executions
        (user_id, repository_id, agent_type, issue_number, status, priority, input, max_attempts, idempotency_key)
    SELECT t.user_id, t.repository_id, t.agent_type, t.issue_number, 'pending',
        CASE WHEN t.priority IN ('P0', 'P1', 'P2', 'P3') THEN t.priority ELSE 'P2' END, %(input)s, %(max_attempts)s,
        'task:' || t.id
    FROM tasks AS t
    WHERE t.id = %(task)s AND t.status = 'pending' AND t.execution_id IS NULL
        AND NOT EXISTS (SELECT FROM repositories AS r WHERE r.id = t.repository_id AND r.is_active IS FALSE)
    ON CONFLICT (user_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
    RETURNING id
)
UPDATE tasks
SET execution_id = asked.id, status = 'running', started_at = now()
FROM asked
WHERE tasks.id = %(task)s
RETURNING asked.id;
