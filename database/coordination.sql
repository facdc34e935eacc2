-- hold --
-- Keeps a coordinator from ending while something is begun in its name: its end cancels what is there. No row if it does
-- not run any more, or is to stop.
SELECT id FROM agent_executions
WHERE id = %(coordinator)s AND status = 'running' AND cancel_requested_at IS NULL
FOR SHARE;

-- store_tasks --
-- The tasks of a coordinator's plan, for its user and repository. Stored again, they stay as they are.
INSERT INTO tasks
    (id, user_id, repository_id, name, description, priority, agent_type, issue_number, coordinator_id, metadata)
SELECT t.id, p.user_id, p.repository_id, t.name, t.description, t.priority, t.agent_type, t.issue_number, p.id,
    t.metadata || jsonb_build_object('coordinator', p.id)
FROM agent_executions AS p,
    jsonb_to_recordset(%(tasks)s) AS t
        (id UUID, name TEXT, description TEXT, priority TEXT, agent_type TEXT, issue_number INTEGER, metadata JSONB)
WHERE p.id = %(coordinator)s
ON CONFLICT (id) DO NOTHING;

-- store_dependencies --
INSERT INTO task_dependencies (task_id, depends_on_task_id)
SELECT d.task_id, d.depends_on
FROM jsonb_to_recordset(%(dependencies)s) AS d (task_id UUID, depends_on UUID)
ON CONFLICT (task_id, depends_on_task_id) DO NOTHING;

-- start --
-- The child execution of a task, made once: the key is the task's, whoever asks, and stands for one row of this user.
-- Nothing is returned if the coordinator is not running any more, or is to stop: then no child may begin in its name.
-- The lock keeps it from ending in between: its end cancels the children that are there.
WITH coordinator AS (
    SELECT id, user_id, repository_id, options
    FROM agent_executions
    WHERE id = %(coordinator)s AND status = 'running' AND cancel_requested_at IS NULL
    FOR SHARE
), asked AS (
    INSERT INTO agent_executions
        (user_id, repository_id, agent_type, issue_number, status, priority, input, options, parent_id, max_attempts,
         idempotency_key)
    SELECT c.user_id, c.repository_id, t.agent_type, t.issue_number, 'pending', t.priority, %(input)s,
        coalesce(c.options, '{}') || %(options)s, c.id, %(max_attempts)s, 'task:' || t.id
    FROM coordinator AS c, tasks AS t
    WHERE t.id = %(task)s
    ON CONFLICT (user_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
    RETURNING id, status
), child AS (
    SELECT id, status FROM asked
    UNION ALL
    SELECT e.id, e.status
    FROM agent_executions AS e JOIN coordinator AS c ON e.user_id IS NOT DISTINCT FROM c.user_id
    WHERE e.idempotency_key = 'task:' || %(task)s::text
)
UPDATE tasks
SET execution_id = child.id, status = CASE child.status WHEN 'pending' THEN 'running' ELSE child.status END,
    started_at = coalesce(started_at, now()), cancelled_at = NULL, error_message = NULL
FROM child
WHERE tasks.id = %(task)s
RETURNING child.id;

-- standing --
-- How the tasks' executions stand.
SELECT t.id AS task_id, e.id AS execution_id, e.status, e.result ->> 'status' AS outcome,
    e.result -> 'escalation' AS escalation, e.result_summary, e.error_message, e.started_at, e.completed_at
FROM tasks AS t JOIN agent_executions AS e ON e.id = t.execution_id
WHERE t.id = ANY (%(tasks)s);

-- skip --
-- A task that will not be run, with the reason; one that has an execution is left to that.
UPDATE tasks
SET status = 'cancelled', cancelled_at = now(), error_message = s.reason
FROM jsonb_to_recordset(%(skipped)s) AS s (id UUID, reason TEXT)
WHERE tasks.id = s.id AND tasks.execution_id IS NULL;
