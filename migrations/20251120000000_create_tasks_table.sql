-- Tasks that people plan, and the order between them.

CREATE TABLE tasks (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id UUID REFERENCES users (id) ON DELETE CASCADE,
    repository_id UUID REFERENCES repositories (id) ON DELETE CASCADE,
    name VARCHAR(255) NOT NULL,
    description TEXT,
    status VARCHAR(20) NOT NULL DEFAULT 'pending',
    priority VARCHAR(10) DEFAULT 'P2',      -- P0 (most urgent) to P3
    agent_type VARCHAR(50),
    issue_number INTEGER,
    execution_id UUID,                      -- the agent execution that did it, if one did
    started_at TIMESTAMP,
    completed_at TIMESTAMP,
    failed_at TIMESTAMP,
    cancelled_at TIMESTAMP,
    retry_count INTEGER DEFAULT 0,
    max_retries INTEGER DEFAULT 3,
    timeout_seconds INTEGER DEFAULT 3600,
    metadata JSONB DEFAULT '{}',
    result JSONB,
    error_message TEXT,
    created_at TIMESTAMP DEFAULT now(),
    updated_at TIMESTAMP DEFAULT now()
);

CREATE TABLE task_dependencies (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    task_id UUID NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    depends_on_task_id UUID NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    dependency_type VARCHAR(20) DEFAULT 'finish_to_start',  -- or start_to_start, finish_to_finish
    created_at TIMESTAMP DEFAULT now(),
    UNIQUE (task_id, depends_on_task_id)
);

CREATE INDEX idx_tasks_user_id ON tasks (user_id);
CREATE INDEX idx_tasks_repository_id ON tasks (repository_id);
CREATE INDEX idx_tasks_status ON tasks (status);
CREATE INDEX idx_tasks_priority ON tasks (priority);
CREATE INDEX idx_tasks_agent_type ON tasks (agent_type);
CREATE INDEX idx_tasks_issue_number ON tasks (issue_number);
CREATE INDEX idx_tasks_created_at ON tasks (created_at);
CREATE INDEX idx_task_dependencies_task_id ON task_dependencies (task_id);
CREATE INDEX idx_task_dependencies_depends_on ON task_dependencies (depends_on_task_id);

-- Refuses the dependency if the task it points at already waits, however indirectly, for this one.
CREATE FUNCTION check_task_cycle() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        WITH RECURSIVE waits_for AS (
            SELECT depends_on_task_id FROM task_dependencies
            WHERE task_id = NEW.depends_on_task_id AND id <> NEW.id
            UNION
            SELECT d.depends_on_task_id FROM task_dependencies d
            JOIN waits_for w ON d.task_id = w.depends_on_task_id
            WHERE d.id <> NEW.id
        )
        SELECT FROM waits_for WHERE depends_on_task_id = NEW.task_id
    ) THEN
        RAISE EXCEPTION 'Circular dependency detected';
    END IF;
    RETURN NEW;
END;
$$;

CREATE TRIGGER prevent_task_cycles BEFORE INSERT OR UPDATE ON task_dependencies
    FOR EACH ROW EXECUTE FUNCTION check_task_cycle();
CREATE TRIGGER update_tasks_updated_at BEFORE UPDATE ON tasks
    FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();
