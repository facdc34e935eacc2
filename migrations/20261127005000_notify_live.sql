-- Tells the processes that hold live connections (api/live.py) what has happened, on one channel: a kind and ids, and
-- the new status where there is one. What it means, and who may hear it, is read from the tables.
-- Lines of logs and steps are written many at a time: a statement is one message for each execution.

SET LOCAL lock_timeout = '10s';

CREATE FUNCTION notify_live() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('live', concat_ws(' ', TG_ARGV[0], NEW.id, NEW.status));
    RETURN NULL;
END;
$$;

CREATE FUNCTION notify_live_parts() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('live', concat_ws(' ', TG_ARGV[0], execution_id)) FROM (SELECT DISTINCT execution_id FROM fresh) AS f;
    RETURN NULL;
END;
$$;

CREATE FUNCTION notify_live_invitation() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('live', concat_ws(' ', 'invitation', NEW.id));
    RETURN NULL;
END;
$$;

CREATE TRIGGER live_new_executions AFTER INSERT ON agent_executions
    FOR EACH ROW EXECUTE FUNCTION notify_live('execution');
CREATE TRIGGER live_moved_executions AFTER UPDATE OF status ON agent_executions
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION notify_live('execution');

CREATE TRIGGER live_new_tasks AFTER INSERT ON tasks
    FOR EACH ROW EXECUTE FUNCTION notify_live('new_task');
CREATE TRIGGER live_changed_tasks AFTER UPDATE ON tasks
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION notify_live('task');

CREATE TRIGGER live_new_releases AFTER INSERT ON releases
    FOR EACH ROW EXECUTE FUNCTION notify_live('release');
CREATE TRIGGER live_moved_releases AFTER UPDATE OF status ON releases
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION notify_live('release');

CREATE TRIGGER live_invitations AFTER INSERT ON organization_members
    FOR EACH ROW WHEN (NEW.status = 'invited') EXECUTE FUNCTION notify_live_invitation();

CREATE TRIGGER live_logs AFTER INSERT ON execution_logs
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION notify_live_parts('logs');

CREATE TRIGGER live_new_steps AFTER INSERT ON execution_steps
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION notify_live_parts('steps');
CREATE TRIGGER live_moved_steps AFTER UPDATE ON execution_steps
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION notify_live_parts('steps');
