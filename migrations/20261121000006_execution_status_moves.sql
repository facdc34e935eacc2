-- The only moves of an execution, whoever writes the row:
--   pending -> running      claimed
--   pending -> cancelled    before anyone took it
--   pending -> failed       given up: too many attempts, or no such agent
--   running -> completed
--   running -> failed
--   running -> cancelled
--   running -> pending      the lease expired, or its owner gave it back
--   failed  -> pending      tried again by a person

SET LOCAL lock_timeout = '10s';

CREATE FUNCTION guard_execution_status() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.status || '>' || NEW.status) NOT IN (
        'pending>running', 'pending>cancelled', 'pending>failed',
        'running>completed', 'running>failed', 'running>cancelled', 'running>pending',
        'failed>pending'
    ) THEN
        RAISE EXCEPTION 'execution % cannot go from % to %', OLD.id, OLD.status, NEW.status
            USING ERRCODE = 'check_violation',
                  TABLE = 'agent_executions',
                  CONSTRAINT = 'agent_executions_status_moves';
    END IF;
    RETURN NEW;
END;
$$;

CREATE TRIGGER guard_agent_executions_status BEFORE UPDATE OF status ON agent_executions
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status)
    EXECUTE FUNCTION guard_execution_status();
