-- That an execution begins changes no task: to who reads it, it was under way since it was asked for. So nothing is looked
-- up at each beginning.

SET LOCAL lock_timeout = '10s';

DROP TRIGGER tasks_follow_moved ON agent_executions;

CREATE TRIGGER tasks_follow_moved AFTER UPDATE OF status ON agent_executions
    FOR EACH ROW
    WHEN (OLD.status IS DISTINCT FROM NEW.status AND NOT (OLD.status = 'pending' AND NEW.status = 'running'))
    EXECUTE FUNCTION tasks_follow_execution();
