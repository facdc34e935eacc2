-- Releasing through an agent. An environment belongs to the installation, not to an organization, and anybody may be the
-- owner of one: so no role has this permission. It is granted to accounts, system-wide (organization_id null).

SET LOCAL lock_timeout = '10s';

INSERT INTO permissions (code, name, description, category)
VALUES ('deployments.execute', 'Release', 'Have the deployment agent release', 'deployments')
ON CONFLICT (code) DO NOTHING;

-- The account of what is started in the Prefect UI, where a release can be started without an agent, too.
INSERT INTO user_permissions (user_id, permission_id)
SELECT u.id, p.id
FROM users AS u, permissions AS p
WHERE u.github_id = -1 AND p.code IN ('agents.manage', 'deployments.execute')
ON CONFLICT (user_id, permission_id, organization_id) DO NOTHING;
