-- list --
-- Those that the user has registered and may still see; or all of an organization.
SELECT id, user_id, github_repo_id, owner, name, full_name, default_branch, is_active, organization_id, team_id,
    created_at, updated_at
FROM repositories
WHERE CASE
        WHEN %(organization_id)s::uuid IS NOT NULL THEN organization_id = %(organization_id)s::uuid
        ELSE user_id = %(user_id)s AND (organization_id IS NULL
            OR organization_id IN (SELECT organizations_permitting(%(user_id)s, 'repositories.read')))
    END
    AND (%(after_id)s::uuid IS NULL OR (lower(full_name), id) > (%(after_name)s, %(after_id)s::uuid))
ORDER BY lower(full_name), id
LIMIT %(limit)s;

-- places --
SELECT id FROM repositories WHERE organization_id = %(organization_id)s;

-- get --
SELECT id, user_id, github_repo_id, owner, name, full_name, default_branch, is_active, organization_id, team_id,
    created_at, updated_at
FROM repositories
WHERE id = %(repository_id)s;

-- find --
-- The user's own of this name, or the organization's.
SELECT id, user_id, github_repo_id, owner, name, full_name, default_branch, is_active, organization_id, team_id,
    created_at, updated_at
FROM repositories
WHERE lower(full_name) = lower(%(full_name)s)
    AND CASE WHEN %(organization_id)s::uuid IS NULL THEN user_id = %(user_id)s AND organization_id IS NULL
        ELSE organization_id = %(organization_id)s::uuid END
ORDER BY created_at
LIMIT 1;

-- reactivate --
UPDATE repositories SET is_active = true
WHERE id = %(repository_id)s
RETURNING id, user_id, github_repo_id, owner, name, full_name, default_branch, is_active, organization_id, team_id,
    created_at, updated_at;

-- create --
INSERT INTO repositories (user_id, github_repo_id, owner, name, full_name, organization_id)
VALUES (%(user_id)s, %(github_repo_id)s, %(owner)s, %(name)s, %(full_name)s, %(organization_id)s)
ON CONFLICT (github_repo_id) DO NOTHING
RETURNING id, user_id, github_repo_id, owner, name, full_name, default_branch, is_active, organization_id, team_id,
    created_at, updated_at;

-- count --
-- Against the plan's limit.
SELECT count(*) FROM repositories WHERE organization_id = %(organization_id)s AND is_active;

-- update --
-- `given` names the columns to write. A team is one of the repository's organization.
UPDATE repositories AS r
SET default_branch = CASE WHEN 'default_branch' = ANY (%(given)s) THEN %(default_branch)s ELSE default_branch END,
    team_id = CASE WHEN 'team_id' = ANY (%(given)s) THEN %(team_id)s ELSE team_id END
WHERE id = %(repository_id)s
RETURNING id, user_id, github_repo_id, owner, name, full_name, default_branch, is_active, organization_id, team_id,
    created_at, updated_at;

-- has_team --
SELECT EXISTS (
    SELECT FROM repositories AS r JOIN teams AS t USING (organization_id)
    WHERE r.id = %(repository_id)s AND t.id = %(team_id)s
) AS has;

-- deactivate --
UPDATE repositories SET is_active = false WHERE id = %(repository_id)s;
