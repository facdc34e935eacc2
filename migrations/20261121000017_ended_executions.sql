-- Whoever reconciles Prefect with this table asks every few seconds what has ended of late.

SET LOCAL lock_timeout = '10s';

CREATE INDEX idx_agent_executions_ended ON agent_executions (completed_at) WHERE completed_at IS NOT NULL;
