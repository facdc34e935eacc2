-- start_steps --
-- Rows are locked in the order of their ids, here and below: two statements cannot wait for each other. The lock keeps
-- the lease as it is until the step is written. A finished step stays as it is.
WITH given AS (
    SELECT *
    FROM unnest(%(executions)b::uuid[], %(owners)b::text[], %(numbers)b::integer[], %(names)b::text[])
        AS g (execution_id, owner, number, name)
), locked AS MATERIALIZED (
    SELECT id, lease_owner, status
    FROM agent_executions
    WHERE id = ANY (%(executions)b::uuid[])
    ORDER BY id
    FOR SHARE
), held AS MATERIALIZED (
    SELECT id, lease_owner FROM locked WHERE status = 'running'
), written AS (
    INSERT INTO execution_steps AS s (execution_id, number, name)
    SELECT g.execution_id, g.number, g.name
    FROM given AS g JOIN held ON held.id = g.execution_id AND held.lease_owner = g.owner
    ON CONFLICT (execution_id, number) DO UPDATE
    SET name = excluded.name, status = 'running', output = NULL, error = NULL, started_at = now(), completed_at = NULL
    WHERE s.status <> 'completed'
)
SELECT id, lease_owner FROM held;

-- finish_steps --
WITH given AS (
    SELECT *
    FROM unnest(
        %(executions)b::uuid[], %(owners)b::text[], %(numbers)b::integer[], %(names)b::text[],
        %(outputs)b::text[]::jsonb[], %(errors)b::text[]
    ) AS g (execution_id, owner, number, name, output, error)
), locked AS MATERIALIZED (
    SELECT id, lease_owner, status
    FROM agent_executions
    WHERE id = ANY (%(executions)b::uuid[])
    ORDER BY id
    FOR SHARE
), held AS MATERIALIZED (
    SELECT id, lease_owner FROM locked WHERE status = 'running'
), written AS (
    INSERT INTO execution_steps AS s (execution_id, number, name, status, output, error, completed_at)
    SELECT
        g.execution_id, g.number, g.name, CASE WHEN g.error IS NULL THEN 'completed' ELSE 'failed' END, g.output,
        g.error, now()
    FROM given AS g JOIN held ON held.id = g.execution_id AND held.lease_owner = g.owner
    ON CONFLICT (execution_id, number) DO UPDATE
    SET name = excluded.name, status = excluded.status, output = excluded.output, error = excluded.error,
        completed_at = now()
    WHERE s.status <> 'completed'
)
SELECT id, lease_owner FROM held;

-- finish_executions --
-- One that this owner has already ended in the same way is what a repeated statement finds: it is fine.
WITH given AS (
    SELECT *
    FROM unnest(
        %(executions)b::uuid[], %(owners)b::text[], %(statuses)b::text[], %(results)b::text[]::jsonb[],
        %(summaries)b::text[], %(scores)b::integer[], %(pull_requests)b::integer[], %(errors)b::text[]
    ) AS g (execution_id, owner, status, result, summary, score, pull_request, error)
), locked AS MATERIALIZED (
    SELECT id, lease_owner, status
    FROM agent_executions
    WHERE id = ANY (%(executions)b::uuid[])
    ORDER BY id
    FOR NO KEY UPDATE
), mine AS MATERIALIZED (
    SELECT g.*, l.status = 'running' AS runs
    FROM locked AS l JOIN given AS g ON g.execution_id = l.id AND g.owner = l.lease_owner
    WHERE l.status IN ('running', g.status)
), ended AS (
    UPDATE agent_executions AS e
    SET status = m.status, completed_at = now(), lease_expires_at = NULL,
        cancelled_at = CASE WHEN m.status = 'cancelled' THEN now() END,
        result = m.result, result_summary = m.summary, quality_score = m.score,
        pr_number = coalesce(m.pull_request, e.pr_number),
        error_message = CASE WHEN m.status = 'cancelled' AND e.cancelled_with IS NOT NULL THEN e.error_message
            ELSE m.error END
    FROM mine AS m
    WHERE e.id = m.execution_id AND m.runs
), given_up AS (
    UPDATE execution_steps AS s
    SET status = 'failed', error = 'the execution ended', completed_at = now()
    FROM mine AS m
    WHERE m.status <> 'completed' AND s.execution_id = m.execution_id AND s.status = 'running'
)
SELECT execution_id, owner FROM mine;

-- finished_steps --
SELECT execution_id, number, name, output
FROM execution_steps
WHERE execution_id = ANY (%(executions)b::uuid[]) AND status = 'completed'
ORDER BY execution_id, number;

-- finished_step --
SELECT output
FROM execution_steps
WHERE execution_id = %(execution_id)s AND number = %(number)s AND status = 'completed';

-- is_held --
SELECT EXISTS (
    SELECT FROM agent_executions WHERE id = %(execution_id)s AND status = 'running' AND lease_owner = %(owner)s
) AS held;

-- complete_step --
-- Nothing is returned if the lease is lost, or the step is finished already: by another call that was faster.
WITH held AS MATERIALIZED (
    SELECT id
    FROM agent_executions
    WHERE id = %(execution_id)s AND status = 'running' AND lease_owner = %(owner)s
    FOR SHARE
)
INSERT INTO execution_steps AS s (execution_id, number, name, status, output, completed_at)
SELECT id, %(number)s, %(name)s, 'completed', %(output)s::jsonb, now()
FROM held
ON CONFLICT (execution_id, number) DO UPDATE
SET name = excluded.name, status = 'completed', output = excluded.output, error = NULL, completed_at = now()
WHERE s.status <> 'completed'
RETURNING number;
