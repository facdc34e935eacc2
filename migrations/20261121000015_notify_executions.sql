-- Wakes who runs an execution that is to be cancelled (the message is its id), and who waits for its children (the
-- message is the parent's id: many children that end together cost one wake-up).

SET LOCAL lock_timeout = '10s';

CREATE FUNCTION notify_agent_cancellations() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('agent_cancellations', NEW.id::text);
    RETURN NULL;
END;
$$;

CREATE TRIGGER notify_cancelled_executions AFTER UPDATE OF cancel_requested_at ON agent_executions
    FOR EACH ROW WHEN (NEW.cancel_requested_at IS NOT NULL AND OLD.cancel_requested_at IS NULL)
    EXECUTE FUNCTION notify_agent_cancellations();

CREATE FUNCTION notify_agent_ended() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('agent_ended', NEW.parent_id::text);
    RETURN NULL;
END;
$$;

CREATE TRIGGER notify_ended_executions AFTER UPDATE OF status ON agent_executions
    FOR EACH ROW
    WHEN (NEW.parent_id IS NOT NULL AND OLD.status <> NEW.status AND NEW.status IN ('completed', 'failed', 'cancelled'))
    EXECUTE FUNCTION notify_agent_ended();
