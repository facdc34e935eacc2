-- When an execution has failed or was cancelled, or is asked to stop, nobody waits for what it asked for: its descendants
-- that wait are cancelled and those that run are asked to stop, in the same transaction, whoever writes the row. One that
-- goes back to the queue keeps them: its next attempt finds them by their keys. `cancelled_with` is the execution whose end
-- it was; a person who lets that one be tried again has these tried again, too.

SET LOCAL lock_timeout = '10s';

ALTER TABLE agent_executions ADD COLUMN cancelled_with UUID;

CREATE INDEX idx_agent_executions_cancelled_with ON agent_executions (cancelled_with) WHERE cancelled_with IS NOT NULL;

CREATE FUNCTION cancel_descendants() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    WITH RECURSIVE below AS (
        SELECT id FROM agent_executions WHERE parent_id = NEW.id
        UNION
        SELECT e.id FROM agent_executions AS e JOIN below ON e.parent_id = below.id
    ), open AS (
        SELECT e.id
        FROM agent_executions AS e JOIN below USING (id)
        WHERE e.status IN ('pending', 'running') AND e.cancel_requested_at IS NULL
        ORDER BY e.id
        FOR NO KEY UPDATE OF e
    )
    UPDATE agent_executions AS e
    SET cancel_requested_at = now(), cancelled_with = NEW.id,
        status = CASE e.status WHEN 'pending' THEN 'cancelled' ELSE e.status END,
        cancelled_at = CASE e.status WHEN 'pending' THEN now() END,
        completed_at = CASE e.status WHEN 'pending' THEN now() END,
        error_message = format(
            'cancelled with %s %s, which %s', NEW.agent_type, NEW.id,
            CASE NEW.status WHEN 'failed' THEN 'failed: ' || left(coalesce(NEW.error_message, 'no reason given'), 300)
                ELSE 'was cancelled' END
        )
    FROM open
    WHERE e.id = open.id;
    RETURN NULL;
END;
$$;

CREATE TRIGGER cancel_descendants_of_ended AFTER UPDATE OF status ON agent_executions
    FOR EACH ROW
    WHEN (OLD.status IN ('pending', 'running') AND NEW.status IN ('failed', 'cancelled'))
    EXECUTE FUNCTION cancel_descendants();

CREATE TRIGGER cancel_descendants_of_stopped AFTER UPDATE OF cancel_requested_at ON agent_executions
    FOR EACH ROW
    WHEN (NEW.status = 'running' AND NEW.cancel_requested_at IS NOT NULL AND OLD.cancel_requested_at IS NULL)
    EXECUTE FUNCTION cancel_descendants();

-- One more move: cancelled -> pending, with the one it was cancelled with.
CREATE OR REPLACE FUNCTION guard_execution_status() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.status || '>' || NEW.status) NOT IN (
        'pending>running', 'pending>cancelled', 'pending>failed',
        'running>completed', 'running>failed', 'running>cancelled', 'running>pending',
        'failed>pending'
    ) AND NOT (OLD.status = 'cancelled' AND OLD.cancelled_with IS NOT NULL AND NEW.status = 'pending') THEN
        RAISE EXCEPTION 'execution % cannot go from % to %', OLD.id, OLD.status, NEW.status
            USING ERRCODE = 'check_violation',
                  TABLE = 'agent_executions',
                  CONSTRAINT = 'agent_executions_status_moves';
    END IF;
    RETURN NEW;
END;
$$;
