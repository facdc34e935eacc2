-- Two permissions that the backend asks for and that were never there, and what the others mean:
--   an organization that is not active gives nothing to anybody
--   a role in a team counts while its holder is an active member of the organization
--   a grant to a single user counts unless that user is suspended there
--   a system-wide grant (organization_id null) counts in every active organization, and where there is none

SET LOCAL lock_timeout = '10s';

INSERT INTO permissions (code, name, description, category) VALUES
    ('repositories.create', 'Create Repositories', 'Register repositories', 'repositories'),
    ('dashboard.read', 'Read Dashboard', 'See the figures of the dashboard', 'dashboard')
ON CONFLICT (code) DO NOTHING;

INSERT INTO role_permissions (role_id, permission_id)
SELECT r.id, p.id
FROM roles AS r
JOIN permissions AS p ON
    (p.code = 'repositories.create' AND r.code IN ('org:owner', 'org:admin', 'org:member'))
    OR (p.code = 'dashboard.read' AND r.is_system)
ON CONFLICT (role_id, permission_id) DO NOTHING;

CREATE OR REPLACE VIEW user_effective_permissions AS
SELECT m.user_id, m.organization_id, p.code AS permission_code, p.category, 'role' AS source, r.code AS role_code
FROM organization_members AS m
JOIN organizations AS o ON o.id = m.organization_id AND o.is_active
JOIN roles AS r ON r.code = 'org:' || m.role::text
JOIN role_permissions AS rp ON rp.role_id = r.id
JOIN permissions AS p ON p.id = rp.permission_id
WHERE m.status = 'active'
UNION
SELECT tm.user_id, t.organization_id, p.code, p.category, 'team_role', r.code
FROM team_members AS tm
JOIN teams AS t ON t.id = tm.team_id
JOIN organizations AS o ON o.id = t.organization_id AND o.is_active
JOIN organization_members AS m
    ON m.organization_id = t.organization_id AND m.user_id = tm.user_id AND m.status = 'active'
JOIN roles AS r ON r.code = 'team:' || tm.role::text
JOIN role_permissions AS rp ON rp.role_id = r.id
JOIN permissions AS p ON p.id = rp.permission_id
UNION
SELECT up.user_id, up.organization_id, p.code, p.category, 'direct', NULL::varchar
FROM user_permissions AS up
JOIN permissions AS p ON p.id = up.permission_id
LEFT JOIN organizations AS o ON o.id = up.organization_id
WHERE (up.expires_at IS NULL OR up.expires_at > now())
    AND (up.organization_id IS NULL OR o.is_active)
    AND NOT EXISTS (
        SELECT FROM organization_members AS m
        WHERE m.organization_id = up.organization_id AND m.user_id = up.user_id AND m.status = 'suspended'
    );

CREATE OR REPLACE FUNCTION has_permission(p_user_id UUID, p_organization_id UUID, p_permission_code VARCHAR)
RETURNS BOOLEAN LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM user_effective_permissions
        WHERE user_id = p_user_id
            AND organization_id = p_organization_id
            AND permission_code = p_permission_code
    ) OR (
        is_granted(p_user_id, p_permission_code)
        AND (p_organization_id IS NULL OR EXISTS (SELECT FROM organizations WHERE id = p_organization_id AND is_active))
    );
END;
$$;

-- All in which a user has a permission: lists ask once, not for every row.
CREATE FUNCTION organizations_permitting(p_user_id UUID, p_permission_code VARCHAR)
RETURNS SETOF UUID LANGUAGE sql STABLE AS $$
    SELECT organization_id FROM user_effective_permissions
    WHERE user_id = p_user_id AND permission_code = p_permission_code AND organization_id IS NOT NULL
    UNION
    SELECT id FROM organizations WHERE is_active AND is_granted(p_user_id, p_permission_code);
$$;
