-- The lists that the API and the dashboard show, newest first.

SET LOCAL lock_timeout = '10s';

CREATE INDEX idx_agent_executions_user_recent ON agent_executions (user_id, created_at DESC, id);
CREATE INDEX idx_agent_executions_recent ON agent_executions (created_at DESC, id);
CREATE INDEX idx_repositories_user_id ON repositories (user_id, created_at DESC);
