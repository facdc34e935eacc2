-- summary --
SELECT
    count(*) AS total_executions,
    count(*) FILTER (WHERE status = 'running') AS running_executions,
    count(*) FILTER (WHERE status = 'completed') AS completed_executions,
    count(*) FILTER (WHERE status = 'failed') AS failed_executions,
    count(*) FILTER (WHERE status = 'pending') AS pending_executions,
    (SELECT count(*) FROM repositories WHERE user_id = %(user_id)s) AS total_repositories,
    count(pr_number) AS total_prs_created
FROM agent_executions
WHERE user_id = %(user_id)s;

-- recent --
SELECT
    e.id, e.repository_id, e.issue_number, e.agent_type, e.status, e.priority, e.started_at, e.completed_at,
    e.result_summary, e.quality_score, e.pr_number, e.error_message, e.created_at, e.updated_at,
    r.owner AS repository_owner, r.name AS repository_name
FROM agent_executions AS e
LEFT JOIN repositories AS r ON r.id = e.repository_id
WHERE e.user_id = %(user_id)s
ORDER BY e.created_at DESC, e.id DESC
LIMIT %(limit)s;
