-- list --
-- With every membership, and those that invite.
SELECT user_id, organization_id, organization_name, organization_slug, avatar_url, role::text AS role, status, joined_at
FROM (
    SELECT user_id, organization_id, organization_name, organization_slug, avatar_url, role, status, joined_at
    FROM user_organizations
    WHERE user_id = %(user_id)s AND status <> 'invited'
    UNION ALL
    SELECT %(user_id)s::uuid, i.organization_id, o.name, o.slug, o.avatar_url, i.role, 'invited', i.created_at
    FROM invitations_to(%(user_id)s) AS i
    JOIN organizations AS o ON o.id = i.organization_id
) AS known
WHERE (%(after_id)s::uuid IS NULL OR (organization_name, organization_id) > (%(after_name)s, %(after_id)s::uuid))
ORDER BY organization_name, organization_id
LIMIT %(limit)s;

-- get --
SELECT o.id, o.name, o.slug, o.description, o.avatar_url, o.github_org_id, o.github_org_login, o.settings, o.plan,
    o.max_members, o.max_repositories, o.is_active, o.owner_id, o.created_at, o.updated_at, m.role::text AS role
FROM organizations AS o
LEFT JOIN organization_members AS m ON m.organization_id = o.id AND m.user_id = %(user_id)s
WHERE o.id = %(organization_id)s AND o.is_active;

-- create --
-- The organization with its first owner, or nothing if the slug is taken.
WITH made AS (
    INSERT INTO organizations (name, slug, description, avatar_url, github_org_login, settings, owner_id)
    VALUES (%(name)s, %(slug)s, %(description)s, %(avatar_url)s, %(github_org_login)s, %(settings)s, %(user_id)s)
    ON CONFLICT (slug) DO NOTHING
    RETURNING *
), owner AS (
    INSERT INTO organization_members (organization_id, user_id, role, status, accepted_at)
    SELECT id, %(user_id)s, 'owner', 'active', now() FROM made
    RETURNING role
)
SELECT made.id, made.name, made.slug, made.description, made.avatar_url, made.github_org_id, made.github_org_login,
    made.settings, made.plan, made.max_members, made.max_repositories, made.is_active, made.owner_id, made.created_at,
    made.updated_at, owner.role::text AS role
FROM made, owner;

-- update --
-- `given` names the columns to write.
UPDATE organizations
SET name = CASE WHEN 'name' = ANY (%(given)s) THEN %(name)s ELSE name END,
    description = CASE WHEN 'description' = ANY (%(given)s) THEN %(description)s ELSE description END,
    avatar_url = CASE WHEN 'avatar_url' = ANY (%(given)s) THEN %(avatar_url)s ELSE avatar_url END,
    settings = CASE WHEN 'settings' = ANY (%(given)s) THEN %(settings)s ELSE settings END
WHERE id = %(organization_id)s AND is_active;

-- deactivate --
UPDATE organizations SET is_active = false WHERE id = %(organization_id)s AND is_active RETURNING id;

-- lock --
-- Whoever changes members or counts them against a limit of the plan does so one after the other.
SELECT max_members, max_repositories
FROM organizations
WHERE id = %(organization_id)s AND is_active
FOR NO KEY UPDATE;
