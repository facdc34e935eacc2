-- organization --
SELECT updated_at FROM organizations WHERE id = %(organization_id)s::uuid FOR NO KEY UPDATE;

-- member --
-- In the order in which whoever changes members locks: the organization first.
SELECT m.updated_at
FROM organizations AS o
JOIN organization_members AS m ON m.organization_id = o.id
WHERE o.id = %(organization_id)s::uuid AND m.user_id = %(user_id)s::uuid
FOR NO KEY UPDATE OF o FOR UPDATE OF m;

-- invitation --
SELECT created_at
FROM organization_invitations
WHERE organization_id = %(organization_id)s::uuid AND id = %(invitation_id)s::uuid
FOR UPDATE;

-- team --
SELECT updated_at FROM teams WHERE organization_id = %(organization_id)s::uuid AND id = %(team_id)s::uuid FOR UPDATE;

-- team_member --
SELECT updated_at FROM team_members WHERE team_id = %(team_id)s::uuid AND user_id = %(user_id)s::uuid FOR UPDATE;

-- repository --
SELECT updated_at FROM repositories WHERE id = %(repository_id)s::uuid FOR NO KEY UPDATE;

-- execution --
SELECT updated_at FROM agent_executions WHERE id = %(execution_id)s::uuid FOR NO KEY UPDATE;

-- task --
SELECT updated_at FROM tasks WHERE id = %(task_id)s::uuid FOR UPDATE;

-- dependency --
SELECT created_at
FROM task_dependencies
WHERE task_id = %(task_id)s::uuid AND depends_on_task_id = %(depends_on_task_id)s::uuid
FOR UPDATE;

-- workflow --
SELECT updated_at FROM workflows WHERE id = %(workflow_id)s::uuid FOR UPDATE;

-- run --
-- It is the coordinator's execution.
SELECT updated_at FROM agent_executions WHERE id = %(run_id)s::uuid FOR NO KEY UPDATE;
