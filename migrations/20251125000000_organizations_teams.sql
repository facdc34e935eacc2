-- Organizations, their members and teams; a repository may belong to either.

CREATE TYPE org_member_role AS ENUM ('owner', 'admin', 'member', 'viewer');
CREATE TYPE team_member_role AS ENUM ('lead', 'member');

CREATE TABLE organizations (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    name VARCHAR(255) NOT NULL,
    slug VARCHAR(100) NOT NULL UNIQUE,
    description TEXT,
    avatar_url TEXT,
    github_org_id BIGINT UNIQUE,
    github_org_login VARCHAR(255),
    settings JSONB DEFAULT '{}',
    plan VARCHAR(50) DEFAULT 'free',
    max_members INTEGER DEFAULT 5,
    max_repositories INTEGER DEFAULT 10,
    is_active BOOLEAN DEFAULT true,
    owner_id UUID REFERENCES users (id) ON DELETE SET NULL,
    created_at TIMESTAMPTZ DEFAULT now(),
    updated_at TIMESTAMPTZ DEFAULT now()
);

CREATE TABLE organization_members (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    organization_id UUID NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role org_member_role NOT NULL DEFAULT 'member',
    status VARCHAR(20) DEFAULT 'active',    -- invited, active, suspended
    invited_by UUID REFERENCES users (id) ON DELETE SET NULL,
    accepted_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ DEFAULT now(),
    updated_at TIMESTAMPTZ DEFAULT now(),
    UNIQUE (organization_id, user_id)
);

CREATE TABLE teams (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    organization_id UUID NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    name VARCHAR(255) NOT NULL,
    slug VARCHAR(100) NOT NULL,
    description TEXT,
    settings JSONB DEFAULT '{}',
    is_visible BOOLEAN DEFAULT true,
    created_at TIMESTAMPTZ DEFAULT now(),
    updated_at TIMESTAMPTZ DEFAULT now(),
    UNIQUE (organization_id, slug)
);

CREATE TABLE team_members (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    team_id UUID NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role team_member_role NOT NULL DEFAULT 'member',
    created_at TIMESTAMPTZ DEFAULT now(),
    updated_at TIMESTAMPTZ DEFAULT now(),
    UNIQUE (team_id, user_id)
);

ALTER TABLE repositories
    ADD COLUMN organization_id UUID REFERENCES organizations (id) ON DELETE SET NULL,
    ADD COLUMN team_id UUID REFERENCES teams (id) ON DELETE SET NULL;

CREATE INDEX idx_organizations_slug ON organizations (slug);
CREATE INDEX idx_organizations_owner_id ON organizations (owner_id);
CREATE INDEX idx_organizations_github_org_id ON organizations (github_org_id);
CREATE INDEX idx_organizations_is_active ON organizations (is_active);
CREATE INDEX idx_org_members_organization_id ON organization_members (organization_id);
CREATE INDEX idx_org_members_user_id ON organization_members (user_id);
CREATE INDEX idx_org_members_role ON organization_members (role);
CREATE INDEX idx_org_members_status ON organization_members (status);
CREATE INDEX idx_teams_organization_id ON teams (organization_id);
CREATE INDEX idx_teams_slug ON teams (organization_id, slug);
CREATE INDEX idx_team_members_team_id ON team_members (team_id);
CREATE INDEX idx_team_members_user_id ON team_members (user_id);
CREATE INDEX idx_repositories_organization_id ON repositories (organization_id);
CREATE INDEX idx_repositories_team_id ON repositories (team_id);

CREATE TRIGGER update_organizations_updated_at BEFORE UPDATE ON organizations
    FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();
CREATE TRIGGER update_organization_members_updated_at BEFORE UPDATE ON organization_members
    FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();
CREATE TRIGGER update_teams_updated_at BEFORE UPDATE ON teams
    FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();
CREATE TRIGGER update_team_members_updated_at BEFORE UPDATE ON team_members
    FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();

-- Everyone's organizations that are active, with any membership: an invitation is shown too.
CREATE VIEW user_organizations AS
SELECT
    m.user_id,
    m.organization_id,
    o.name AS organization_name,
    o.slug AS organization_slug,
    o.avatar_url,
    m.role,
    m.status,
    COALESCE(m.accepted_at, m.created_at) AS joined_at
FROM organization_members m
JOIN organizations o ON o.id = m.organization_id
WHERE o.is_active;

CREATE VIEW organization_summary AS
SELECT
    o.id,
    o.name,
    o.slug,
    o.plan,
    o.is_active,
    o.created_at,
    (SELECT count(*) FROM organization_members m WHERE m.organization_id = o.id AND m.status = 'active')
        AS member_count,
    (SELECT count(*) FROM teams t WHERE t.organization_id = o.id) AS team_count,
    (SELECT count(*) FROM repositories r WHERE r.organization_id = o.id) AS repository_count
FROM organizations o;
