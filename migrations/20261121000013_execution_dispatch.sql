-- When a row may be taken, by whom it is being handed to Prefect, and whose descendant it is.

SET LOCAL lock_timeout = '10s';

ALTER TABLE agent_executions
    ADD COLUMN run_after TIMESTAMPTZ,                       -- not before; null: at once
    ADD COLUMN dispatched_until TIMESTAMPTZ,                -- until then a dispatcher, or Prefect, has the waiting row
    ADD COLUMN dispatch INTEGER NOT NULL DEFAULT 1,         -- which flow run takes it: part of that run's key
    ADD COLUMN ancestors UUID[] NOT NULL DEFAULT '{}';      -- parent, grandparent, ...; kept when they are deleted

UPDATE agent_executions AS e
SET ancestors = lineage.ancestors
FROM (
    WITH RECURSIVE up (id, ancestors, next) AS (
        SELECT id, ARRAY[parent_id], parent_id FROM agent_executions WHERE parent_id IS NOT NULL
        UNION ALL
        SELECT up.id, up.ancestors || p.parent_id, p.parent_id
        FROM up JOIN agent_executions AS p ON p.id = up.next
        WHERE p.parent_id IS NOT NULL AND p.parent_id <> ALL (up.ancestors)
    )
    SELECT DISTINCT ON (id) id, ancestors FROM up ORDER BY id, cardinality(ancestors) DESC
) AS lineage
WHERE lineage.id = e.id;

CREATE FUNCTION set_execution_ancestors() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    NEW.ancestors := NEW.parent_id || (SELECT ancestors FROM agent_executions WHERE id = NEW.parent_id);
    RETURN NEW;
END;
$$;

CREATE TRIGGER set_agent_executions_ancestors BEFORE INSERT ON agent_executions
    FOR EACH ROW WHEN (NEW.parent_id IS NOT NULL)
    EXECUTE FUNCTION set_execution_ancestors();
