-- The dashboard's lists of one agent, and of what did not end well, and each agent's last execution. The common states
-- need no index of their own: the newest rows are nearly all `completed`, and what is open has its own indexes.

SET LOCAL lock_timeout = '10s';

CREATE INDEX idx_agent_executions_user_agent ON agent_executions (user_id, agent_type, created_at DESC, id);
CREATE INDEX idx_agent_executions_user_unwell ON agent_executions (user_id, status, created_at DESC, id)
    WHERE status IN ('failed', 'cancelled');
