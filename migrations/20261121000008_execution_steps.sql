-- What an execution has done so far: a second attempt looks a step up here and does not repeat a finished one.

CREATE TABLE execution_steps (
    execution_id UUID NOT NULL REFERENCES agent_executions (id) ON DELETE CASCADE,
    number INTEGER NOT NULL CHECK (number >= 1),
    name TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'running' CHECK (status IN ('running', 'completed', 'failed')),
    output JSONB,
    error TEXT,
    started_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    completed_at TIMESTAMPTZ,
    PRIMARY KEY (execution_id, number)
);
