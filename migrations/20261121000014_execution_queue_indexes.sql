-- Claiming reads the queue of each agent type, and asks which red executions wait in a repository. The lease is no
-- longer indexed: renewing it then touches no index at all, and those who run are few enough to look at.

SET LOCAL lock_timeout = '10s';

DROP INDEX idx_agent_executions_pending;
DROP INDEX idx_agent_executions_leases;

CREATE INDEX idx_agent_executions_pending ON agent_executions (agent_type, priority, created_at, id)
    WHERE status = 'pending';
CREATE INDEX idx_agent_executions_pending_repository
    ON agent_executions (repository_id, agent_type, priority, created_at, id)
    WHERE status = 'pending';
CREATE INDEX idx_agent_executions_running ON agent_executions (id) WHERE status = 'running';
CREATE INDEX idx_agent_executions_dispatched ON agent_executions (id)
    WHERE status = 'pending' AND dispatched_until IS NOT NULL;
