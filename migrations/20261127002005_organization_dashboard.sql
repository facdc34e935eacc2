-- The newest executions of an organization are the newest of its repositories. The longer index does the other's work.

SET LOCAL lock_timeout = '10s';

DROP INDEX idx_agent_executions_repository_id;

CREATE INDEX idx_agent_executions_repository_recent ON agent_executions (repository_id, created_at DESC, id DESC);
