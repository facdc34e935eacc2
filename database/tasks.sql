-- wanted --
-- The user's own, or all of an organization; `page` and `total` go on from here.
WITH wanted AS (
    SELECT t.*
    FROM tasks AS t
    LEFT JOIN repositories AS r ON r.id = t.repository_id
    WHERE (
            CASE WHEN %(organization_id)s::uuid IS NULL THEN t.user_id = %(user_id)s
                ELSE r.organization_id = %(organization_id)s::uuid END
        )
        AND (r.organization_id IS NULL OR r.organization_id = %(organization_id)s::uuid
            OR r.organization_id IN (SELECT organizations_permitting(%(user_id)s, 'tasks.read')))
        AND (%(status)s::text IS NULL OR t.status = %(status)s::text)
        AND (%(priority)s::text IS NULL OR t.priority = %(priority)s::text)
        AND (%(agent_type)s::text IS NULL OR t.agent_type = %(agent_type)s::text)
        AND (%(repository_id)s::uuid IS NULL OR t.repository_id = %(repository_id)s::uuid)
)

-- page --
-- Urgent ones first, of these the newest.
SELECT id, user_id, repository_id, name, description, status, priority, agent_type, issue_number, execution_id,
    started_at, completed_at, failed_at, cancelled_at, retry_count, max_retries, timeout_seconds, metadata, result,
    error_message, created_at, updated_at
FROM wanted
ORDER BY priority, created_at DESC, id
LIMIT %(limit)s OFFSET %(offset)s;

-- page_of_organization --
-- The first of each of its repositories, and of these the first.
SELECT t.id, t.user_id, t.repository_id, t.name, t.description, t.status, t.priority, t.agent_type, t.issue_number,
    t.execution_id, t.started_at, t.completed_at, t.failed_at, t.cancelled_at, t.retry_count, t.max_retries,
    t.timeout_seconds, t.metadata, t.result, t.error_message, t.created_at, t.updated_at
FROM repositories AS r
CROSS JOIN LATERAL (
    SELECT * FROM tasks
    WHERE repository_id = r.id
        AND (%(status)s::text IS NULL OR status = %(status)s::text)
        AND (%(priority)s::text IS NULL OR priority = %(priority)s::text)
        AND (%(agent_type)s::text IS NULL OR agent_type = %(agent_type)s::text)
    ORDER BY priority, created_at DESC, id
    LIMIT %(limit)s::bigint + %(offset)s::bigint
) AS t
WHERE r.organization_id = %(organization_id)s
    AND (%(repository_id)s::uuid IS NULL OR r.id = %(repository_id)s::uuid)
ORDER BY t.priority, t.created_at DESC, t.id
LIMIT %(limit)s OFFSET %(offset)s;

-- total --
-- Exact up to `most`.
SELECT count(*) FROM (SELECT FROM wanted LIMIT %(most)s) AS counted;

-- stats --
-- Counted in the index, and then looked at by repository: few rows. `places` are the organization's. A status that the
-- Rust backend let through counts in the total alone.
WITH counted AS (
    SELECT repository_id, status, count(*) AS tasks
    FROM tasks
    WHERE CASE WHEN %(places)s::uuid[] IS NULL THEN user_id = %(user_id)s
        ELSE repository_id = ANY (%(places)s::uuid[]) END
    GROUP BY repository_id, status
)
SELECT coalesce(sum(c.tasks), 0)::bigint AS total,
    coalesce(sum(c.tasks) FILTER (WHERE c.status = 'pending'), 0)::bigint AS pending,
    coalesce(sum(c.tasks) FILTER (WHERE c.status = 'running'), 0)::bigint AS running,
    coalesce(sum(c.tasks) FILTER (WHERE c.status = 'completed'), 0)::bigint AS completed,
    coalesce(sum(c.tasks) FILTER (WHERE c.status = 'failed'), 0)::bigint AS failed,
    coalesce(sum(c.tasks) FILTER (WHERE c.status = 'cancelled'), 0)::bigint AS cancelled
FROM counted AS c
LEFT JOIN repositories AS r ON r.id = c.repository_id
WHERE %(places)s::uuid[] IS NOT NULL OR r.organization_id IS NULL
    OR r.organization_id IN (SELECT organizations_permitting(%(user_id)s, 'tasks.read'));

-- get --
SELECT id, user_id, repository_id, name, description, status, priority, agent_type, issue_number, execution_id,
    started_at, completed_at, failed_at, cancelled_at, retry_count, max_retries, timeout_seconds, metadata, result,
    error_message, created_at, updated_at
