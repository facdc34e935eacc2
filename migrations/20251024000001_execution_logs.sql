-- What an agent says while it works, and the options it was started with.

ALTER TABLE agent_executions ADD COLUMN options JSONB DEFAULT '{}';

CREATE TABLE execution_logs (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    execution_id UUID REFERENCES agent_executions (id) ON DELETE CASCADE,
    log_level VARCHAR(10) NOT NULL,         -- DEBUG, INFO, WARN, ERROR
    message TEXT NOT NULL,
    timestamp TIMESTAMP DEFAULT now(),
    metadata JSONB
);

CREATE INDEX idx_execution_logs_execution_id ON execution_logs (execution_id);
CREATE INDEX idx_execution_logs_timestamp ON execution_logs (timestamp);
CREATE INDEX idx_execution_logs_log_level ON execution_logs (log_level);
CREATE INDEX idx_execution_logs_execution_timestamp ON execution_logs (execution_id, timestamp DESC);
