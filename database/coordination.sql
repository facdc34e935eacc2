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
-- Nothing is returned if the coordinator is not running any more, or is to stop: then no child may begin in its name; nor
-- if a person has cancelled the task. The locks keep both as they are: the coordinator's end cancels the children that are
-- there, and who cancels a task is not overtaken.
WITH coordinator AS (
    SELECT id, user_id, repository_id, options
    FROM agent_executions
    WHERE id = %(coordinator)s AND status = 'running' AND cancel_requested_at IS NULL
    FOR SHARE
), task AS (
    SELECT t.id, t.agent_type, t.issue_number, t.priority, c.user_id, c.repository_id, c.options, c.id AS parent_id
    FROM tasks AS t, coordinator AS c
    WHERE t.id = %(task)s AND (t.status <> 'cancelled' OR t.execution_id IS NOT NULL)
    FOR UPDATE OF t
), asked AS (
    INSERT INTO agent_executions
        (user_id, repository_id, agent_type, issue_number, status, priority, input, options, parent_id, max_attempts,
         idempotency_key)
    SELECT user_id, repository_id, agent_type, issue_number, 'pending', priority, %(input)s,
        coalesce(options, '{}') || %(options)s, parent_id, %(max_attempts)s, 'task:' || id
    FROM task
    ON CONFLICT (user_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
    RETURNING id, status
), child AS (
    SELECT id, status FROM asked
    UNION ALL
    SELECT e.id, e.status
    FROM agent_executions AS e JOIN task AS t ON e.user_id IS NOT DISTINCT FROM t.user_id
    WHERE e.idempotency_key = 'task:' || t.id
)
UPDATE tasks
SET execution_id = child.id, status = CASE child.status WHEN 'pending' THEN 'running' ELSE child.status END,
    started_at = coalesce(started_at, now())
FROM child
WHERE tasks.id = %(task)s
RETURNING child.id;

-- cancelled --
-- Whether a person has cancelled a task that was not begun.
SELECT EXISTS (SELECT FROM tasks WHERE id = %(task)s AND status = 'cancelled' AND execution_id IS NULL) AS it;

-- standing --
-- How the tasks' executions stand, and which tasks a person has cancelled before they had one.
SELECT t.id AS task_id, e.id AS execution_id, coalesce(e.status, t.status) AS status, e.result ->> 'status' AS outcome,
    e.result -> 'escalation' AS escalation, e.result_summary, e.error_message, e.started_at, e.completed_at
FROM tasks AS t LEFT JOIN agent_executions AS e ON e.id = t.execution_id
WHERE t.id = ANY (%(tasks)s) AND (e.id IS NOT NULL OR (t.status = 'cancelled' AND t.execution_id IS NULL));

-- skip --
-- A task that will not be run, with the reason; one that has an execution is left to that.
UPDATE tasks
SET status = 'cancelled', cancelled_at = now(), error_message = s.reason
FROM jsonb_to_recordset(%(skipped)s) AS s (id UUID, reason TEXT)
WHERE tasks.id = s.id AND tasks.execution_id IS NULL;
