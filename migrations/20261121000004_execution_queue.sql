-- An execution is a row that waits for an owner. The owner holds a lease and renews it with a heartbeat; an expired
-- lease may be claimed again, up to max_attempts. Every column has a default: whoever inserts the old columns only
-- (the Rust backend does) starts an agent all the same.

SET LOCAL lock_timeout = '10s';

ALTER TABLE agent_executions
    ADD COLUMN priority VARCHAR(2) NOT NULL DEFAULT 'P2',
    ADD COLUMN attempt INTEGER NOT NULL DEFAULT 0,              -- how often it was claimed
    ADD COLUMN max_attempts INTEGER NOT NULL DEFAULT 3,
    ADD COLUMN timeout_seconds INTEGER,                         -- null: the agent's own
    ADD COLUMN lease_owner TEXT,
    ADD COLUMN lease_expires_at TIMESTAMPTZ,
    ADD COLUMN heartbeat_at TIMESTAMPTZ,
    ADD COLUMN cancel_requested_at TIMESTAMPTZ,
    ADD COLUMN cancelled_at TIMESTAMPTZ,
    ADD COLUMN input JSONB NOT NULL DEFAULT '{}',
    ADD COLUMN idempotency_key TEXT,
    ADD COLUMN flow_run_id UUID,                                -- Prefect's run that shows it
    ADD COLUMN parent_id UUID REFERENCES agent_executions (id) ON DELETE SET NULL,
    ADD CONSTRAINT agent_executions_priority_check CHECK (priority IN ('P0', 'P1', 'P2', 'P3')) NOT VALID,
    ADD CONSTRAINT agent_executions_attempts_check CHECK (attempt >= 0 AND max_attempts >= 1) NOT VALID,
    ADD CONSTRAINT agent_executions_timeout_check CHECK (timeout_seconds > 0) NOT VALID;

-- Claiming reads the first of these, reaping of dead owners the second; both stay as small as the queue.
CREATE INDEX idx_agent_executions_pending ON agent_executions (priority, created_at, id) WHERE status = 'pending';
CREATE INDEX idx_agent_executions_leases ON agent_executions (lease_expires_at) WHERE status = 'running';
CREATE INDEX idx_agent_executions_parent_id ON agent_executions (parent_id) WHERE parent_id IS NOT NULL;

CREATE UNIQUE INDEX agent_executions_idempotency_key
    ON agent_executions (user_id, idempotency_key) NULLS NOT DISTINCT
    WHERE idempotency_key IS NOT NULL;