FROM tasks
WHERE id = %(task_id)s;

-- create --
INSERT INTO tasks
    (user_id, repository_id, name, description, priority, agent_type, issue_number, metadata, max_retries,
     timeout_seconds)
VALUES
    (%(user_id)s, %(repository_id)s, %(name)s, %(description)s, %(priority)s, %(agent_type)s, %(issue_number)s,
     %(metadata)s, %(max_retries)s, %(timeout_seconds)s)
RETURNING id, user_id, repository_id, name, description, status, priority, agent_type, issue_number, execution_id,
    started_at, completed_at, failed_at, cancelled_at, retry_count, max_retries, timeout_seconds, metadata, result,
    error_message, created_at, updated_at;

-- lock --
-- The task, and whether an execution that has not ended does it.
SELECT t.status, t.retry_count, t.max_retries, t.execution_id,
    e.status IN ('pending', 'running') IS TRUE AS executing
FROM tasks AS t
LEFT JOIN agent_executions AS e ON e.id = t.execution_id
WHERE t.id = %(task_id)s
FOR UPDATE OF t;

-- update --
-- `given` names the columns to write.
UPDATE tasks
SET name = CASE WHEN 'name' = ANY (%(given)s) THEN %(name)s ELSE name END,
    description = CASE WHEN 'description' = ANY (%(given)s) THEN %(description)s ELSE description END,
    priority = CASE WHEN 'priority' = ANY (%(given)s) THEN %(priority)s ELSE priority END,
    metadata = CASE WHEN 'metadata' = ANY (%(given)s) THEN %(metadata)s ELSE metadata END
WHERE id = %(task_id)s;

-- delete --
DELETE FROM tasks WHERE id = %(task_id)s;

-- start --
UPDATE tasks
SET status = 'running', started_at = clock_timestamp(), completed_at = NULL, failed_at = NULL, cancelled_at = NULL
WHERE id = %(task_id)s;

-- complete --
UPDATE tasks SET status = 'completed', completed_at = clock_timestamp(), result = %(result)s, error_message = NULL
WHERE id = %(task_id)s;

-- fail --
UPDATE tasks SET status = 'failed', failed_at = clock_timestamp(), error_message = %(error_message)s
WHERE id = %(task_id)s;

-- cancel --
UPDATE tasks SET status = 'cancelled', cancelled_at = clock_timestamp() WHERE id = %(task_id)s;

-- retry --
UPDATE tasks
SET status = 'pending', retry_count = coalesce(retry_count, 0) + 1, started_at = NULL, completed_at = NULL,
    failed_at = NULL, error_message = NULL, result = NULL
WHERE id = %(task_id)s;

-- dependencies --
SELECT d.id, d.task_id, d.depends_on_task_id, d.dependency_type, d.created_at, t.name, t.status
FROM task_dependencies AS d
JOIN tasks AS t ON t.id = d.depends_on_task_id
WHERE d.task_id = %(task_id)s
    AND (%(depends_on)s::uuid IS NULL OR d.depends_on_task_id = %(depends_on)s::uuid)
ORDER BY d.created_at, d.id
LIMIT %(limit)s;

-- unmet --
-- What keeps the task from this move: the first row begins only after the others have, or have ended.
SELECT d.depends_on_task_id
FROM task_dependencies AS d
JOIN tasks AS t ON t.id = d.depends_on_task_id
WHERE d.task_id = %(task_id)s
    AND CASE coalesce(d.dependency_type, 'finish_to_start')
        WHEN 'finish_to_finish' THEN %(move)s = 'complete' AND t.status <> 'completed'
        WHEN 'start_to_start' THEN %(move)s = 'start' AND t.status NOT IN ('running', 'completed')
        ELSE %(move)s = 'start' AND t.status <> 'completed'
    END
ORDER BY d.created_at, d.id;

-- same_place --
-- Whether both belong to the same organization, or to none.
SELECT count(DISTINCT coalesce(r.organization_id::text, '')) = 1 AS same
FROM tasks AS t
LEFT JOIN repositories AS r ON r.id = t.repository_id
WHERE t.id IN (%(task_id)s, %(depends_on)s);

-- add_dependency --
INSERT INTO task_dependencies (task_id, depends_on_task_id, dependency_type)
VALUES (%(task_id)s, %(depends_on)s, %(dependency_type)s)
ON CONFLICT (task_id, depends_on_task_id) DO NOTHING
RETURNING id;

-- remove_dependency --
DELETE FROM task_dependencies WHERE task_id = %(task_id)s AND depends_on_task_id = %(depends_on)s;
