-- A heartbeat is no change: who has seen an execution may cancel the version that was seen (If-Match), however long it
-- runs meanwhile.

CREATE OR REPLACE TRIGGER update_agent_executions_updated_at BEFORE UPDATE ON agent_executions
FOR EACH ROW
WHEN (
    NEW.heartbeat_at IS NOT DISTINCT FROM OLD.heartbeat_at
    OR NEW.status IS DISTINCT FROM OLD.status
    OR NEW.lease_owner IS DISTINCT FROM OLD.lease_owner
)
EXECUTE FUNCTION update_updated_at_column();
