-- A run of a workflow is the execution of the coordinator that was asked to run it.

SET LOCAL lock_timeout = '10s';

ALTER TABLE workflows ADD COLUMN is_active BOOLEAN NOT NULL DEFAULT true;

CREATE TABLE workflow_runs (
    execution_id UUID PRIMARY KEY REFERENCES agent_executions (id) ON DELETE CASCADE,
    workflow_id UUID NOT NULL REFERENCES workflows (id) ON DELETE CASCADE,
    created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE INDEX idx_workflow_runs_recent ON workflow_runs (workflow_id, created_at DESC, execution_id DESC);
CREATE INDEX idx_workflows_user_recent ON workflows (user_id, created_at DESC, id DESC);
