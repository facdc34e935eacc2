-- A task follows the execution that does it; and what a coordinator has not begun is cancelled when it ends, however, or is
-- asked to stop: in the transaction that writes the execution's row, whoever does. Tried again, it has them wait again.

SET LOCAL lock_timeout = '10s';

ALTER TABLE tasks ADD COLUMN coordinator_id UUID;   -- the execution of whose plan it is a part; no foreign key, as execution_id

UPDATE tasks AS t SET coordinator_id = e.id
FROM agent_executions AS e
WHERE t.metadata ->> 'coordinator' = e.id::text AND e.user_id IS NOT DISTINCT FROM t.user_id;

CREATE INDEX idx_tasks_execution_id ON tasks (execution_id) WHERE execution_id IS NOT NULL;
CREATE INDEX idx_tasks_coordinator_id ON tasks (coordinator_id) WHERE coordinator_id IS NOT NULL;

-- To who reads the task, one that waits for a worker is under way.
CREATE FUNCTION tasks_follow(execution agent_executions) RETURNS VOID LANGUAGE plpgsql AS $$
DECLARE
    next TEXT := CASE execution.status WHEN 'pending' THEN 'running' ELSE execution.status END;
BEGIN
    UPDATE tasks
    SET status = next,
        started_at = coalesce(execution.started_at, started_at),
        completed_at = CASE next WHEN 'completed' THEN execution.completed_at END,
        failed_at = CASE next WHEN 'failed' THEN execution.completed_at END,
        cancelled_at = CASE next WHEN 'cancelled' THEN coalesce(execution.cancelled_at, execution.completed_at) END,
        result = execution.result,
        error_message = execution.error_message
    WHERE execution_id = execution.id AND status <> next;
    IF execution.status IN ('completed', 'failed', 'cancelled') OR execution.cancel_requested_at IS NOT NULL THEN
        UPDATE tasks
        SET status = 'cancelled', cancelled_at = now(),
            error_message = 'not run: its run ' || CASE execution.status
                WHEN 'completed' THEN 'ended without it' WHEN 'failed' THEN 'failed' ELSE 'was cancelled' END
        WHERE coordinator_id = execution.id AND execution_id IS NULL AND status = 'pending';
    ELSIF execution.status = 'pending' THEN
        UPDATE tasks SET status = 'pending', cancelled_at = NULL, error_message = NULL
        WHERE coordinator_id = execution.id AND execution_id IS NULL AND status = 'cancelled';
    END IF;
END;
$$;

CREATE FUNCTION tasks_follow_execution() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    PERFORM tasks_follow(NEW);
    RETURN NULL;
END;
$$;

CREATE TRIGGER tasks_follow_moved AFTER UPDATE OF status ON agent_executions
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status)
    EXECUTE FUNCTION tasks_follow_execution();

CREATE TRIGGER tasks_follow_stopped AFTER UPDATE OF cancel_requested_at ON agent_executions
    FOR EACH ROW
    WHEN (NEW.status = 'running' AND NEW.cancel_requested_at IS NOT NULL AND OLD.cancel_requested_at IS NULL)
    EXECUTE FUNCTION tasks_follow_execution();

-- Those that were left behind before.
SELECT tasks_follow(e)
FROM agent_executions AS e
WHERE e.id IN (
    SELECT execution_id FROM tasks WHERE execution_id IS NOT NULL AND status IN ('pending', 'running')
    UNION
    SELECT coordinator_id FROM tasks WHERE coordinator_id IS NOT NULL AND status = 'pending'
) AND e.status IN ('completed', 'failed', 'cancelled');
