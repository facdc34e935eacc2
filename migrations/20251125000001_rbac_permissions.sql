-- Who may do what: permissions, roles that bundle them, and grants to single users.

CREATE TABLE permissions (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    code VARCHAR(100) NOT NULL UNIQUE,
    name VARCHAR(255) NOT NULL,
    description TEXT,
    category VARCHAR(50) NOT NULL,
    created_at TIMESTAMPTZ DEFAULT now()
);

CREATE TABLE roles (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    code VARCHAR(100) NOT NULL UNIQUE,
    name VARCHAR(255) NOT NULL,
    description TEXT,
    scope VARCHAR(50) NOT NULL DEFAULT 'organization',
    is_system BOOLEAN DEFAULT false,
    created_at TIMESTAMPTZ DEFAULT now()
);

CREATE TABLE role_permissions (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    role_id UUID NOT NULL REFERENCES roles (id) ON DELETE CASCADE,
    permission_id UUID NOT NULL REFERENCES permissions (id) ON DELETE CASCADE,
    created_at TIMESTAMPTZ DEFAULT now(),
    UNIQUE (role_id, permission_id)
);

CREATE TABLE user_permissions (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    permission_id UUID NOT NULL REFERENCES permissions (id) ON DELETE CASCADE,
    organization_id UUID REFERENCES organizations (id) ON DELETE CASCADE,  -- null: system-wide
    granted_by UUID REFERENCES users (id) ON DELETE SET NULL,
    expires_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ DEFAULT now(),
    UNIQUE (user_id, permission_id, organization_id)
);

CREATE INDEX idx_permissions_code ON permissions (code);
CREATE INDEX idx_permissions_category ON permissions (category);
CREATE INDEX idx_roles_code ON roles (code);
CREATE INDEX idx_roles_scope ON roles (scope);
CREATE INDEX idx_role_permissions_role_id ON role_permissions (role_id);
CREATE INDEX idx_role_permissions_permission_id ON role_permissions (permission_id);
CREATE INDEX idx_user_permissions_user_id ON user_permissions (user_id);
CREATE INDEX idx_user_permissions_permission_id ON user_permissions (permission_id);
CREATE INDEX idx_user_permissions_organization_id ON user_permissions (organization_id);

INSERT INTO permissions (code, name, description, category) VALUES
    ('repositories.read', 'Read Repositories', 'See repositories and their settings', 'repositories'),
    ('repositories.write', 'Write Repositories', 'Connect and change repositories', 'repositories'),
    ('repositories.delete', 'Delete Repositories', 'Disconnect repositories', 'repositories'),
    ('repositories.manage', 'Manage Repositories', 'Assign repositories to teams', 'repositories'),
    ('agents.read', 'Read Agents', 'See agents and their executions', 'agents'),
    ('agents.execute', 'Execute Agents', 'Start agents', 'agents'),
    ('agents.stop', 'Stop Agents', 'Cancel running agents', 'agents'),
    ('agents.manage', 'Manage Agents', 'Configure agents', 'agents'),
    ('workflows.read', 'Read Workflows', 'See workflows', 'workflows'),
    ('workflows.create', 'Create Workflows', 'Make workflows', 'workflows'),
    ('workflows.update', 'Update Workflows', 'Change workflows', 'workflows'),
    ('workflows.delete', 'Delete Workflows', 'Remove workflows', 'workflows'),
    ('workflows.execute', 'Execute Workflows', 'Start workflows', 'workflows'),
    ('tasks.read', 'Read Tasks', 'See tasks', 'tasks'),
    ('tasks.create', 'Create Tasks', 'Make tasks', 'tasks'),
    ('tasks.update', 'Update Tasks', 'Change tasks and their state', 'tasks'),
    ('tasks.delete', 'Delete Tasks', 'Remove tasks', 'tasks'),
    ('tasks.assign', 'Assign Tasks', 'Give tasks to people and agents', 'tasks'),
    ('organization.read', 'Read Organization', 'See the organization', 'organization'),
    ('organization.update', 'Update Organization', 'Change the organization', 'organization'),
    ('organization.delete', 'Delete Organization', 'Remove the organization', 'organization'),
    ('organization.members.read', 'Read Members', 'See the members', 'organization'),
    ('organization.members.manage', 'Manage Members', 'Invite, change and remove members', 'organization'),
    ('teams.read', 'Read Teams', 'See teams', 'teams'),
    ('teams.create', 'Create Teams', 'Make teams', 'teams'),
    ('teams.update', 'Update Teams', 'Change teams and their members', 'teams'),
    ('teams.delete', 'Delete Teams', 'Remove teams', 'teams');

