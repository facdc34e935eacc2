-- Users, their repositories, and the work that agents do on them.
-- Times are without a zone and GitHub ids are 32 bits wide here; both are mended by the fixes of 2025-11-23.

CREATE TABLE users (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    github_id INTEGER NOT NULL UNIQUE,
    email VARCHAR(255) NOT NULL,
    name VARCHAR(255),
    avatar_url TEXT,
    access_token TEXT NOT NULL,
    created_at TIMESTAMP DEFAULT now(),
    updated_at TIMESTAMP DEFAULT now()
);

CREATE TABLE repositories (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id UUID REFERENCES users (id) ON DELETE CASCADE,
    github_repo_id INTEGER NOT NULL UNIQUE,
    owner VARCHAR(255) NOT NULL,
    name VARCHAR(255) NOT NULL,
    full_name VARCHAR(255) NOT NULL,
    default_branch VARCHAR(255) DEFAULT 'main',
    is_active BOOLEAN DEFAULT true,
    created_at TIMESTAMP DEFAULT now(),
    updated_at TIMESTAMP DEFAULT now()
);

CREATE TABLE agent_executions (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id UUID REFERENCES users (id) ON DELETE CASCADE,
    repository_id UUID REFERENCES repositories (id) ON DELETE CASCADE,
    agent_type VARCHAR(50) NOT NULL,
    issue_number INTEGER,
    status VARCHAR(20) NOT NULL,            -- pending, running, completed, failed
    started_at TIMESTAMP,
    completed_at TIMESTAMP,
    error_message TEXT,
    result JSONB,
    created_at TIMESTAMP DEFAULT now(),
    updated_at TIMESTAMP DEFAULT now()
);

CREATE TABLE workflows (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id UUID REFERENCES users (id) ON DELETE CASCADE,
    repository_id UUID REFERENCES repositories (id) ON DELETE CASCADE,
    name VARCHAR(255) NOT NULL,
    description TEXT,
    definition JSONB NOT NULL,
    is_template BOOLEAN DEFAULT false,
    is_public BOOLEAN DEFAULT false,
    created_at TIMESTAMP DEFAULT now(),
    updated_at TIMESTAMP DEFAULT now()
);

CREATE TABLE line_messages (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id UUID REFERENCES users (id) ON DELETE CASCADE,
    line_user_id VARCHAR(255) NOT NULL,
    message_type VARCHAR(20) NOT NULL,
    message_text TEXT,
    parsed_intent VARCHAR(50),
    issue_number INTEGER,
    created_at TIMESTAMP DEFAULT now()
);

CREATE TABLE websocket_connections (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id UUID REFERENCES users (id) ON DELETE CASCADE,
    connection_id VARCHAR(255) NOT NULL UNIQUE,
    connected_at TIMESTAMP DEFAULT now(),
    last_ping_at TIMESTAMP DEFAULT now()
);

CREATE INDEX idx_agent_executions_user_id ON agent_executions (user_id);
CREATE INDEX idx_agent_executions_repository_id ON agent_executions (repository_id);
CREATE INDEX idx_agent_executions_status ON agent_executions (status);
CREATE INDEX idx_workflows_user_id ON workflows (user_id);
CREATE INDEX idx_workflows_repository_id ON workflows (repository_id);
CREATE INDEX idx_line_messages_user_id ON line_messages (user_id);
CREATE INDEX idx_line_messages_line_user_id ON line_messages (line_user_id);
CREATE INDEX idx_websocket_connections_user_id ON websocket_connections (user_id);
CREATE INDEX idx_websocket_connections_connection_id ON websocket_connections (connection_id);

CREATE FUNCTION update_updated_at_column() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END;
$$;

CREATE TRIGGER update_users_updated_at BEFORE UPDATE ON users
    FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();
CREATE TRIGGER update_repositories_updated_at BEFORE UPDATE ON repositories
    FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();
CREATE TRIGGER update_agent_executions_updated_at BEFORE UPDATE ON agent_executions
    FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();
CREATE TRIGGER update_workflows_updated_at BEFORE UPDATE ON workflows
    FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();
