-- Whoever deactivates a repository cancels what waits there and asks what runs there to stop, in the same transaction; and
-- with an organization its repositories are deactivated.

SET LOCAL lock_timeout = '10s';

-- Each with its descendants, which may be elsewhere: these follow by a trigger. In the order of their ids, as all that
-- lock many.
CREATE FUNCTION cancel_in_repository(p_repository_id UUID) RETURNS VOID LANGUAGE sql AS $$
    WITH open AS (
        SELECT id FROM agent_executions
        WHERE repository_id = p_repository_id AND status IN ('pending', 'running') AND cancel_requested_at IS NULL
        ORDER BY id
        FOR NO KEY UPDATE
    )
    UPDATE agent_executions AS e
    SET cancel_requested_at = now(),
        status = CASE e.status WHEN 'pending' THEN 'cancelled' ELSE e.status END,
        cancelled_at = CASE e.status WHEN 'pending' THEN now() END,
        completed_at = CASE e.status WHEN 'pending' THEN now() END,
        error_message = CASE e.status WHEN 'pending' THEN 'cancelled: its repository was deactivated' END
    FROM open
    WHERE e.id = open.id;
$$;

CREATE FUNCTION cancel_in_deactivated() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    PERFORM cancel_in_repository(NEW.id);
    RETURN NULL;
END;
$$;

CREATE TRIGGER cancel_in_deactivated AFTER UPDATE OF is_active ON repositories
    FOR EACH ROW WHEN (OLD.is_active IS NOT FALSE AND NEW.is_active IS FALSE)
    EXECUTE FUNCTION cancel_in_deactivated();

CREATE FUNCTION deactivate_repositories() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    UPDATE repositories SET is_active = false WHERE organization_id = NEW.id AND is_active IS NOT FALSE;
    RETURN NULL;
END;
$$;

CREATE TRIGGER deactivate_repositories AFTER UPDATE OF is_active ON organizations
    FOR EACH ROW WHEN (OLD.is_active IS NOT FALSE AND NEW.is_active IS FALSE)
    EXECUTE FUNCTION deactivate_repositories();

-- Those that were left behind before.
UPDATE repositories AS r SET is_active = false
FROM organizations AS o
WHERE o.id = r.organization_id AND o.is_active IS FALSE AND r.is_active IS NOT FALSE;

SELECT cancel_in_repository(id) FROM repositories WHERE is_active IS FALSE;
