-- Wakes the dispatcher. The message is empty on purpose: Postgres sends equal ones of a transaction once, so a
-- thousand rows inserted together cost one wake-up; what there is to do stands in the table.

SET LOCAL lock_timeout = '10s';

CREATE FUNCTION notify_agent_executions() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('agent_executions', '');
    RETURN NULL;
END;
$$;

CREATE TRIGGER notify_inserted_executions AFTER INSERT ON agent_executions
    FOR EACH ROW WHEN (NEW.status = 'pending')
    EXECUTE FUNCTION notify_agent_executions();

CREATE TRIGGER notify_returned_executions AFTER UPDATE OF status ON agent_executions
    FOR EACH ROW WHEN (NEW.status = 'pending' AND OLD.status IS DISTINCT FROM NEW.status)
    EXECUTE FUNCTION notify_agent_executions();