INSERT INTO roles (code, name, description, scope, is_system) VALUES
    ('org:owner', 'Organization Owner', 'May do everything', 'organization', true),
    ('org:admin', 'Organization Admin', 'May do everything but delete the organization', 'organization', true),
    ('org:member', 'Organization Member', 'Works with repositories, agents, workflows and tasks', 'organization', true),
    ('org:viewer', 'Organization Viewer', 'Reads', 'organization', true),
    ('team:lead', 'Team Lead', 'Leads the work of a team', 'team', true),
    ('team:member', 'Team Member', 'Takes part in the work of a team', 'team', true);

INSERT INTO role_permissions (role_id, permission_id)
SELECT r.id, p.id
FROM roles r
JOIN permissions p ON CASE r.code
    WHEN 'org:owner' THEN true
    WHEN 'org:admin' THEN p.code <> 'organization.delete'
    WHEN 'org:member' THEN p.code IN (
        'repositories.read', 'repositories.write',
        'agents.read', 'agents.execute', 'agents.stop',
        'workflows.read', 'workflows.create', 'workflows.update', 'workflows.execute',
        'tasks.read', 'tasks.create', 'tasks.update',
        'organization.read', 'organization.members.read', 'teams.read'
    )
    WHEN 'org:viewer' THEN p.code IN (
        'repositories.read', 'agents.read', 'workflows.read', 'tasks.read',
        'organization.read', 'organization.members.read', 'teams.read'
    )
    WHEN 'team:lead' THEN p.category IN ('workflows', 'tasks') OR p.code IN (
        'repositories.read', 'repositories.write',
        'agents.read', 'agents.execute', 'agents.stop',
        'teams.read', 'teams.update'
    )
    WHEN 'team:member' THEN p.code IN (
        'repositories.read', 'agents.read', 'agents.execute',
        'workflows.read', 'workflows.execute',
        'tasks.read', 'tasks.create', 'tasks.update', 'teams.read'
    )
END;

-- By organization role (an active membership), by team role, or granted directly and not expired.
CREATE VIEW user_effective_permissions AS
SELECT m.user_id, m.organization_id, p.code AS permission_code, p.category, 'role' AS source, r.code AS role_code
FROM organization_members m
JOIN roles r ON r.code = 'org:' || m.role::text
JOIN role_permissions rp ON rp.role_id = r.id
JOIN permissions p ON p.id = rp.permission_id
WHERE m.status = 'active'
UNION
SELECT tm.user_id, t.organization_id, p.code, p.category, 'team_role', r.code
FROM team_members tm
JOIN teams t ON t.id = tm.team_id
JOIN roles r ON r.code = 'team:' || tm.role::text
JOIN role_permissions rp ON rp.role_id = r.id
JOIN permissions p ON p.id = rp.permission_id
UNION
SELECT up.user_id, up.organization_id, p.code, p.category, 'direct', NULL::varchar
FROM user_permissions up
JOIN permissions p ON p.id = up.permission_id
WHERE up.expires_at IS NULL OR up.expires_at > now();

CREATE FUNCTION has_permission(p_user_id UUID, p_organization_id UUID, p_permission_code VARCHAR)
RETURNS BOOLEAN LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM user_effective_permissions
        WHERE user_id = p_user_id
          AND organization_id = p_organization_id
          AND permission_code = p_permission_code
    );
END;
$$;
