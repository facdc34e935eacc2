-- page --
-- The user's own, or all of an organization, newest first.
SELECT w.id, w.user_id, w.repository_id, w.name, w.description, w.definition AS dag_definition, w.is_template,
    w.is_public, w.is_active, w.created_at, w.updated_at
FROM workflows AS w
LEFT JOIN repositories AS r ON r.id = w.repository_id
WHERE (
        CASE WHEN %(organization_id)s::uuid IS NULL THEN w.user_id = %(user_id)s
            ELSE r.organization_id = %(organization_id)s::uuid END
    )
    AND (r.organization_id IS NULL OR r.organization_id = %(organization_id)s::uuid
        OR r.organization_id IN (SELECT organizations_permitting(%(user_id)s, 'workflows.read')))
    AND (%(repository_id)s::uuid IS NULL OR w.repository_id = %(repository_id)s::uuid)
    AND (%(before_at)s::timestamptz IS NULL
        OR (w.created_at, w.id) < (%(before_at)s::timestamptz, %(before_id)s::uuid))
ORDER BY w.created_at DESC, w.id DESC
LIMIT %(limit)s;

-- get --
SELECT id, user_id, repository_id, name, description, definition AS dag_definition, is_template, is_public, is_active,
    created_at, updated_at
FROM workflows
WHERE id = %(workflow_id)s;

-- create --
INSERT INTO workflows (user_id, repository_id, name, description, definition, is_template, is_public)
VALUES (%(user_id)s, %(repository_id)s, %(name)s, %(description)s, %(dag_definition)s, %(is_template)s, %(is_public)s)
RETURNING id, user_id, repository_id, name, description, definition AS dag_definition, is_template, is_public,
    is_active, created_at, updated_at;

-- update --
-- `given` names the columns to write.
UPDATE workflows
SET name = CASE WHEN 'name' = ANY (%(given)s) THEN %(name)s ELSE name END,
    description = CASE WHEN 'description' = ANY (%(given)s) THEN %(description)s ELSE description END,
    definition = CASE WHEN 'dag_definition' = ANY (%(given)s) THEN %(dag_definition)s ELSE definition END,
    is_template = CASE WHEN 'is_template' = ANY (%(given)s) THEN %(is_template)s ELSE is_template END,
    is_public = CASE WHEN 'is_public' = ANY (%(given)s) THEN %(is_public)s ELSE is_public END,
    is_active = CASE WHEN 'is_active' = ANY (%(given)s) THEN %(is_active)s ELSE is_active END
WHERE id = %(workflow_id)s
RETURNING id, user_id, repository_id, name, description, definition AS dag_definition, is_template, is_public,
    is_active, created_at, updated_at;

-- lock --
-- No run can be noted meanwhile.
SELECT FROM workflows WHERE id = %(workflow_id)s FOR UPDATE;

-- open_runs --
-- Those that have not ended, and those that did while something that they started still stops.
SELECT w.execution_id
FROM workflow_runs AS w
WHERE w.workflow_id = %(workflow_id)s AND EXISTS (
    SELECT FROM agent_executions AS e
    WHERE (e.id = w.execution_id OR e.parent_id = w.execution_id) AND e.status IN ('pending', 'running')
)
ORDER BY w.created_at;

-- delete --
DELETE FROM workflows WHERE id = %(workflow_id)s;

-- note_run --
INSERT INTO workflow_runs (execution_id, workflow_id) VALUES (%(execution_id)s, %(workflow_id)s)
ON CONFLICT (execution_id) DO NOTHING;

-- runs --
SELECT w.workflow_id, e.id, e.repository_id, e.issue_number, e.status, e.priority, e.result_summary, e.error_message,
    e.started_at, e.completed_at, w.created_at, e.updated_at
FROM workflow_runs AS w
JOIN agent_executions AS e ON e.id = w.execution_id
WHERE w.workflow_id = %(workflow_id)s
    AND (%(run_id)s::uuid IS NULL OR e.id = %(run_id)s::uuid)
    AND (%(before_at)s::timestamptz IS NULL
        OR (w.created_at, w.execution_id) < (%(before_at)s::timestamptz, %(before_id)s::uuid))
ORDER BY w.created_at DESC, w.execution_id DESC
LIMIT %(limit)s;

-- plan --
-- What this run was asked to do; the workflow may have been changed since.
SELECT input #> '{issue,tasks}' FROM agent_executions WHERE id = %(run_id)s;

-- nodes --
-- Those of the plan's tasks that the coordinator has stored.
SELECT t.id AS task_id, e.id AS execution_id, t.status, e.result ->> 'status' AS outcome, e.result_summary,
    coalesce(e.error_message, t.error_message) AS error_message, e.started_at,
    coalesce(e.completed_at, t.cancelled_at) AS completed_at
FROM tasks AS t
LEFT JOIN agent_executions AS e ON e.id = t.execution_id
WHERE t.id = ANY (%(tasks)s);
